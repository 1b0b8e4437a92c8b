"""Softmax cross-entropy of mapped queries over documents, with its gradient."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.typing import Rows, Values, Vectors

SCORES_AT_ONCE = 8_000_000  # scores per block: 32 MB
SHARING = 0.25  # of the scores, in the softmax that shares a label among a unit's vectors
MOST_SHARING = 32  # vectors of a unit that share a label; bounds the memory for large units


@dataclass(frozen=True, eq=False)
class UnitSpans:
    """The columns of the vectors of relevant units, `(n_judged_units,)` each.

    Attributes:
        queries: Row of the query.
        weights: Weight of the unit in the loss.
        firsts: The unit's first column.
        ends: The column after its last one.
    """

    queries: Rows
    weights: Values
    firsts: Rows
    ends: Rows

    def places(self) -> tuple[Rows, Rows]:
        """Return the row and the column of each score of these vectors."""
        sizes = self.ends - self.firsts
        before = np.repeat(np.cumsum(sizes) - sizes, sizes)
        columns = np.repeat(self.firsts, sizes) + np.arange(sizes.sum()) - before
        return np.repeat(self.queries, sizes), columns

    def block(self, start: int, end: int) -> "UnitSpans":
        """Return the spans of the queries from `start` to `end`, rows relative to `start`."""
        part = slice(*np.searchsorted(self.queries, [start, end]))
        queries = self.queries[part] - start
        return UnitSpans(queries, self.weights[part], self.firsts[part], self.ends[part])

    def by_unit(self) -> Iterator[tuple[slice, Rows]]:
        """Yield the columns of each unit with blocks of the places that name it."""
        order = np.argsort(self.firsts, kind="stable")
        starts = np.unique(self.firsts[order], return_index=True)[1]
        for places in np.split(order, starts[1:]):
            unit = slice(int(self.firsts[places[0]]), int(self.ends[places[0]]))
            size = SCORES_AT_ONCE // (unit.stop - unit.start) + 1
            for start in range(0, len(places), size):
                yield unit, places[start : start + size]


@dataclass(frozen=True, eq=False)
class Positives:
    """Relevance judgements as three parallel arrays, `(n_judgements,)`.

    Attributes:
        queries: Row of the query.
        columns: Position of the document among the labelled vectors.
        weights: Weight in the loss; those of a query add up to its own, relative to the mean.
        spans: Where labels are on units with several vectors, the columns of the relevant units:
            none is a negative. None if each relevant document has one vector.
    """

    queries: Rows
    columns: Rows
    weights: Values
    spans: UnitSpans | None = None

    @classmethod
    def of(cls, dataset: EmbeddedDataset) -> "Positives":
        """Return the judgements of the dataset, ordered by query; of a unit, its first vector."""
        counts = [len(rows) for rows in dataset.relevant]
        places = np.searchsorted(dataset.labelled, np.concatenate(dataset.relevant))
        shares = [grades / grades.sum() for grades in dataset.grades]
        weights = np.concatenate(shares) * np.repeat(dataset.relative_weights, counts)
        queries = np.repeat(np.arange(len(counts)), counts)
        if dataset.units is None:
            return cls(queries, places, weights)
        starts = dataset.labelled_rows.starts
        spans = UnitSpans(queries, weights, starts[places], starts[places + 1])
        return cls(queries, spans.firsts, weights, spans)

    def shared(
        self, mapped: Vectors, documents: Vectors, offsets: Vectors, *, most: int = MOST_SHARING
    ) -> "Positives":
        """Return the judgements with the weight of a unit shared among its best vectors.

        The shares are a softmax of a quarter of the scores `z·d + o`: the vector that answers is
        not known, and the scores tell which are likely. Without units, nothing changes.

        Args:
            mapped: z, `(n_queries, dim)`.
            documents: d, `(n_columns, dim)`.
            offsets: o, `(n_columns,)`.
            most: The most vectors of a unit that share its weight, those with the best scores.
        """
        if self.spans is None:
            return self
        places, columns, shares = [], [], []
        for unit, block in self.spans.by_unit():
            scores = mapped[self.spans.queries[block]] @ documents[unit].T + offsets[unit]
            best = np.argsort(-scores, axis=1, kind="stable")[:, :most]
            exponents = SHARING * np.take_along_axis(scores, best, axis=1).astype(np.float64)
            portions = np.exp(exponents - exponents[:, :1])
            places.append(np.repeat(block, best.shape[1]))
            columns.append((unit.start + best).ravel())
            shares.append((portions / portions.sum(axis=1, keepdims=True)).ravel())
        judged = np.concatenate(places)
        order = np.argsort(judged, kind="stable")
        judged = judged[order]
        return Positives(
            self.spans.queries[judged],
            np.concatenate(columns)[order],
            self.spans.weights[judged] * np.concatenate(shares)[order],
            self.spans,
        )

    def exclude(self, scores: Vectors) -> None:
        """Set the scores of all vectors of relevant documents to -inf, in place."""
        scores[self.excluded()] = -np.inf

    def excluded(self) -> tuple[Rows, Rows]:
        """Return rows and columns of the scores that `exclude` sets to -inf."""
        return (self.queries, self.columns) if self.spans is None else self.spans.places()

    def blocks(self, n_queries: int, size: int) -> Iterator[tuple[slice, "Positives"]]:
        """Yield blocks of `size` queries with their judgements, rows relative to the block."""
        for start in range(0, n_queries, size):
            end = min(start + size, n_queries)
            yield slice(start, end), self.block(start, end)

    def block(self, start: int, end: int) -> "Positives":
        """Return the judgements of the queries from `start` to `end`, rows relative to `start`."""
        part = slice(*np.searchsorted(self.queries, [start, end]))
        return Positives(
            self.queries[part] - start,
            self.columns[part],
            self.weights[part],
            None if self.spans is None else self.spans.block(start, end),
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


@dataclass(frozen=True, eq=False)
class FullSoftmaxLoss:
    """The weighted mean over queries of `Σⱼ gⱼ log(1 + Σₖ exp(sₖ - sⱼ))`, sₖ = z·dₖ + oₖ.

    j runs over the relevant documents of a query and k over all others.

    Attributes:
        documents: d, `(n_documents, dim)`.
        offsets: o, `(n_documents,)`.
        positives: Which of the documents are relevant to which query.
    """

    documents: Vectors
    offsets: Vectors
    positives: Positives

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss at z `(n_queries, dim)`, and its gradient with respect to z."""
        total, gradient = 0.0, np.empty_like(mapped)
        size = SCORES_AT_ONCE // len(self.documents) + 1
        for block, positives in self.positives.blocks(len(mapped), size):
            scores = mapped[block] @ self.documents.T + self.offsets
            loss, residuals = _residuals(scores, positives)
            total += loss
            gradient[block] = residuals @ self.documents
        return total / len(mapped), gradient / np.float32(len(mapped))

    def shared(self, mapped: Vectors) -> "FullSoftmaxLoss":
        """Return the loss with the labels of units shared by the scores of z."""
        positives = self.positives.shared(mapped, self.documents, self.offsets)
        return FullSoftmaxLoss(self.documents, self.offsets, positives)


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
