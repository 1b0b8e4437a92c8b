"""Votes: training questions speak for their answers where a question resembles them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.fusion.features import WIDTHS
from query_adapters.fusion.similarities import similarities
from query_adapters.typing import Rows, Similarity, Values, Vectors


@dataclass(frozen=True, eq=False)
class Votes:
    """Training questions and their answers.

        votes_β(q, d) = Σᵢ exp(-β (1 - cos(q - c, qᵢ - c))) [d answers qᵢ]

    Queries are compared less their mean c, because cosines of some models all lie close to 1.

    Attributes:
        centre: c, mean of the training questions at length 1, `(dim,)`.
        questions: qᵢ - c at length 1, `(n_questions, dim)`.
        owners: Question of each judgement, `(n_judgements,)`.
        answers: Position of its document among the documents with votes, `(n_judgements,)`.
        n_documents: Number of documents with votes.

    Source: Nadaraya, On Estimating Regression (1964), for the kernel votes, here without the
        division by their sum: a question unlike all training questions has no votes.
    """

    centre: Vectors
    questions: Vectors
    owners: Rows
    answers: Rows
    n_documents: int

    @classmethod
    def of(cls, queries: Vectors, answers: Sequence[Rows], n_documents: int) -> Self:
        """Return the votes of queries `(n_questions, dim)`, with the positions of their answers."""
        units = unit(queries)
        centre: Vectors = units.mean(axis=0)
        counts = [len(positions) for positions in answers]
        owners = np.repeat(np.arange(len(counts)), counts)
        together = np.concatenate([*answers, np.empty(0, np.int64)]).astype(np.int64)
        return cls(centre, unit(units - centre), owners, together, n_documents)

    def __call__(self, query: Vectors) -> Values:
        """Return the votes for each document, `(n_widths, n_documents)`, from a query `(dim,)`."""
        distances = 1 - self.questions @ unit(unit(query) - self.centre)
        return np.stack([self._counted(np.exp(-width * distances)) for width in WIDTHS])

    def _counted(self, weights: Vectors) -> Values:
        each = weights[self.owners].astype(np.float64)
        return np.bincount(self.answers, each, self.n_documents).astype(np.float64)


def summed(votes: Values, unit_of: Rows, n_units: int) -> Values:
    """Return the votes for each unit, which are those for its documents, added up.

    Args:
        votes: Votes for each document, `(n_widths, n_documents)`.
        unit_of: The unit of each document, `(n_documents,)`.
        n_units: Number of units.
    """
    return np.stack([np.bincount(unit_of, each, n_units) for each in votes])


def answering(dataset: EmbeddedDataset, adapted: Vectors, similarity: Similarity) -> list[Rows]:
    """Return the documents that each training question votes for.

    Of a relevant unit with several vectors, it is the one that is nearest to the question: where
    a question like it is asked, that vector is likely to answer again.

    Args:
        dataset: The training questions.
        adapted: Their adapted vectors, `(n_queries, dim)`.
        similarity: What the store ranks by.
    """
    if dataset.units is None:
        return list(dataset.relevant)
    found = []
    for vector, units in zip(adapted, dataset.relevant, strict=True):
        part = dataset.labelled_rows.select(np.searchsorted(dataset.labelled, units))
        scores = similarities(vector[None], dataset.documents[part.rows], similarity)[0]
        found.append(np.array([part.rows[span][scores[span].argmax()] for span in part.spans()]))
    return found
