"""Merge what a question finds in the old and in the new index."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from query_adapters.typing import Values, Vectors
from query_adapters.upgrade.migration.scale import CommonScale

START = 2  # times k: how deep the old index is searched first
GROWTH = 4
MAX_DEPTH = 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class MigrationQuery:
    """A question in both spaces.

    Attributes:
        new: Its vector by the new model, to search the new index, `(dim_in,)`.
        old: The same through the bridge, to search the old index, `(dim_out,)`.
        k: Number of documents to retrieve.
        scale: Puts its old scores on the scale of its new ones.
    """

    new: Vectors
    old: Vectors
    k: int
    scale: CommonScale

    @property
    def depth(self) -> int:
        """How many documents of the old index to retrieve first."""
        return START * self.k


@dataclass(frozen=True, kw_only=True)
class MigrationHit:
    """A retrieved document.

    Attributes:
        id: Its id in the index that it comes from.
        score: Its score on the scale of the new index.
        is_new: Whether it comes from the new index.
    """

    id: str
    score: float
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Merged:
    """The best documents of both indexes so far.

    Attributes:
        hits: At most k documents, best first.
        next_depth: How deep the old index has to be searched, for more could be among the best;
            None if these are final.
    """

    hits: list[MigrationHit]
    next_depth: int | None


def merge(
    new: Sequence[MigrationHit],
    old: Sequence[MigrationHit],
    *,
    k: int,
    lowest: float | None,
    depth: int,
) -> Merged:
    """Return the best documents of both indexes, and whether the old one has to be asked for more.

    The old index is searched deep enough as soon as its lowest score is not above that of the k-th
    best document, for what lies deeper scores lower still.

    Args:
        new: Documents of the new index with their scores.
        old: Documents of the old index that are not in the new one.
        k: Number of documents to retrieve.
        lowest: The lowest score of what the old index returned, migrated or not; None if it
            returned fewer documents than it was asked for.
        depth: How many it was asked for.

    Source: Fagin, Lotem, Naor, Optimal Aggregation Algorithms for Middleware (2003): the threshold
        algorithm's rule to stop.
    """
    hits = heapq.nlargest(k, [*new, *old], key=lambda hit: hit.score)
    is_open = lowest is not None and (len(hits) < k or hits[-1].score < lowest)
    limit = max(MAX_DEPTH, START * k)
    return Merged(
        hits=hits, next_depth=min(GROWTH * depth, limit) if is_open and depth < limit else None
    )


def hits_of(ids: Sequence[str], scores: Values, *, is_new: bool) -> list[MigrationHit]:
    """Return the documents with their scores."""
    return [
        MigrationHit(id=key, score=float(score), is_new=is_new)
        for key, score in zip(ids, scores, strict=True)
    ]
