"""Cross-validation folds in two views: over queries and over documents.

    seen     held-out queries about documents that also have training queries
    unseen   held-out queries about documents without training queries: all queries of the
             held-out documents leave the training set, and the documents leave the negatives

Folds over queries alone reward a map that memorizes its documents; folds over documents alone
ignore what a query log teaches about the documents in it. So candidates are scored in both views.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import folds
from query_adapters.typing import Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Fold assignments of the training queries, and the weight of this view's score.

    Attributes:
        name: "seen" or "unseen".
        fold_of: Fold number of each query in each repetition, `(n_repeats, n_queries)`.
        weight: Expected share of future queries of this kind, 0..1.
    """

    name: str
    fold_of: Rows
    weight: float

    def splits(self, first: int = 0) -> Iterator[tuple[Rows, Rows]]:
        """Yield (training rows, held-out rows) for each fold of the repetitions from `first` on."""
        for fold_of in self.fold_of[first:]:
            for fold in range(int(fold_of.max()) + 1):
                yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def make_views(
    dataset: EmbeddedDataset, *, n_folds: int, n_repeats: int, seed: int, seen_share: float
) -> list[View]:
    """Return the views that the data allow; their weights add up to 1.

    A view needs at least two groups of queries. If only one view is possible, it has all the
    weight; if none is, the list is empty and nothing can be held out. At `seen_share` 1 no query
    about an unseen document is expected, so the unseen view is left out.

    Args:
        dataset: Training queries with their relevant documents.
        n_folds: Folds per repetition; fewer if there are fewer groups.
        n_repeats: How many times the folds are assigned anew.
        seed: Seed of the fold assignments.
        seen_share: Expected share of future queries about documents with training queries, 0..1.
    """
    groups = [
        ("seen", dataset.query_groups, seen_share),
        ("unseen", dataset.document_groups, 1 - seen_share),
    ]
    if seen_share == 1:
        del groups[1]
    feasible = [(name, group, w) for name, group, w in groups if len(np.unique(group)) > 1]
    total = sum(weight for _, _, weight in feasible)
    return [
        View(
            name=name,
            fold_of=_repeated_folds(group, n_folds, n_repeats, seed),
            weight=weight / total if total else 1.0,
        )
        for name, group, weight in feasible
    ]


def _repeated_folds(groups: Rows, n_folds: int, n_repeats: int, seed: int) -> Rows:
    n_folds = min(n_folds, len(np.unique(groups)))
    seeds = np.random.SeedSequence(seed).generate_state(n_repeats)
    return np.stack([folds(groups, n_folds=n_folds, seed=int(s)) for s in seeds])
