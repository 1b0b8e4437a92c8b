"""Units: what labels are on, where a document has several vectors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from query_adapters.errors import InvalidDatasetError, InvalidVectorsError
from query_adapters.typing import Rows, Vectors

UnitsOption = str | Callable[[Any], object]
"""What labels are on: "chunk", a rule or metadata key by name, or a function of a chunk."""

CHUNK, FUNCTION = "chunk", "function"
SHOWN = 3  # chunks that an error names; further ones are counted


@dataclass(frozen=True, eq=False)
class Units:
    """The unit of every stored vector, such as the document that a chunk is a part of.

    Labels name units. A unit scores by its best vector.

    Attributes:
        ids: Id of each unit, `(n_units,)`.
        unit_of: Unit of each vector, by its position in `ids`, `(n_vectors,)`.
        rule: How they were read, for the record: a rule or metadata key by name, or "function";
            None if they were given.

    Raises:
        InvalidVectorsError: If an id occurs twice, or a unit has no vector.
    """

    ids: tuple[str, ...]
    unit_of: Rows
    rule: str | None = None

    def __post_init__(self) -> None:
        if len(self.number_of) < len(self.ids):
            raise InvalidVectorsError("units: expected each id once, got one of them twice")
        check_units(self.unit_of, len(self.unit_of), n_units=len(self.ids))

    @classmethod
    def of(cls, units: Iterable[str], *, rule: str | None = None) -> "Units":
        """Return the units, given the id of each vector's unit; numbered as they come.

        Example:
            >>> Units.of(["report", "report", "letter"]).unit_of
            array([0, 0, 1])
        """
        numbers: dict[str, int] = {}
        unit_of = [numbers.setdefault(unit, len(numbers)) for unit in units]
        return cls(tuple(numbers), np.array(unit_of, dtype=np.int64), rule)

    def to_record(self) -> dict[str, Any]:
        """Return the rule and the counts as JSON can hold them, without ids."""
        return {"rule": self.rule, "units": len(self.ids), "vectors": len(self.unit_of)}

    @cached_property
    def number_of(self) -> Mapping[str, int]:
        """The position of each id."""
        return {key: number for number, key in enumerate(self.ids)}


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Rows of vectors, grouped by their units.

    Attributes:
        rows: The rows, unit after unit, `(n_rows,)`.
        starts: Where each unit's rows begin, and where the last unit's end, `(n_units + 1,)`.
    """

    rows: Rows
    starts: Rows

    @classmethod
    def of(cls, unit_of: Rows) -> "UnitRows":
        """Return all rows by the number of their unit; rows of a unit ascend."""
        counts = np.bincount(unit_of)
        return cls(np.argsort(unit_of, kind="stable"), np.concatenate([[0], np.cumsum(counts)]))

    def select(self, units: Rows) -> "UnitRows":
        """Return the rows of these units, in their order."""
        spans = [self.rows[self.starts[unit] : self.starts[unit + 1]] for unit in units]
        ends = np.cumsum([len(span) for span in spans], dtype=np.int64)
        return UnitRows(np.concatenate(spans), np.concatenate([[0], ends]))

    def spans(self) -> Iterator[slice]:
        """Yield where each unit's rows lie among `rows`."""
        return (slice(a, b) for a, b in zip(self.starts[:-1], self.starts[1:], strict=True))

    def means(self, vectors: Vectors) -> Vectors:
        """Return the mean vector of each unit, for the vectors of `rows`."""
        means: Vectors = np.add.reduceat(vectors, self.starts[:-1], axis=0)
        return means / np.diff(self.starts).astype(np.float32)[:, None]


