"""Which questions are held out from which: two views, as one alone flatters.

Over *questions* a map may have memorised its documents; over *documents* nobody sees what a
query log is worth.

    seen     new questions about documents that have training questions
    unseen   questions about documents that have none: their questions leave the training set,
             and with them the documents leave the negatives
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import folds
from query_adapters.typing import Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Folds over the training questions, and the weight of their verdict.

    Attributes:
        name: "seen" or "unseen".
        fold_of: Fold number of each question in each repetition, `(n_repeats, n_queries)`.
        weight: Expected share of future questions of this kind, 0..1.
    """

    name: str
    fold_of: Rows
    weight: float

    def splits(self) -> Iterator[tuple[Rows, Rows]]:
        """Yield (training, held-out) question rows, fold by fold."""
        for fold_of in self.fold_of:
            for fold in range(int(fold_of.max()) + 1):
                yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def make_views(
    dataset: EmbeddedDataset, *, n_folds: int, n_repeats: int, seed: int, seen_share: float
) -> list[View]:
    """Return the views that the data allow, their weights adding up to 1.

    A view needs at least two groups of questions; where one is missing the other has all the
    weight, and where both are missing there is nothing to measure on. At `seen_share` 1 no
    question about an unseen document is expected, and none is measured.
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
