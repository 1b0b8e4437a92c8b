"""Softmax over documents: the loss of mapped questions, and its slope."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.typing import Rows, Values, Vectors

TEMPERATURE = 20.0  # τ: scores are cosines times this, as usual for sentence embeddings
SCORES_AT_ONCE = 8_000_000  # numbers in one block of scores: 32 MB


class SoftmaxLoss(Protocol):
    """Mean over questions of `Σⱼ gⱼ log(1 + Σₖ exp(τ (sₖ - sⱼ)))`, sₖ = z·dₖ + oₖ.

    j runs over the relevant documents of a question and k over other documents.
    """

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss of z `(n_queries, dim)`, and its derivative by z."""


@dataclass(frozen=True, eq=False)
class Positives:
    """Judgements as three arrays: question, column of the document, weight in the loss.

    Columns count the labelled documents; the weights of a question add up to 1.
    """

    queries: Rows
    columns: Rows
    weights: Values

    @classmethod
    def of(cls, dataset: EmbeddedDataset) -> "Positives":
        """Return the judgements of the dataset, question by question."""
        counts = [len(rows) for rows in dataset.relevant]
        columns = np.searchsorted(dataset.labelled, np.concatenate(dataset.relevant))
        weights = np.concatenate([grades / grades.sum() for grades in dataset.grades])
        return cls(np.repeat(np.arange(len(counts)), counts), columns, weights)

    def blocks(self, n_queries: int, size: int) -> Iterator[tuple[slice, "Positives"]]:
        """Yield each block of questions with its judgements, questions counted within it."""
        for start in range(0, n_queries, size):
            low, high = np.searchsorted(self.queries, [start, start + size])
            part = slice(low, high)
            yield (
                slice(start, min(start + size, n_queries)),
                Positives(self.queries[part] - start, self.columns[part], self.weights[part]),
            )

    def loss(self, margins: Values, wanted: Values, n_queries: int) -> tuple[float, Values, Values]:
        """Return the summed loss, what pulls each relevant document, what pushes the others.

        Args:
            margins: Log-sum-exp of the other documents' scores, a question `(n_queries,)`.
            wanted: Score of each relevant document, `(n_judgements,)`.
            n_queries: Questions in the block.
        """
        excess = margins[self.queries] - wanted
        losses = np.logaddexp(0, excess)
        pull = self.weights * np.exp(excess - losses)  # weight · sigmoid(excess)
        push = np.bincount(self.queries, weights=pull, minlength=n_queries).astype(np.float64)
        return float(self.weights @ losses), pull, push


class FullLoss:
    """The loss over all documents given.

    Args:
        documents: d, `(n_documents, dim)`.
        offsets: o, `(n_documents,)`.
        positives: Which of them are relevant to which question.
    """

    def __init__(self, documents: Vectors, offsets: Vectors, positives: Positives) -> None:
        self._keys = np.float32(TEMPERATURE) * documents
        self._offsets = np.float32(TEMPERATURE) * offsets
        self._positives = positives

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss of z `(n_queries, dim)`, and its derivative by z."""
        total, slope = 0.0, np.empty_like(mapped)
        size = SCORES_AT_ONCE // len(self._keys) + 1
        for block, positives in self._positives.blocks(len(mapped), size):
            scores = mapped[block] @ self._keys.T + self._offsets
            loss, residuals = _residuals(scores, positives)
            total += loss
            slope[block] = residuals @ self._keys
        return total / len(mapped), slope / np.float32(len(mapped))


def _residuals(scores: Vectors, positives: Positives) -> tuple[float, Vectors]:
    """Return the summed loss and its derivative by the scores, which are overwritten."""
    rows, columns = positives.queries, positives.columns
    wanted = scores[rows, columns].astype(np.float64)
    scores[rows, columns] = -np.inf
    margins, mass = exponentiate(scores)
    loss, pull, push = positives.loss(margins, wanted, len(scores))
    scores *= (push / np.where(mass > 0, mass, 1)).astype(np.float32)[:, None]
    scores[rows, columns] = -pull
    return loss, scores


def exponentiate(scores: Vectors) -> tuple[Values, Values]:
    """Return the log-sum-exp of each row, and the sum; `scores` become their exponentials.

    Exponentials and sum are relative to the highest score of the row. A row of -inf alone has
    log-sum-exp -inf: where every document is relevant there is nothing to learn.
    """
    highest = scores.max(axis=1)
    highest[np.isinf(highest)] = 0
    np.exp(scores - highest[:, None], out=scores)
    mass: Values = scores.sum(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return highest + np.log(mass), mass
