"""Whether retrieval got better, measured through the retriever that users will really call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable

from langchain_adapter._batch import StoreBatch
from langchain_adapter.documents import document_id
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import DEFAULT_METRICS, DatasetEvaluator, evaluate_run
from query_adapters.evaluation.metrics import parse_metrics


class RetrieverEvaluator(DatasetEvaluator):
    """Scores a retriever on whole datasets.

    Args:
        retriever: Any LangChain retriever, or another Runnable from a text to documents.
        metrics: Names such as "ndcg@10", or one. Where the cut-off is left out ("mrr"), it is
            `k` of the retriever's `search_kwargs`.
        id_key: The metadata key of a document's id, such as Qdrant's "_id"; by default it is
            `Document.id`.
        workers: Questions under way at once in the asynchronous method, at least 1.
        show_progress: Whether to show a progress bar.
        batch: Whether to search for all questions at once where that finds the same: an
            `InMemoryVectorStore`, asked by its own retriever for the `k` nearest documents and
            no more. The retriever's callbacks, one run a question, are not called then.

    Raises:
        TypeError: If the retriever is none.
        UnknownMetricError: If a metric is unknown, or has no cut-off to go by.
        ValueError: If `workers` is below 1.
    """

    def __init__(
        self,
        retriever: Runnable[str, list[Document]],
        metrics: Sequence[str] = DEFAULT_METRICS,
        *,
        id_key: str | None = None,
        workers: int = 8,
        show_progress: bool = False,
        batch: bool = True,
    ) -> None:
        if not hasattr(retriever, "invoke"):
            raise TypeError(
                "retriever: expected a LangChain retriever or another Runnable, got "
                f"{type(retriever).__name__}; pass vectorstore.as_retriever(), or a function as "
                "RunnableLambda(function)"
            )
        top_k = getattr(retriever, "search_kwargs", {}).get("k")
        super().__init__(metrics, top_k=top_k, workers=workers, show_progress=show_progress)
        self.retriever = retriever
        self.id_key = id_key
        self.batch = batch

    def _batch(self) -> StoreBatch | None:
        return StoreBatch.of(self.retriever, self.id_key) if self.batch else None

    def _retrieved_ids(self, text: str) -> list[str]:
        return self._ids(self.retriever.invoke(text))

    async def _aretrieved_ids(self, text: str) -> list[str]:
        return self._ids(await self.retriever.ainvoke(text))

    def _ids(self, documents: Sequence[Document]) -> list[str]:
        return [document_id(document, self.id_key) for document in documents]


def langsmith_evaluator(
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    id_key: str | None = None,
    documents: str = "documents",
    relevant: str = "relevant_docs",
) -> Callable[[dict[str, Any], dict[str, Any]], list[dict[str, Any]]]:
    """Return an evaluator for LangSmith's `evaluate`, with a score a metric.

    Args:
        metrics: Names such as "ndcg@10".
        id_key: As in `RetrieverEvaluator`.
        documents: The key of the retrieved documents in the outputs of what is evaluated.
        relevant: The key of the list of relevant ids, or of a single one, in an example's
            reference outputs.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off.

    The evaluator raises an InvalidDatasetError where one of the keys is missing.

    Example:
        >>> evaluator = langsmith_evaluator(["mrr@10"])
        >>> found = [Document("Five miles.", id="d2"), Document("Four miles.", id="d1")]
        >>> evaluator({"documents": found}, {"relevant_docs": ["d1"]})
        [{'key': 'mrr@10', 'score': 0.5}]
    """
    names = [str(metric) for metric in parse_metrics(metrics)]

    def retrieval(
        outputs: dict[str, Any], reference_outputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        found = _value(outputs, documents, what="outputs", option="documents")
        ids = _value(reference_outputs, relevant, what="reference outputs", option="relevant")
        run = {"": [document_id(document, id_key) for document in found]}
        qrels: Mapping[str, Mapping[str, float]] = {
            "": dict.fromkeys([ids] if isinstance(ids, str) else ids, 1.0)
        }
        scores = evaluate_run(run, qrels, metrics=names).means
        return [{"key": name, "score": score} for name, score in scores.items()]

    return retrieval


def _value(held: Mapping[str, Any], key: str, *, what: str, option: str) -> Any:
    if key not in held:
        raise InvalidDatasetError(
            f"{what}: expected the key {key!r}, got {sorted(held)}; name the right one, as "
            f'{option}="..."'
        )
    return held[key]
