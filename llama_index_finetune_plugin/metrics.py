"""Use this package's metrics in LlamaIndex's own evaluators, and its results as their type."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.evaluation.retrieval.metrics import METRIC_REGISTRY
from llama_index.core.evaluation.retrieval.metrics_base import (
    BaseRetrievalMetric,
    RetrievalMetricResult,
)

from query_adapters.data.dataset import (
    QADataset,
    RetrievalDataset,
    listed_ids,
    to_retrieval_dataset,
)
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import METRICS, Evaluation, Metric, evaluate_run

CUTS = (1, 3, 5, 10, 20, 50, 100)


class RetrievalMetric(BaseRetrievalMetric):
    """A metric at k for LlamaIndex's evaluators, named by `metric_name`.

    An empty retrieval scores 0, a repeated id counts once, and at most k documents count.
    """

    def compute(
        self,
        query: str | None = None,
        expected_ids: list[str] | None = None,
        retrieved_ids: list[str] | None = None,
        expected_texts: list[str] | None = None,
        retrieved_texts: list[str] | None = None,
        **kwargs: Any,
    ) -> RetrievalMetricResult:
        """Return the score; only ids are compared.

        Raises:
            ValueError: If the expected or the retrieved ids are missing.
        """
        if not expected_ids or retrieved_ids is None:
            raise ValueError(
                f"{self.metric_name}: expected ids of relevant and of retrieved documents, got "
                f"{expected_ids} and {retrieved_ids}"
            )
        qrels = {"": dict.fromkeys(listed_ids(query or "", expected_ids), 1.0)}
        scores = evaluate_run({"": retrieved_ids}, qrels, metrics=[self.metric_name])
        return RetrievalMetricResult(score=scores.means[self.metric_name])


def register_metrics(names: Sequence[str] | None = None) -> list[type[RetrievalMetric]]:
    """Register metrics for LlamaIndex's `from_metric_names`, and return their classes.

    Args:
        names: Such as "ndcg@10"; by default every metric at 1, 3, 5, 10, 20, 50 and 100.
            LlamaIndex's own names, without a cut-off, are not replaced.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off.

    Example:
        >>> from llama_index.core.evaluation import RetrieverEvaluator
        >>> _ = register_metrics(["ndcg@10"])
        >>> evaluator = RetrieverEvaluator.from_metric_names(["ndcg@10"], retriever=retriever)
        ... # doctest: +SKIP
    """
    if names is None:
        names = [f"{name}@{k}" for name in METRICS for k in CUTS]
    metrics = [_metric_type(str(Metric.parse(name))) for name in names]
    METRIC_REGISTRY.update({metric.metric_name: metric for metric in metrics})
    return metrics


def to_eval_results(
    evaluation: Evaluation, dataset: RetrievalDataset | QADataset
) -> list[RetrievalEvalResult]:
    """Return an evaluation as LlamaIndex's results, one per query.

    LlamaIndex's `get_retrieval_results_df` makes a table of them.

    Args:
        evaluation: An evaluation with a run: of a retriever, a run, or vectors with their texts.
        dataset: The dataset that was evaluated.

    Raises:
        InvalidDatasetError: If the evaluation has no run, or belongs to other queries.
    """
    texts = to_retrieval_dataset(dataset)
    if not evaluation.query_ids or not set(evaluation.query_ids) <= set(texts.queries):
        raise InvalidDatasetError(
            "expected an evaluation with the ids of the dataset's questions, got "
            f"{list(evaluation.query_ids[:3])}; evaluate a retriever or a run on this dataset"
        )
    return [
        _result(evaluation, texts, query, row) for row, query in enumerate(evaluation.query_ids)
    ]


def _result(
    evaluation: Evaluation, texts: RetrievalDataset, query: str, row: int
) -> RetrievalEvalResult:
    expected, retrieved = list(texts.qrels[query]), list(evaluation.run.get(query, ()))
    return RetrievalEvalResult(
        query=texts.queries[query],
        expected_ids=expected,
        expected_texts=[texts.corpus[key] for key in expected],
        retrieved_ids=retrieved,
        retrieved_texts=[texts.corpus.get(key, "") for key in retrieved],
        metric_dict={
            name: RetrievalMetricResult(score=float(values[row]))
            for name, values in evaluation.per_query.items()
        },
    )


def _metric_type(name: str) -> type[RetrievalMetric]:
    """Return the metric as a class, because LlamaIndex constructs metrics without arguments."""
    return type(name, (RetrievalMetric,), {"metric_name": name, "__module__": __name__})
