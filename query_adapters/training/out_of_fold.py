"""Questions held out, scored on their own answers and, as a control, on another question's."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.metrics import Metric, judge_rows
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Rows, Similarity, Values, Vectors

CONTROL_SEED = 0  # of who is whose control, the same for every candidate


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """One fold's questions over all documents.

    A map can gain by bringing up documents that many questions are labelled with, whatever is
    asked: it then gains as much on another question's answers. That is what the control tells.

    Attributes:
        rows: Which questions of the dataset these are.
        questions: They, with their answers.
        metric: What they are scored by, such as "ndcg@10".
        similarity: What the store ranks by.
        reference: What gains are measured against; None for the base as it is.
    """

    rows: Rows
    questions: EmbeddedDataset
    metric: str
    similarity: Similarity
    reference: QueryAdapter | None = None

    def gains(self, adapter: QueryAdapter) -> Values:
        """Return adapted minus reference on own and control answers, `(2, n_queries)`."""
        return self._scores(adapter(self.questions.queries)) - self._before

    @cached_property
    def _before(self) -> Values:
        queries = self.questions.queries
        return self._scores(queries if self.reference is None else self.reference(queries))

    def _scores(self, queries: Vectors) -> Values:
        metric, asked = Metric.parse(self.metric), self.questions
        ranking = exact_search(queries, asked.documents, k=metric.k, similarity=self.similarity)
        own = judge_rows(ranking, asked.relevant, asked.grades)
        controls = judge_rows(
            ranking,
            [asked.relevant[row] for row in self._controls],
            [asked.grades[row] for row in self._controls],
        )
        return np.stack([metric(own), metric(controls)])

    @cached_property
    def _controls(self) -> Rows:
        """For each question, another one of the fold, all in one ring."""
        ring = np.random.default_rng(CONTROL_SEED).permutation(len(self.rows))
        controls = np.empty_like(ring)
        controls[ring] = np.roll(ring, 1)
        return controls
