"""Score held-out queries on their own answers and, as a control, on another query's answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.judging import judge_rows
from query_adapters.evaluation.metrics import Metric
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Rows, Similarity, Values, Vectors

CONTROL_SEED = 0  # every candidate has the same assignment of controls
N_CONTROLS = 8  # other queries whose answers each query is scored on; more vary less


class Judgements(Protocol):
    """Protocol of the relevant documents of each query, such as an EmbeddedDataset."""

    @property
    def relevant(self) -> Sequence[Rows]:
        """Rows of the relevant documents of each query."""

    @property
    def grades(self) -> Sequence[Values]:
        """Their grades, in the same order."""


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
        device: Where documents are searched, as in `exact_search`.
    """

    rows: Rows
    data: EmbeddedDataset
    metric: str
    similarity: Similarity
    reference: QueryAdapter | None = None
    device: str = "cpu"

    def gains(self, adapter: QueryAdapter) -> Values:
        """Return adapter minus reference on own and on control answers, `(2, n_held_out)`."""
        return self.scores(adapter) - self.reference_scores

    def scores(self, adapter: QueryAdapter) -> Values:
        """Return the metric on own and on control answers, `(2, n_held_out)`."""
        return self._scores(adapter(self.data.queries))

    @cached_property
    def reference_scores(self) -> Values:
        """The metric of the reference on own and on control answers, `(2, n_held_out)`."""
        queries = self.data.queries
        return self._scores(queries if self.reference is None else self.reference(queries))

    def _scores(self, queries: Vectors) -> Values:
        data, k = self.data, Metric.parse(self.metric).k
        ranking = exact_search(
            queries,
            data.documents,
            k=k,
            similarity=self.similarity,
            units=data.units,
            device=self.device,
        )
        return own_and_control_scores(ranking, data, self.metric)


def own_and_control_scores(ranking: Rows, data: Judgements, metric: str) -> Values:
    """Return the metric on own and, on average, on other queries' answers, `(2, n_queries)`.

    Args:
        ranking: Documents of each query, best first, -1 for none, `(n_queries, depth)`.
        data: The queries with their relevant documents.
        metric: The metric, such as "ndcg@10".
    """
    score, relevant, grades = Metric.parse(metric), data.relevant, data.grades
    controls = (
        judge_rows(ranking, [relevant[i] for i in rows], [grades[i] for i in rows])
        for rows in control_rows(len(relevant))
    )
    own = score(judge_rows(ranking, relevant, grades))
    return np.stack([own, np.mean([score(control) for control in controls], axis=0)])


@lru_cache(maxsize=16)  # every candidate is scored with the same ones
def control_rows(n_queries: int) -> Rows:
    """Return rows of other queries for each query, `(8, n_queries)`, in random cycles."""
    rng = np.random.default_rng(CONTROL_SEED)
    controls = np.empty((N_CONTROLS, n_queries), dtype=np.int64)
    for row in controls:
        cycle = rng.permutation(n_queries)
        row[cycle] = np.roll(cycle, 1)
    controls.setflags(write=False)
    return controls
