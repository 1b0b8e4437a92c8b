"""Softmax loss over a sample of the negatives, for many labelled documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from query_adapters.training.softmax import (
    SCORES_AT_ONCE,
    Positives,
    exponentiate,
)
from query_adapters.typing import Rows, Vectors

N_HARDEST = 50
N_RANDOM = 30
GATHERED_AT_ONCE = 3_000_000  # floats of document vectors per block: 12 MB, about a CPU cache

Mined = tuple[slice, Rows, NDArray[np.bool_]]
"""A block of queries, their hardest negatives, and which of these and of the drawn are excluded."""
Search = Callable[[Vectors, Vectors, Vectors, Positives, Rows], Iterator[Mined]]
"""Yields what `hardest` yields, for the same arguments."""


@dataclass(frozen=True, eq=False)
class SampledSoftmaxLoss:
    """The softmax loss with each query's negatives reduced to a sample.

    The sample holds the hardest negatives, mined once, and random draws from the rest. The log of
    the number of documents per draw is added to the score of each draw (log-Q correction), so the
    expected sum over the sample is the sum over all negatives.

    Attributes:
        documents: d, `(n_documents, dim)`.
        offsets: o, `(n_documents,)`.
        positives: Which documents are relevant to which query.
        columns: Sampled negatives of each query, `(n_queries, 80)`.
        corrections: Added to each score; -inf excludes a document, `(n_queries, 80)`.

    Source: Bengio, Senécal, Adaptive Importance Sampling (2008), section II, for the correction.
    """

    documents: Vectors
    offsets: Vectors
    positives: Positives
    columns: NDArray[np.int32]
    corrections: Vectors

    @classmethod
    def mined(
        cls,
        documents: Vectors,
        offsets: Vectors,
        positives: Positives,
        mapped: Vectors,
        *,
        seed: int = 0,
        search: Search | None = None,
    ) -> "SampledSoftmaxLoss":
        """Return the loss with the negatives that are hardest for the mapped queries z.

        Args:
            documents: d, `(n_documents, dim)`.
            offsets: o, `(n_documents,)`.
            positives: Which of the documents are relevant to which query.
            mapped: z, `(n_queries, dim)`.
            seed: Seed of the random draws.
            search: Finds the hardest negatives; by default `hardest`.
        """
        rng = np.random.default_rng(seed)
        drawn = rng.integers(len(documents), size=(len(mapped), N_RANDOM))
        columns = np.empty((len(mapped), N_HARDEST + N_RANDOM), dtype=np.int32)
        columns[:, N_HARDEST:] = drawn
        corrections = np.zeros(columns.shape, dtype=np.float32)
        corrections[:, N_HARDEST:] = np.log(len(documents) / N_RANDOM)
        for block, found, is_excluded in (search or hardest)(
            mapped, documents, offsets, positives, drawn
        ):
            columns[block, :N_HARDEST] = found
            corrections[block][is_excluded] = -np.inf
        return cls(documents, offsets, positives, columns, corrections)

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss at z `(n_queries, dim)`, and its gradient with respect to z."""
        total, gradient = 0.0, np.empty_like(mapped)
        size = GATHERED_AT_ONCE // (self.columns.shape[1] * self.documents.shape[1]) + 1
        for block, positives in self.positives.blocks(len(mapped), size):
            loss, gradient[block] = self._block(mapped[block], block, positives)
            total += loss
        return total / len(mapped), gradient / np.float32(len(mapped))

    def shared(self, mapped: Vectors) -> "SampledSoftmaxLoss":
        """Return the loss with the labels of units shared by the scores of z."""
        positives = self.positives.shared(mapped, self.documents, self.offsets)
        return replace(self, positives=positives)

    def _block(self, mapped: Vectors, block: slice, positives: Positives) -> tuple[float, Vectors]:
        columns = self.columns[block]
        documents = self.documents[columns]  # (n_queries, 80, dim)
        scores: Vectors = (documents @ mapped[:, :, None])[:, :, 0]
        scores += self.offsets[columns] + self.corrections[block]
        negatives, mass = exponentiate(scores)
        relevant, queries = self.documents[positives.columns], mapped[positives.queries]
        relevant_scores = np.einsum("ij,ij->i", relevant, queries).astype(np.float64)
        relevant_scores += self.offsets[positives.columns]
        loss, pull, push = positives.loss(negatives, relevant_scores, len(mapped))
        scores *= (push / np.where(mass > 0, mass, 1)).astype(np.float32)[:, None]
        gradient: Vectors = (scores[:, None, :] @ documents)[:, 0, :]
        np.subtract.at(gradient, positives.queries, pull.astype(np.float32)[:, None] * relevant)
        return loss, gradient


def hardest(
    mapped: Vectors, documents: Vectors, offsets: Vectors, positives: Positives, drawn: Rows
) -> Iterator[Mined]:
    """Yield the 50 hardest negatives of each query, block by block.

    Relevant documents are excluded, and of the drawn ones also those that are among the hardest.

    Args:
        mapped: z, `(n_queries, dim)`.
        documents: d, `(n_documents, dim)`.
        offsets: o, `(n_documents,)`.
        positives: Which of the documents are relevant to which query.
        drawn: Random documents of each query, `(n_queries, 30)`.
    """
    for block, judged in positives.blocks(len(mapped), SCORES_AT_ONCE // len(documents) + 1):
        scores = mapped[block] @ documents.T + offsets
        judged.exclude(scores)
        found = np.argpartition(scores, -N_HARDEST, axis=1)[:, -N_HARDEST:]
        is_excluded = _excluded(scores, found)
        np.put_along_axis(scores, found, -np.inf, axis=1)  # so that none counts twice
        yield block, found, np.concatenate([is_excluded, _excluded(scores, drawn[block])], axis=1)


def _excluded(scores: Vectors, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of these columns is excluded (score -inf), `(n_queries, n_columns)`."""
    return np.isneginf(np.take_along_axis(scores, columns, axis=1))
