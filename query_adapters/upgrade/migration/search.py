"""A question's way through both indexes: which searches to run, and what they found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from query_adapters.typing import Vectors
from query_adapters.upgrade.migration.ranking import Merged, MigrationHit, MigrationQuery

Merge = Callable[[MigrationQuery, Sequence[str], Sequence[str], int], Merged]
"""Merges the ids that a question found in the new index and in the old one, to a depth."""


@dataclass(frozen=True, eq=False)
class IndexSearch:
    """A search to run.

    Attributes:
        is_new: Whether it is of the new index.
        vector: The vector to search for, `(dim_in,)` or `(dim_out,)`.
        k: Number of documents to return.
    """

    is_new: bool
    vector: Vectors
    k: int


class MigrationSearch:
    """Says what to search, until the best documents are known.

    An integration runs all searches of `wanted`, one after the other or at once, and passes the ids
    that they found to `take`, as long as there are any.

    Args:
        query: The question.
        merge: Merges what was found.
        has_new: Whether the new index has to be searched.

    Attributes:
        wanted: The searches to run next; empty when `hits` are final.
        hits: The best documents of both indexes, at most `query.k`.
    """

    def __init__(self, query: MigrationQuery, merge: Merge, *, has_new: bool) -> None:
        self._query, self._merge = query, merge
        self._new_ids: Sequence[str] = ()
        self.hits: list[MigrationHit] = []
        self.wanted = [IndexSearch(True, query.new, query.k)] if has_new else []
        self.wanted.append(IndexSearch(False, query.old, query.depth))

    def take(self, found: Sequence[Sequence[str]]) -> None:
        """Merge the ids that each search of `wanted` found, best first."""
        *new, old = found
        self._new_ids = new[0] if new else self._new_ids
        merged = self._merge(self._query, self._new_ids, old, self.wanted[-1].k)
        self.hits, depth = merged.hits, merged.next_depth
        self.wanted = [] if depth is None else [IndexSearch(False, self._query.old, depth)]
