"""The scoring head: weights of the features beside the similarity."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.errors import InvalidVectorsError
from query_adapters.files.json_types import is_number
from query_adapters.fusion.features import FEATURES, LEXICAL, VOTES
from query_adapters.text.shown import quoted
from query_adapters.typing import Values


class Head(Protocol):
    """Scores documents by their similarity and by features, with learned weights."""

    def __call__(self, similarities: Values, features: Values, /) -> Values:
        """Return the scores `(..., n)`, from features `(..., n, n_features)` of n documents."""


@dataclass(frozen=True, eq=False)
class ScoringHead:
    """The score `similarity + Σ w f` of a document; it is on the scale of the similarity.

    Args:
        weights: w ≥ 0 of each feature in `FEATURES`, in that order; or by name, the others 0.

    Raises:
        InvalidVectorsError: If a weight is below 0 or not finite, or there are too many or too few.
    """

    weights: Values

    def __init__(self, weights: ArrayLike | Mapping[str, float]) -> None:
        if isinstance(weights, Mapping):
            weights = [weights.get(name, 0.0) for name in FEATURES]
        given = np.array(weights, dtype=np.float64)
        if given.shape != (len(FEATURES),) or not (np.isfinite(given) & (given >= 0)).all():
            raise InvalidVectorsError(
                f"expected {len(FEATURES)} finite weights from 0, one for each of "
                f"{', '.join(FEATURES)}, got {given}; train again"
            )
        given.setflags(write=False)
        object.__setattr__(self, "weights", given)

    def __call__(self, similarities: Values, features: Values) -> Values:
        """Return the scores `(..., n)`, from features `(..., n, n_features)` of n documents."""
        scores: Values = similarities + features @ self.weights
        return scores

    @cached_property
    def by_name(self) -> dict[str, float]:
        """The weights by name of the feature."""
        return dict(zip(FEATURES, self.weights.tolist(), strict=True))

    @property
    def needs_text(self) -> bool:
        """Whether the lexical feature has a weight."""
        return self.by_name[LEXICAL] > 0

    @property
    def has_votes(self) -> bool:
        """Whether votes have a weight."""
        return any(self.by_name[name] > 0 for name in VOTES)

    @property
    def is_zero(self) -> bool:
        """Whether documents are scored by their similarity alone."""
        return not self.weights.any()

    def with_votes_times(self, factor: float) -> Self:
        """Return the head for `1 / factor` times as many training questions, whose votes add up."""
        scaled = {name: factor * weight for name, weight in self.by_name.items() if name in VOTES}
        return type(self)({**self.by_name, **scaled})

    def parts(self, similarity: float, features: Values) -> dict[str, float]:
        """Return what the similarity and each feature with a weight add to a score, by name."""
        added = zip(FEATURES, self.weights, features, strict=True)
        return {
            "similarity": float(similarity),
            **{name: float(weight * value) for name, weight, value in added if weight > 0},
        }

    def to_record(self) -> dict[str, Any]:
        """Return the weights by name, as JSON can hold them."""
        return dict(self.by_name)

    @classmethod
    def from_record(cls, record: Mapping[str, float]) -> Self:
        """Return the head of a record.

        Raises:
            InvalidVectorsError: If a weight is unknown, below 0 or not finite.
        """
        if not all(map(is_number, record.values())):
            raise InvalidVectorsError(
                f"expected finite numbers as weights, got {quoted(record)}; train again"
            )
        unknown = sorted(record.keys() - set(FEATURES))
        if unknown:
            raise InvalidVectorsError(
                f"expected weights of {', '.join(FEATURES)}, got {', '.join(unknown)} as well; "
                "update llama-index-finetune-plugin"
            )
        return cls(record)
