"""Several datasets as one, whose questions are compared with documents of their own dataset."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.softmax import FullSoftmaxLoss, Positives
from query_adapters.typing import Rows, Vectors


@dataclass(frozen=True, eq=False)
class PooledDataset(EmbeddedDataset):
    """Questions and documents of several datasets; negatives are those of the own dataset.

    Attributes:
        pools: Number of each question's dataset, ascending, `(n_queries,)`.
    """

    pools: Rows = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, datasets: Sequence[EmbeddedDataset]) -> "PooledDataset":
        """Return the datasets, at least one, as one; their vectors have the same length."""
        firsts = np.cumsum([0, *(dataset.n_units for dataset in datasets)])
        pairs = list(zip(datasets, firsts[:-1], strict=True))
        with_units = any(dataset.units is not None for dataset in datasets)
        return cls(
            queries=np.concatenate([dataset.queries for dataset in datasets]),
            documents=np.concatenate([dataset.documents for dataset in datasets]),
            relevant=tuple(first + rows for dataset, first in pairs for rows in dataset.relevant),
            grades=tuple(grades for dataset in datasets for grades in dataset.grades),
            units=np.concatenate([f + _units(d) for d, f in pairs]) if with_units else None,
            pools=np.repeat(np.arange(len(datasets)), [len(d.queries) for d in datasets]),
            weights=np.concatenate([dataset.weights for dataset in datasets]),
        )

    def select(self, queries: Rows) -> "PooledDataset":
        """Return the dataset with these questions (rows, ascending) only, over all documents."""
        selected = super().select(queries)
        return PooledDataset(
            queries=selected.queries,
            documents=selected.documents,
            relevant=selected.relevant,
            grades=selected.grades,
            query_groups=selected.query_groups,
            units=selected.units,
            pools=self.pools[queries],
            weights=selected.weights,
        )


def _units(dataset: EmbeddedDataset) -> Rows:
    return np.arange(len(dataset.documents)) if dataset.units is None else dataset.units


@dataclass(frozen=True, eq=False)
class PooledLoss:
    """The mean over all queries of the losses of consecutive blocks of queries.

    Attributes:
        parts: The rows of each block with its loss.
    """

    parts: Sequence[tuple[slice, FullSoftmaxLoss]]

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss at z `(n_queries, dim)`, and its gradient with respect to z."""
        total, gradient = 0.0, np.empty_like(mapped)
        for rows, loss in self.parts:
            share = (rows.stop - rows.start) / len(mapped)
            value, by_mapped = loss(mapped[rows])
            total += share * value
            gradient[rows] = np.float32(share) * by_mapped
        return total, gradient

    def shared(self, mapped: Vectors) -> "PooledLoss":
        """Return the loss with the labels of units shared by the scores of z."""
        return PooledLoss([(rows, loss.shared(mapped[rows])) for rows, loss in self.parts])


def full_loss(
    dataset: EmbeddedDataset, documents: Vectors, offsets: Vectors, positives: Positives
) -> FullSoftmaxLoss | PooledLoss:
    """Return the loss over all documents that are relevant to a query of the same dataset.

    Args:
        dataset: The queries; of a `PooledDataset`, each pool has its own documents.
        documents: Scaled vectors of the labelled documents, `(n_columns, dim)`.
        offsets: Their offsets, `(n_columns,)`.
        positives: Which of them are relevant to which query.
    """
    if not isinstance(dataset, PooledDataset):
        return FullSoftmaxLoss(documents, offsets, positives)
    return PooledLoss(
        [
            (rows, FullSoftmaxLoss(documents[columns], offsets[columns], part))
            for rows, columns, part in _parts(dataset.pools, positives)
        ]
    )


def _parts(pools: Rows, positives: Positives) -> Iterator[tuple[slice, slice, Positives]]:
    """Yield the rows, the columns and the judgements of each pool, relative to both.

    The labelled vectors of a pool are next to each other, since datasets are concatenated.
    """
    bounds = [*np.unique(pools, return_index=True)[1].tolist(), len(pools)]
    for start, end in pairwise(bounds):
        judged = slice(*np.searchsorted(positives.queries, [start, end]).tolist())
        own = positives.columns[judged]
        first, last, spans = own.min(), own.max() + 1, None
        if positives.spans is not None:
            block = positives.spans.block(start, end)
            first, last = block.firsts.min(), block.ends.max()
            spans = replace(block, firsts=block.firsts - first, ends=block.ends - first)
        queries, weights = positives.queries[judged] - start, positives.weights[judged]
        part = Positives(queries, own - first, weights, spans)
        yield slice(start, end), slice(int(first), int(last)), part
