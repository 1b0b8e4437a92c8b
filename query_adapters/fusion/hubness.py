"""Hubness: some documents are near every question, whatever it asks."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from query_adapters.arrays import unit
from query_adapters.typing import Vectors

MAX_QUESTIONS = 512  # evenly spaced ones of a longer list; more change a mean of five little
N_NEAREST = 5


@dataclass(frozen=True, eq=False)
class Hubness:
    """Minus the mean cosine of a document and its nearest training questions.

    Attributes:
        questions: Adapted training questions at length 1, `(n_questions, dim)`.

    Source: Conneau et al., Word Translation Without Parallel Data (2018), 2.3 (the mean similarity
        r to the nearest neighbours); Bogolin et al., Cross Modal Retrieval with Querybank
        Normalisation (2022), 3.2, for a bank of training questions.
    """

    questions: Vectors

    @classmethod
    def of(cls, adapted: Vectors) -> Self:
        """Return the hubness from adapted training questions, `(n_questions, dim)`."""
        step = -(-len(adapted) // MAX_QUESTIONS)
        return cls(unit(adapted[::step]))

    def __call__(self, documents: Vectors) -> Vectors:
        """Return the feature of documents `(n_documents, dim)` at length 1, `(n_documents,)`."""
        cosines = documents @ self.questions.T
        k = min(N_NEAREST, cosines.shape[1])
        nearest = np.partition(cosines, cosines.shape[1] - k, axis=1)[:, -k:]
        hubness: Vectors = -nearest.mean(axis=1)
        return hubness