@dataclass(frozen=True, kw_only=True)
class UnitRule:
    """How the unit of a framework's chunk is read.

    Attributes:
        name: The rule in messages.
        kind: The rule in records: its name, or "function".
        read: Returns the unit's id; None if the chunk has none.
        keys: Returns the metadata keys of a chunk, for messages.
    """

    name: str
    kind: str
    read: Callable[[Any], object]
    keys: Callable[[Any], Iterable[str]]

    def find(self, chunk: Any) -> str | None:
        """Return the id of the chunk's unit, as a string; None if it has none.

        Raises:
            InvalidDatasetError: If the chunk has several units.
        """
        found = self.read(chunk)
        if isinstance(found, Iterable) and not isinstance(found, str):
            raise InvalidDatasetError(
                f"units={self.name}: expected one unit for each chunk, got {found!r}; return a "
                "string, because a chunk with two units could answer for either"
            )
        return None if found is None or found == "" else str(found)

    def __call__(self, chunk: Any) -> str:
        """Return the id of the chunk's unit.

        Raises:
            InvalidDatasetError: If the chunk has none, or several.
        """
        found = self.find(chunk)
        if found is None:
            raise InvalidDatasetError(
                f"units={self.name}: expected a unit for each chunk, got none for a chunk with the "
                f"metadata keys {sorted(self.keys(chunk))}; name one of them, or pass a function"
            )
        return found


def unit_rule(
    units: UnitsOption,
    rules: Mapping[str, Callable[[Any], object]],
    metadata: Callable[[Any], Mapping[str, Any]],
) -> UnitRule | None:
    """Return how units are read; None for "chunk", where every vector is its own unit.

    Args:
        units: As the user gave it.
        rules: Functions of a chunk by the name of the rule; any other name is a metadata key.
        metadata: Returns the metadata of a chunk.

    Raises:
        TypeError: If it is neither a string nor a function.
    """
    if units == CHUNK:
        return None
    if callable(units):
        name = getattr(units, "__name__", repr(units))
        return UnitRule(name=name, kind=FUNCTION, read=units, keys=metadata)
    if not isinstance(units, str):
        raise TypeError(f'units: expected "chunk", a metadata key or a function, got {units!r}')
    by_key = rules.get(units, lambda chunk: metadata(chunk).get(units))
    return UnitRule(name=repr(units), kind=units, read=by_key, keys=metadata)


def read_units(
    ids: Iterable[Sequence[str]],
    chunks: Callable[[Sequence[str]], Mapping[str, Any]],
    rule: UnitRule,
    *,
    name: str,
) -> dict[str, str]:
    """Return the unit of every stored vector by its id, read block by block.

    Args:
        ids: Blocks of ids.
        chunks: Returns the framework's chunks of some ids, by id.
        rule: How the unit of a chunk is read.
        name: Name of the store in messages.

    Raises:
        InvalidDatasetError: If a chunk cannot be read back, or has no unit, or several.
    """
    units: dict[str, str] = {}
    without: list[str] = []
    keys: set[str] = set()
    for block in ids:
        found = chunks(block)
        for key in block:
            unit = rule.find(found[key]) if key in found else None
            if unit is None:
                without.append(key)
                keys.update(rule.keys(found[key]) if key in found else ())
            else:
                units[key] = unit
    if without:
        raise InvalidDatasetError(_without(without, keys, len(units) + len(without), rule, name))
    return units


def check_units(unit_of: Rows, n_vectors: int, *, n_units: int) -> None:
    """Check that each vector has one unit of 0 to `n_units` - 1, and each unit a vector.

    Raises:
        InvalidVectorsError: If not.
    """
    numbers = np.unique(unit_of)
    if len(unit_of) != n_vectors or not np.array_equal(numbers, np.arange(n_units)):
        raise InvalidVectorsError(
            f"units: expected a unit for each of {n_vectors} vectors, numbered without gaps from "
            f"0 to {n_units - 1}, got {len(unit_of)} of {len(numbers)} units"
        )


def _without(
    without: Sequence[str], keys: set[str], n_vectors: int, rule: UnitRule, name: str
) -> str:
    names = ", ".join(map(repr, without[:SHOWN]))
    remedy = (
        f"their metadata keys are {sorted(keys)}: name a key that all have, or pass a function of "
        "a chunk"
        if keys
        else "they cannot be read back from this store, or have no metadata: keep them in a "
        "docstore, or pass StoredVectors with `units`"
    )
    return (
        f"{name}: expected a unit for every stored vector by units={rule.name}, got none for "
        f"{len(without)} of {n_vectors}, such as {names}; {remedy}"
    )
