"""Evaluate vectors or a run: one value per query and metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.weights import checked_weights, effective_number
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation.judging import Judged, judge_rows, judge_run
from query_adapters.evaluation.metrics import DEFAULT_METRICS, Metric, parse_metrics
from query_adapters.evaluation.search import exact_search
from query_adapters.evaluation.trec import ranked
from query_adapters.text.shown import visible
from query_adapters.typing import Qrels, Rows, Run, ScoredRun, Similarity, Values


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one system on each query.

    Attributes:
        per_query: For each metric, such as "ndcg@10", one value per query, `(n_queries,)`.
        query_ids: Ids of the queries, in the same order; empty if they have none.
        run: Retrieved ids, best first; empty for vectors without their texts.
        first_relevant: Rank of the first relevant document, from 1; 0 if none was retrieved,
            `(n_queries,)`; empty if unknown.
        weights: How much each query counts in means, `(n_queries,)`; empty if all count alike.
    """

    per_query: Mapping[str, Values]
    query_ids: tuple[str, ...] = ()
    run: Run = field(default_factory=dict, repr=False)
    first_relevant: Rows = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    weights: Values = field(default_factory=lambda: np.empty(0), repr=False)

    @property
    def means(self) -> dict[str, float]:
        """Mean over the queries, by metric; weighted if queries count differently."""
        if not len(self.weights):
            return {name: float(values.mean()) for name, values in self.per_query.items()}
        return {
            name: float(np.average(values, weights=self.weights))
            for name, values in self.per_query.items()
        }

    @property
    def said_weights(self) -> str:
        """What a report says of the weights; empty if all queries count alike."""
        if not len(self.weights):
            return ""
        return f"weighted, as many as {effective_number(self.weights):.0f} that count alike"

    def __str__(self) -> str:
        n_queries = len(next(iter(self.per_query.values())))
        means = "  ".join(f"{name} {mean:.3f}" for name, mean in self.means.items())
        weighted = f", {self.said_weights}" if self.said_weights else ""
        return visible(f"{means}  ({n_queries} queries{weighted})")


def evaluate_vectors(
    dataset: EmbeddedDataset,
    adapter: QueryAdapter | None = None,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    similarity: Similarity = "cosine",
    texts: RetrievalDataset | None = None,
) -> Evaluation:
    """Return the scores of exact search over all documents.

    Args:
        dataset: The embedded dataset.
        adapter: Applied to the queries; None for the base model.
        metrics: Names such as "ndcg@10".
        similarity: What the search ranks by.
        texts: The dataset's texts, for an evaluation with ids and a run; with units, its corpus
            holds one text for each unit, in their order.

    Raises:
        InvalidDatasetError: If texts and vectors differ in number.
        UnknownMetricError: If a metric is unknown.
    """
    if texts is not None:
        check_texts(texts, dataset)
    parsed = parse_metrics(metrics)
    queries = dataset.queries if adapter is None else adapter(dataset.queries)
    depth = max(metric.k for metric in parsed)
    ranking = exact_search(
        queries, dataset.documents, k=depth, similarity=similarity, units=dataset.units
    )
    judged = judge_rows(ranking, dataset.relevant, dataset.grades)
    return Evaluation(
        _values(judged, parsed),
        query_ids=() if texts is None else tuple(texts.queries),
        run={} if texts is None else _as_run(ranking, texts),
        first_relevant=judged.first_relevant,
        weights=dataset.weights if dataset.is_weighted else np.empty(0),
    )


def evaluate_run(
    run: Run | ScoredRun,
    qrels: Qrels,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    weights: Mapping[str, float] | None = None,
) -> Evaluation:
    """Return the scores of a run on every query in `qrels`.

    Args:
        run: Retrieved ids, best first; or their scores by id, as in pytrec_eval and BEIR, which are
            ranked as in trec_eval: by descending score, ties by descending id.
        qrels: Grades by query and document id; they decide which queries count. Grades below 0
            count as 0, as in trec_eval.
        metrics: Names such as "ndcg@10".
        weights: How much each query counts in means, by id, such as a dataset's; empty or None
            if all count alike.

    Raises:
        InvalidDatasetError: If `qrels` is empty, a query has no relevant document, a grade is not
            a finite number, a weight is not one from 0, or all are 0.
        TypeError: If a query has a string instead of a list of ids.
        UnknownMetricError: If a metric is unknown.
    """
    run = ranked(run)
    judged = judge_run(run, qrels)
    of_queries = {query: weight for query, weight in (weights or {}).items() if query in qrels}
    checked = checked_weights(of_queries, qrels)
    values = _values(judged, parse_metrics(metrics))
    return Evaluation(
        values,
        query_ids=tuple(qrels),
        run=run,
        first_relevant=judged.first_relevant,
        weights=np.array([checked[query] for query in qrels] if checked else []),
    )


def check_texts(texts: RetrievalDataset, dataset: EmbeddedDataset) -> None:
    """Check that there are as many texts as vectors.

    Raises:
        InvalidDatasetError: If not.
    """
    expected = len(dataset.queries), dataset.n_units
    actual = len(texts.queries), len(texts.corpus)
    if expected != actual:
        raise InvalidDatasetError(
            f"expected the texts of {expected[0]} questions and {expected[1]} documents, got "
            f"{actual[0]} and {actual[1]}; pass the dataset that was embedded"
        )


def _values(judged: Judged, metrics: Sequence[Metric]) -> dict[str, Values]:
    return {str(metric): np.asarray(metric(judged)) for metric in metrics}


def _as_run(ranking: Rows, texts: RetrievalDataset) -> Run:
    ids = list(texts.corpus)
    found = ([ids[row] for row in rows] for rows in ranking.tolist())
    return dict(zip(texts.queries, found, strict=True))
