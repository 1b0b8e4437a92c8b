"""Evaluate LangChain retrievers and vector stores."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable

from langchain_adapter._batch import StoreBatch
from langchain_adapter.embedder import BaseLike, as_text_embedder
from langchain_adapter.stores.live import opened
from langchain_adapter.stores.reading import Store
from langchain_adapter.units import id_reader
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.data.units import UnitsOption
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import (
    DEFAULT_METRICS,
    DatasetEvaluator,
    Evaluation,
    evaluate_run,
)
from query_adapters.evaluation.metrics import parse_metrics
from query_adapters.evaluation.single_query import ExpectedDocuments
from query_adapters.evaluation.stored_search import evaluate_stored_vectors
from query_adapters.stores.reader import gathered


class RetrieverEvaluator(DatasetEvaluator):
    """Scores a retriever on single queries or on whole datasets.

    Args:
        retriever: Any LangChain retriever, or another Runnable from a text to documents.
        metrics: Names such as "ndcg@10", or one. Where the cut-off is left out ("mrr"), it is
            `k` of the retriever's `search_kwargs`, or its own `k`.
        id_key: The metadata key of a document's id, such as Qdrant's "_id"; by default it is
            `Document.id`.
        units: What the dataset's ids name, as in `IndexOptions`. Retrieved documents count as
            their units, each once, at its best rank. Not together with `id_key`.
        workers: Concurrent queries in the asynchronous methods, at least 1.
        show_progress: Whether to show a progress bar.
        batch: Whether to search for all queries of a dataset at once where the result is the
            same: the retriever of an `InMemoryVectorStore`, by similarity and without filters.
            The retriever's callbacks, one run per query, are not called then.

    Raises:
        TypeError: If `retriever` is not a retriever.
        UnknownMetricError: If a metric is unknown, or has no cut-off and the retriever states none.
        ValueError: If `workers` is below 1, or `id_key` and `units` are both given.
    """

    def __init__(
        self,
        retriever: Runnable[str, list[Document]],
        metrics: Sequence[str] = DEFAULT_METRICS,
        *,
        id_key: str | None = None,
        units: UnitsOption = "chunk",
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
        top_k = getattr(retriever, "search_kwargs", {}).get("k") or getattr(retriever, "k", None)
        super().__init__(metrics, top_k=top_k, workers=workers, show_progress=show_progress)
        self.retriever = retriever
        self.id_key = id_key
        self._id_of = id_reader(units, id_key)
        self.batch = batch

    def evaluate(
        self,
        query: str,
        expected_ids: Sequence[str] | None = None,
        expected_texts: Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Return the scores of one query, 0..1, by metric.

        Args:
            query: The query's text.
            expected_ids: Ids of the relevant documents.
            expected_texts: Texts of the relevant documents, compared where `expected_ids` is
                left out.

        Raises:
            InvalidDatasetError: If both are missing or empty.
        """
        expected = ExpectedDocuments.of(query, expected_ids, expected_texts)
        return self._scores_of(expected, self.retriever.invoke(query))

    async def aevaluate(
        self,
        query: str,
        expected_ids: Sequence[str] | None = None,
        expected_texts: Sequence[str] | None = None,
    ) -> dict[str, float]:
        """Return the same as `evaluate`, by the retriever's asynchronous method."""
        expected = ExpectedDocuments.of(query, expected_ids, expected_texts)
        return self._scores_of(expected, await self.retriever.ainvoke(query))

    def _scores_of(
        self, expected: ExpectedDocuments, documents: Sequence[Document]
    ) -> dict[str, float]:
        texts = [document.page_content for document in documents]
        retrieved = list(zip(map(self._id_of, documents), texts, strict=True))
        return expected.scores(retrieved, metrics=self.metrics)

    def _batch(self) -> StoreBatch | None:
        return StoreBatch.of(self.retriever, self._id_of) if self.batch else None

    def _retrieved_ids(self, text: str) -> list[str]:
        return self._ids(self.retriever.invoke(text))

    async def _aretrieved_ids(self, text: str) -> list[str]:
        return self._ids(await self.retriever.ainvoke(text))

    def _ids(self, documents: Sequence[Document]) -> list[str]:
        """Return the ids of documents, or of units, each once."""
        return list(dict.fromkeys(map(self._id_of, documents)))


def evaluate_vectorstore(
    vectorstore: Store,
    embeddings: BaseLike,
    dataset: RetrievalDataset | QADataset,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    units: UnitsOption = "chunk",
) -> Evaluation:
    """Return the scores of exact search over the vectors that a vector store holds.

    Documents are not embedded. Ranked by the store's own similarity, or cosine if it does not
    state one.

    Args:
        vectorstore: The vector store, or blocks of (ids, vectors).
        embeddings: Embeds the queries: the base model, or one with an adapter.
        dataset: Queries with their relevant documents, by the ids of the store.
        metrics: Names such as "ndcg@10".
        units: What the dataset's ids name, as in `IndexOptions`; units are ranked by their best
            vector.

    Raises:
        InvalidDatasetError: If a document cannot be read back, or has no unit, or several.
        QueryAdaptersError: As `query_adapters.evaluation.stored_search.evaluate_stored_vectors`.
        UnreadableStoreError: If vectors cannot be read back from the store.
    """
    stored = gathered(opened(vectorstore, units))
    return evaluate_stored_vectors(
        dataset,
        as_text_embedder(embeddings),
        ids=stored.ids,
        vectors=stored.vectors,
        similarity=stored.similarity,
        metrics=metrics,
        units=stored.units,
    )


def langsmith_evaluator(
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    id_key: str | None = None,
    units: UnitsOption = "chunk",
    documents: str = "documents",
    relevant: str = "relevant_docs",
) -> Callable[[dict[str, Any], dict[str, Any]], list[dict[str, Any]]]:
    """Return an evaluator for LangSmith's `evaluate`, with one score per metric.

    Args:
        metrics: Names such as "ndcg@10".
        id_key: As in `RetrieverEvaluator`.
        units: As in `RetrieverEvaluator`.
        documents: Key of the retrieved documents in the outputs of the evaluated system.
        relevant: Key of the relevant ids, a list or a single id, in an example's reference outputs.

    Raises:
        TypeError: If `units` is neither a string nor a function.
        UnknownMetricError: If a metric is unknown, or has no cut-off.
        ValueError: If `id_key` and `units` are both given.

    The evaluator raises an InvalidDatasetError if one of the keys is missing.

    Example:
        >>> evaluator = langsmith_evaluator(["mrr@10"])
        >>> found = [Document("Five miles.", id="d2"), Document("Four miles.", id="d1")]
        >>> evaluator({"documents": found}, {"relevant_docs": ["d1"]})
        [{'key': 'mrr@10', 'score': 0.5}]
    """
    names = [str(metric) for metric in parse_metrics(metrics)]
    id_of = id_reader(units, id_key)

    def retrieval(
        outputs: dict[str, Any], reference_outputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        found = _value(outputs, documents, what="outputs", option="documents")
        ids = _value(reference_outputs, relevant, what="reference outputs", option="relevant")
        run = {"": [id_of(document) for document in found]}
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
