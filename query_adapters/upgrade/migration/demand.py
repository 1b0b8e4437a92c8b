"""Which documents are asked for: by labels, and by what a retriever returned."""

from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock

MAX_IDS = 10_000


class Demand:
    """Counts how often documents are asked for, and forgets rare ones beyond a bound.

    Args:
        asked: Counts to start from, by id.
        most: The most ids to keep, at least 1.
    """

    def __init__(self, asked: Mapping[str, int] | None = None, *, most: int = MAX_IDS) -> None:
        self._counts, self._most, self._lock = Counter(asked or {}), most, Lock()

    def note(self, ids: Iterable[str]) -> None:
        """Count each of the ids once more.

        Twice the bound is kept at most; then the half with the lowest counts is forgotten.
        """
        with self._lock:
            self._counts.update(ids)
            if len(self._counts) > 2 * self._most:
                self._counts = Counter(dict(self._counts.most_common(self._most)))

    @property
    def counts(self) -> dict[str, int]:
        """The counts by id."""
        with self._lock:
            return dict(self._counts)
