"""Softmax cross-entropy of mapped queries over documents, with its gradient."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.typing import Rows, Values, Vectors

SCORES_AT_ONCE = 8_000_000  # scores per block: 32 MB
SETTLED = 1e-3  # a unit's vector is replaced by one whose score is higher by more


class SoftmaxLoss(Protocol):
    """Mean over queries of `Σⱼ gⱼ log(1 + Σₖ exp(sₖ - sⱼ))`, sₖ = z·dₖ + oₖ.

    j runs over the relevant documents of a query and k over its negatives.
    """

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss at z `(n_queries, dim)`, and its gradient with respect to z."""

    def rechosen(self, mapped: Vectors) -> "SoftmaxLoss":
        """Return the loss with the best vector of each relevant unit; itself if none changes."""


@dataclass(frozen=True, eq=False)
class Positives:
    """Relevance judgements as three parallel arrays, `(n_judgements,)`.

    A unit with several vectors is represented by one of them; its other vectors are neither
    positives nor negatives of the query.

    Attributes:
        queries: Row of the query.
        columns: Position of the document, or of a unit's chosen vector, among the labelled vectors.
        weights: Weight in the loss; the weights of a query add up to 1.
        spans: First and last column (exclusive) of the unit's vectors, `(n_judgements, 2)`; None
            if each unit has one.
    """

    queries: Rows
    columns: Rows
    weights: Values
    spans: Rows | None = None

    @classmethod
    def of(cls, dataset: EmbeddedDataset) -> "Positives":
        """Return the judgements of the dataset, ordered by query; of a unit, its first vector."""
        counts = [len(rows) for rows in dataset.relevant]
        places = np.searchsorted(dataset.labelled, np.concatenate(dataset.relevant))
        weights = np.concatenate([grades / grades.sum() for grades in dataset.grades])
        queries = np.repeat(np.arange(len(counts)), counts)
        if dataset.units is None:
            return cls(queries, places, weights)
        starts = dataset.labelled_rows.starts
        spans = np.stack([starts[places], starts[places + 1]], axis=1)
        return cls(queries, spans[:, 0], weights, spans)

    def exclude(self, scores: Vectors) -> None:
        """Set the scores of all vectors of relevant units to -inf, in place."""
        if self.spans is None:
            scores[self.queries, self.columns] = -np.inf
            return
        for query, (first, end) in zip(self.queries, self.spans, strict=True):
            scores[query, first:end] = -np.inf

    def rechosen(self, mapped: Vectors, documents: Vectors, offsets: Vectors) -> "Positives":
        """Return the positives with each unit's best vector; itself if none changes.

        Args:
            mapped: z, `(n_queries, dim)`.
            documents: d, `(n_columns, dim)`.
            offsets: o, `(n_columns,)`.
        """
        if self.spans is None:
            return self
        columns = self.columns.copy()
        for unit, block in self._by_unit():
            scores = mapped[self.queries[block]] @ documents[unit].T + offsets[unit]
            best, rows = scores.argmax(axis=1), np.arange(len(block))
            current = scores[rows, columns[block] - unit.start]
            better = scores[rows, best] > current + SETTLED
            columns[block] = np.where(better, unit.start + best, columns[block])
        return self if np.array_equal(columns, self.columns) else replace(self, columns=columns)

    def _by_unit(self) -> Iterator[tuple[slice, Rows]]:
        """Yield the columns of each unit with blocks of the judgements that name it."""
        spans = np.empty((0, 2), np.int64) if self.spans is None else self.spans
        order = np.argsort(spans[:, 0], kind="stable")
        _, places = np.unique(spans[order, 0], return_index=True)
        for judgements in np.split(order, places[1:]):
            first, end = map(int, spans[judgements[0]])
            size = SCORES_AT_ONCE // (end - first) + 1
            for start in range(0, len(judgements), size):
                yield slice(first, end), judgements[start : start + size]

    def blocks(self, n_queries: int, size: int) -> Iterator[tuple[slice, "Positives"]]:
        """Yield blocks of `size` queries with their judgements, rows relative to the block."""
        for start in range(0, n_queries, size):
            low, high = np.searchsorted(self.queries, [start, start + size])
            part = slice(low, high)
            yield (
                slice(start, min(start + size, n_queries)),
                Positives(
                    self.queries[part] - start,
                    self.columns[part],
                    self.weights[part],
                    None if self.spans is None else self.spans[part],
                ),
            )

    def loss(
        self, negatives: Values, relevant: Values, n_queries: int
    ) -> tuple[float, Values, Values]:
        """Return the summed loss and its derivatives, up to their signs.

        Args:
            negatives: Log-sum-exp of each query's negative scores, `(n_queries,)`.
            relevant: Score of each relevant document, `(n_judgements,)`.
            n_queries: Number of queries in the block.

        Returns:
            The loss; minus its derivative by each relevant score, `(n_judgements,)`; its
            derivative by each query's log-sum-exp, `(n_queries,)`.
        """
        excess = negatives[self.queries] - relevant
        losses = np.logaddexp(0, excess)
        pull = self.weights * np.exp(excess - losses)  # weight · sigmoid(excess)
        push = np.bincount(self.queries, weights=pull, minlength=n_queries).astype(np.float64)
        return float(self.weights @ losses), pull, push


class FullSoftmaxLoss:
    """The softmax loss over all the given documents.

    Args:
        documents: d, `(n_documents, dim)`.
        offsets: o, `(n_documents,)`.
        positives: Which of the documents are relevant to which query.
    """

    def __init__(self, documents: Vectors, offsets: Vectors, positives: Positives) -> None:
        self._documents = documents
        self._offsets = offsets
        self._positives = positives

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss at z `(n_queries, dim)`, and its gradient with respect to z."""
        total, gradient = 0.0, np.empty_like(mapped)
        size = SCORES_AT_ONCE // len(self._documents) + 1
        for block, positives in self._positives.blocks(len(mapped), size):
            scores = mapped[block] @ self._documents.T + self._offsets
            loss, residuals = _residuals(scores, positives)
            total += loss
            gradient[block] = residuals @ self._documents
        return total / len(mapped), gradient / np.float32(len(mapped))

    def rechosen(self, mapped: Vectors) -> "FullSoftmaxLoss":
        """Return the loss with the best vector of each relevant unit; itself if none changes."""
        positives = self._positives.rechosen(mapped, self._documents, self._offsets)
        if positives is self._positives:
            return self
        return FullSoftmaxLoss(self._documents, self._offsets, positives)


def _residuals(scores: Vectors, positives: Positives) -> tuple[float, Vectors]:
    """Return the summed loss and its derivative by the scores; overwrites `scores`."""
    rows, columns = positives.queries, positives.columns
    relevant = scores[rows, columns].astype(np.float64)
    positives.exclude(scores)
    negatives, mass = exponentiate(scores)
    loss, pull, push = positives.loss(negatives, relevant, len(scores))
    scores *= (push / np.where(mass > 0, mass, 1)).astype(np.float32)[:, None]
    scores[rows, columns] = -pull
    return loss, scores


def exponentiate(scores: Vectors) -> tuple[Values, Values]:
    """Exponentiate `scores` in place; return each row's log-sum-exp and sum, `(n_queries,)` each.

    Exponentials and sums are relative to the highest score of the row. A row that holds only -inf
    has log-sum-exp -inf: a query to which every document is relevant adds nothing to the loss.
    """
    highest = scores.max(axis=1)
    highest[np.isinf(highest)] = 0
    np.exp(scores - highest[:, None], out=scores)
    mass: Values = scores.sum(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return highest + np.log(mass), mass
