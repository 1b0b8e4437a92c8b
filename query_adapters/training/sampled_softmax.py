"""The loss where labelled documents are too many to score them all at every step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from query_adapters.training.softmax import (
    SCORES_AT_ONCE,
    TEMPERATURE,
    Positives,
    exponentiate,
)
from query_adapters.typing import Vectors

N_HARDEST = 50
N_RANDOM = 30
GATHERED_AT_ONCE = 3_000_000  # numbers of one block's documents: 12 MB, near the cores' caches


@dataclass(frozen=True, eq=False)
class ShortlistLoss:
    """The loss with each question's other documents reduced to a shortlist.

    On it are the hardest of them, found once, and a random sample of the rest, whose scores are
    raised by the log of how many each stands for: so the sum over the shortlist is, on average,
    the sum over all documents.

    Attributes:
        keys: τ d, `(n_documents, dim)`.
        offsets: τ o, `(n_documents,)`.
        positives: Which documents are relevant to which question.
        columns: The shortlist of each question, `(n_queries, 80)`.
        corrections: What is added to each score; -inf takes it off, `(n_queries, 80)`.

    Source: Bengio, Senécal, Adaptive Importance Sampling (2008), section II, for the correction.
    """

    keys: Vectors
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
    ) -> "ShortlistLoss":
        """Return the loss with the documents that are hardest for questions mapped so far to z.

        Args:
            documents: d, `(n_documents, dim)`.
            offsets: o, `(n_documents,)`.
            positives: Which of them are relevant to which question.
            mapped: z, `(n_queries, dim)`.
            seed: Of the random sample.
        """
        keys, offsets = np.float32(TEMPERATURE) * documents, np.float32(TEMPERATURE) * offsets
        rng = np.random.default_rng(seed)
        columns = np.empty((len(mapped), N_HARDEST + N_RANDOM), dtype=np.int32)
        corrections = np.zeros(columns.shape, dtype=np.float32)
        corrections[:, N_HARDEST:] = np.log(len(keys) / N_RANDOM)
        for block, judged in positives.blocks(len(mapped), SCORES_AT_ONCE // len(keys) + 1):
            scores = mapped[block] @ keys.T + offsets
            scores[judged.queries, judged.columns] = -np.inf
            hardest = np.argpartition(scores, -N_HARDEST, axis=1)[:, -N_HARDEST:]
            drawn = rng.integers(len(keys), size=(len(scores), N_RANDOM))
            columns[block] = np.concatenate([hardest, drawn], axis=1)
            corrections[block, :N_HARDEST][_excluded(scores, hardest)] = -np.inf
            np.put_along_axis(scores, hardest, -np.inf, axis=1)  # each counts once
            corrections[block, N_HARDEST:][_excluded(scores, drawn)] = -np.inf
        return cls(keys, offsets, positives, columns, corrections)

    def __call__(self, mapped: Vectors) -> tuple[float, Vectors]:
        """Return the loss of z `(n_queries, dim)`, and its derivative by z."""
        total, slope = 0.0, np.empty_like(mapped)
        size = GATHERED_AT_ONCE // (self.columns.shape[1] * self.keys.shape[1]) + 1
        for block, positives in self.positives.blocks(len(mapped), size):
            loss, slope[block] = self._block(mapped[block], block, positives)
            total += loss
        return total / len(mapped), slope / np.float32(len(mapped))

    def _block(self, mapped: Vectors, block: slice, positives: Positives) -> tuple[float, Vectors]:
        columns = self.columns[block]
        documents = self.keys[columns]  # (n_queries, 80, dim)
        scores: Vectors = (documents @ mapped[:, :, None])[:, :, 0]
        scores += self.offsets[columns] + self.corrections[block]
        margins, mass = exponentiate(scores)
        relevant = self.keys[positives.columns]
        wanted = np.einsum("ij,ij->i", relevant, mapped[positives.queries]).astype(np.float64)
        wanted += self.offsets[positives.columns]
        loss, pull, push = positives.loss(margins, wanted, len(mapped))
        scores *= (push / np.where(mass > 0, mass, 1)).astype(np.float32)[:, None]
        slope: Vectors = (scores[:, None, :] @ documents)[:, 0, :]
        np.subtract.at(slope, positives.queries, pull.astype(np.float32)[:, None] * relevant)
        return loss, slope


def _excluded(scores: Vectors, columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.isneginf(np.take_along_axis(scores, columns, axis=1))
