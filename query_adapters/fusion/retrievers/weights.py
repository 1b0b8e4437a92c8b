"""The weights of several retrievers, and the ranking that they give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from query_adapters.errors import InvalidVectorsError
from query_adapters.files.json_types import number_of, texts_of
from query_adapters.fusion.retrievers.lists import RetrievedList
from query_adapters.fusion.retrievers.scales import Scale
from query_adapters.typing import Values

Retriever = TypeVar("Retriever")


@dataclass(frozen=True)
class RetrieverWeights:
    """Ranks the union of several retrievers' documents by `Σ w x`.

    x is the document's value on the retriever's `Scale`, 0 if the retriever did not return it.

    Attributes:
        names: Name of each retriever, the base first.
        weights: w of each, 1 for the base, the others from 0.
        scales: Scale of each.

    Raises:
        InvalidVectorsError: If the parts do not fit together.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    scales: tuple[Scale, ...]

    def __post_init__(self) -> None:
        fit = len(self.names) == len(self.weights) == len(self.scales) >= 1
        if not fit or self.weights[0] != 1 or not all(0 <= w < np.inf for w in self.weights):
            raise InvalidVectorsError(
                "expected a name, a weight from 0 and a scale for each retriever, 1 for the "
                f"first, got {self.names}, {self.weights} and {len(self.scales)} scales; train "
                "again"
            )

    @property
    def by_name(self) -> dict[str, float]:
        """The weights by name of the retriever."""
        return dict(zip(self.names, self.weights, strict=True))

    @property
    def asked(self) -> tuple[int, ...]:
        """Positions of the retrievers with a weight; the others need not be asked."""
        return tuple(place for place, weight in enumerate(self.weights) if weight > 0)

    @property
    def is_base_alone(self) -> bool:
        """Whether only the base has a weight."""
        return self.asked == (0,)

    def of_asked(self, retrievers: Sequence[Retriever]) -> list[Retriever]:
        """Return those of the retrievers that have a weight.

        Raises:
            ValueError: If there are more or fewer retrievers than weights.
        """
        if len(retrievers) != len(self.names):
            raise ValueError(
                f"retrievers: expected {len(self.names)}, as the weights were learned for "
                f"{', '.join(self.names)}, got {len(retrievers)}"
            )
        return [retrievers[place] for place in self.asked]

    def ranked(self, lists: Sequence[RetrievedList]) -> list[tuple[str, float]]:
        """Return the ids with their scores, best first; equal ones keep the order of the lists.

        Args:
            lists: What each retriever in `asked` returned, in that order.

        Raises:
            InvalidVectorsError: If there are more or fewer lists, or scores are missing.
        """
        if len(lists) != len(self.asked):
            raise InvalidVectorsError(
                f"expected the results of {len(self.asked)} retrievers, got {len(lists)}"
            )
        ids = union(lists)
        scales = [self.scales[place] for place in self.asked]
        weights = np.array([self.weights[place] for place in self.asked])
        scores = values_of(ids, lists, scales) @ weights
        return [(ids[row], float(scores[row])) for row in np.argsort(-scores, kind="stable")]

    def to_record(self) -> list[dict[str, Any]]:
        """Return one entry per retriever, as JSON can hold it."""
        parts = zip(self.names, self.weights, self.scales, strict=True)
        return [
            {"name": name, "weight": weight, "by": scale.by, "span": scale.span}
            for name, weight, scale in parts
        ]

    @classmethod
    def from_record(cls, record: Iterable[Any]) -> "RetrieverWeights":
        """Return the weights of a record.

        Raises:
            InvalidVectorsError: If they do not fit together; KeyError or TypeError if a part is
                missing.
        """
        entries = list(record)
        return cls(
            names=texts_of([entry["name"] for entry in entries]),
            weights=tuple(number_of(entry["weight"]) for entry in entries),
            scales=tuple(Scale(entry["by"], number_of(entry["span"])) for entry in entries),
        )


def union(lists: Sequence[RetrievedList]) -> list[str]:
    """Return the distinct ids, those of the first list first."""
    return list(dict.fromkeys(key for found in lists for key in found.ids))


def values_of(
    ids: Sequence[str], lists: Sequence[RetrievedList], scales: Sequence[Scale]
) -> Values:
    """Return the documents' values on the common scale, 0 if missing, `(len(ids), len(lists))`."""
    place = {key: row for row, key in enumerate(ids)}
    values = np.zeros((len(ids), len(lists)))
    for column, (found, scale) in enumerate(zip(lists, scales, strict=True)):
        values[[place[key] for key in found.ids], column] = scale(found)
    return values


def names_of(retrievers: Any, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the given names, or the classes' names, numbered where one recurs.

    Raises:
        TypeError: If `retrievers` is not a sequence, or `names` is a string.
        ValueError: If there are fewer than two retrievers, or not as many distinct names.
    """
    if not isinstance(retrievers, Sequence) or isinstance(names, str):
        raise TypeError(
            "retrievers: expected a list of retrievers and, if given, a list of names, got "
            f"{type(retrievers).__name__} and {names!r}"
        )
    if len(retrievers) < 2:
        raise ValueError(
            f"retrievers: expected at least two, got {len(retrievers)}; pass the base first and "
            "then those that may improve it"
        )
    found = _class_names(retrievers) if names is None else tuple(names)
    if len(found) != len(retrievers) or len(set(found)) != len(found):
        raise ValueError(
            f"names: expected {len(retrievers)} distinct names, one per retriever, got {found}"
        )
    return found


def _class_names(retrievers: Sequence[object]) -> tuple[str, ...]:
    classes = [type(retriever).__name__ for retriever in retrievers]
    turns = [classes[: place + 1].count(name) for place, name in enumerate(classes)]
    return tuple(
        name if turn == 1 else f"{name} {turn}" for name, turn in zip(classes, turns, strict=True)
    )
