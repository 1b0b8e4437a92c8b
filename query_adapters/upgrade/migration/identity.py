"""Which documents of an old index are in a new one."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from query_adapters.data.units import read_units
from query_adapters.stores import LiveIndex, read_blocks
from query_adapters.stores.source import batches

BLOCK = 1_000

Open = Callable[[], LiveIndex]
"""Opens an index for reading as it is now."""


class Identity(Protocol):
    """Tells which entries of two indexes are of the same document."""

    def migrated(self, old_ids: Sequence[str], new_ids: Sequence[str] = ()) -> Collection[str]:
        """Return those ids of the old index whose documents are in the new one.

        Args:
            old_ids: Ids of the old index.
            new_ids: Ids that are known to be in the new one.
        """

    def count(self) -> int:
        """Return the number of documents in the new index."""

    def documents(self, old_ids: Sequence[str]) -> Sequence[str]:
        """Return the document of each id of the old index."""

    def refresh(self) -> None:
        """Read again what is kept of the new index, if anything is."""


class SameIds:
    """Documents that have the same id in both indexes; the new one is asked for each.

    Args:
        new: Opens the new index.
    """

    def __init__(self, new: Open) -> None:
        self._new = new

    def migrated(self, old_ids: Sequence[str], new_ids: Sequence[str] = ()) -> Collection[str]:
        """Return those ids of the old index whose documents are in the new one."""
        known = set(new_ids)
        unknown = [key for key in old_ids if key not in known]
        return known.union(_stored(self._new(), unknown) if unknown else ())

    def count(self) -> int:
        """Return the number of documents in the new index."""
        index = self._new()
        count = index.source.count()
        return sum(1 for _ in _all(index)) if count is None else count

    def documents(self, old_ids: Sequence[str]) -> Sequence[str]:
        """Return the document of each id of the old index."""
        return old_ids

    def refresh(self) -> None:
        """Do nothing: nothing is kept."""


class SameUnits:
    """Documents by their unit, where ids or chunks differ between the indexes.

    The units of the new index are kept in memory. Those of entries that a search returned are added
    by themselves; `refresh` reads all.

    Args:
        old: Opens the old index; its `units` is not None.
        new: Opens the new index; its `units` is not None.
    """

    def __init__(self, old: Open, new: Open) -> None:
        self._old, self._new = old, new
        self._known: set[str] = set()  # entries of the new index
        self._there: set[str] = set()  # their units
        self.refresh()

    def migrated(self, old_ids: Sequence[str], new_ids: Sequence[str] = ()) -> Collection[str]:
        """Return those ids of the old index whose documents are in the new one."""
        self._note([key for key in new_ids if key not in self._known])
        units = _units(self._old(), old_ids)
        return {key for key, unit in units.items() if unit in self._there}

    def count(self) -> int:
        """Return the number of documents in the new index."""
        return len(self._there)

    def documents(self, old_ids: Sequence[str]) -> Sequence[str]:
        """Return the document of each id of the old index."""
        units = _units(self._old(), old_ids)
        return [units[key] for key in old_ids]

    def refresh(self) -> None:
        """Read the units of the new index again."""
        index = self._new()
        ids = _all(index)
        self._known, self._there = set(ids), set(_units(index, ids).values())

    def _note(self, new_ids: Sequence[str]) -> None:
        self._known.update(new_ids)
        self._there.update(_units(self._new(), new_ids).values())


def identity_of(old: Open, new: Open) -> Identity:
    """Return the identity by the units of the indexes, or by ids if they have none."""
    return SameIds(new) if new().units is None else SameUnits(old, new)


def is_empty(index: LiveIndex) -> bool:
    """Return whether the index holds no vector."""
    return index.source.count() == 0


def _all(index: LiveIndex) -> list[str]:
    if is_empty(index):
        return []
    return [key for keys, _ in read_blocks(index.source, name=index.name) for key in keys]


def _stored(index: LiveIndex, ids: Sequence[str]) -> set[str]:
    return {key for keys, _ in read_blocks(index.source, name=index.name, ids=ids) for key in keys}


def _units(index: LiveIndex, ids: Sequence[str]) -> dict[str, str]:
    if not ids or index.units is None:
        return {}
    return read_units(batches(ids, BLOCK), index.chunks, index.units, name=index.name)
