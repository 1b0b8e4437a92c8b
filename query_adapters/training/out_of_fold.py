"""Score held-out queries on their own answers and, as a control, on another query's answers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.judging import judge_rows
from query_adapters.evaluation.metrics import Metric
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Rows, Similarity, Values, Vectors

CONTROL_SEED = 0  # every candidate has the same assignment of controls
N_CONTROLS = 8  # other queries whose answers each query is scored on; more vary less


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutFold:
    """The held-out queries of one fold, searched over all documents.

    A map can gain by ranking documents with many labels higher whatever the query is. Such a map
    gains as much if each query is judged by the answers of other queries, which is the control.

    Attributes:
        rows: Rows of these queries in the dataset, `(n_held_out,)`.
        data: The held-out queries with all documents to search.
        metric: Metric of the scores, such as "ndcg@10".
        similarity: Similarity that the store ranks by.
        reference: Adapter that gains are measured against; None for the base model.
    """

    rows: Rows
    data: EmbeddedDataset
    metric: str
    similarity: Similarity
    reference: QueryAdapter | None = None

    def gains(self, adapter: QueryAdapter) -> Values:
        """Return adapter minus reference on own and on control answers, `(2, n_held_out)`."""
        return self._scores(adapter(self.data.queries)) - self._reference_scores

    @cached_property
    def _reference_scores(self) -> Values:
        queries = self.data.queries
        return self._scores(queries if self.reference is None else self.reference(queries))

    def _scores(self, queries: Vectors) -> Values:
        metric, data = Metric.parse(self.metric), self.data
        ranking = exact_search(queries, data.documents, k=metric.k, similarity=self.similarity)
        own = judge_rows(ranking, data.relevant, data.grades)
        controls = (
            judge_rows(ranking, [data.relevant[i] for i in rows], [data.grades[i] for i in rows])
            for rows in self._control_rows
        )
        return np.stack([metric(own), np.mean([metric(control) for control in controls], axis=0)])

    @cached_property
    def _control_rows(self) -> Rows:
        return control_rows(len(self.rows))


def control_rows(n_queries: int) -> Rows:
    """Return rows of other queries for each query, `(8, n_queries)`, in random cycles."""
    rng = np.random.default_rng(CONTROL_SEED)
    controls = np.empty((N_CONTROLS, n_queries), dtype=np.int64)
    for row in controls:
        cycle = rng.permutation(n_queries)
        row[cycle] = np.roll(cycle, 1)
    return controls
