"""Whether retrieval got better, measured through the retriever that users will really call."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.evaluation.retrieval.metrics_base import RetrievalMetricResult
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore

from llama_index_finetune_plugin._batch import IndexBatch
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.stores import stored_similarity, stored_vectors
from llama_index_finetune_plugin.stores.reading import Store
from query_adapters.data.dataset import (
    QADataset,
    RetrievalDataset,
    listed_ids,
    to_retrieval_dataset,
)
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import (
    DEFAULT_METRICS,
    DatasetEvaluator,
    Evaluation,
    evaluate_run,
)
from query_adapters.evaluation.metrics import parse_metrics
from query_adapters.evaluation.search import search_run
from query_adapters.stores import gather
from query_adapters.typing import Qrels


class RetrieverEvaluator(DatasetEvaluator):
    """Scores a retriever on single questions or on whole datasets.

    Args:
        retriever: Any LlamaIndex retriever.
        metrics: Names such as "ndcg@10", or one; LlamaIndex's "ap" is "map". Where the cut-off is
            left out ("mrr"), it is the retriever's `similarity_top_k`.
        node_postprocessors: Applied to what was retrieved, in order.
        workers: Questions under way at once in the async methods, at least 1.
        show_progress: Whether to show a progress bar.
        batch: Whether to search for all questions of a dataset at once where that finds the
            same: an index in memory, asked by its own retriever for the nearest nodes and no
            more. Events and callbacks of the retriever, one a question, are not sent then.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off to go by.
        TypeError: If the retriever is none, such as an index.
        ValueError: If `workers` is below 1.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        metrics: Sequence[str] = DEFAULT_METRICS,
        *,
        node_postprocessors: Sequence[BaseNodePostprocessor] = (),
        workers: int = 8,
        show_progress: bool = False,
        batch: bool = True,
    ) -> None:
        if not hasattr(retriever, "retrieve"):
            raise TypeError(
                f"retriever: expected one, got {type(retriever).__name__}; give "
                "index.as_retriever(similarity_top_k=10)"
            )
        top_k = getattr(retriever, "similarity_top_k", None)
        super().__init__(
            _own_names(metrics), top_k=top_k, workers=workers, show_progress=show_progress
        )
        self.retriever = retriever
        self.node_postprocessors = tuple(node_postprocessors or ())
        self.batch = batch

    @classmethod
    def from_metric_names(
        cls, metric_names: Sequence[str], retriever: BaseRetriever, **options: Any
    ) -> Self:
        """Return the evaluator, built as LlamaIndex's is; the options are the constructor's."""
        return cls(retriever, metric_names, **options)

    def evaluate(self, query: str, expected_ids: Sequence[str]) -> RetrievalEvalResult:
        """Return one question's scores in LlamaIndex's own result type."""
        return self._result(query, listed_ids(query, expected_ids), self._nodes(query))

    async def aevaluate(self, query: str, expected_ids: Sequence[str]) -> RetrievalEvalResult:
        """Return one question's scores in LlamaIndex's own result type."""
        return self._result(query, listed_ids(query, expected_ids), await self._anodes(query))

    def _batch(self) -> IndexBatch | None:
        as_found = self.batch and not self.node_postprocessors
        return IndexBatch.of(self.retriever) if as_found else None

    def _retrieved_ids(self, text: str) -> list[str]:
        return [node.node.node_id for node in self._nodes(text)]

    async def _aretrieved_ids(self, text: str) -> list[str]:
        return [node.node.node_id for node in await self._anodes(text)]

    def _nodes(self, text: str) -> list[NodeWithScore]:
        return self._postprocessed(self.retriever.retrieve(text), text)

    async def _anodes(self, text: str) -> list[NodeWithScore]:
        return self._postprocessed(await self.retriever.aretrieve(text), text)

    def _postprocessed(self, nodes: list[NodeWithScore], text: str) -> list[NodeWithScore]:
        for postprocessor in self.node_postprocessors:
            nodes = postprocessor.postprocess_nodes(nodes, query_str=text)
        return nodes

    def _result(
        self, query: str, expected_ids: Sequence[str], nodes: Sequence[NodeWithScore]
    ) -> RetrievalEvalResult:
        ids = [node.node.node_id for node in nodes]
        qrels: Qrels = {query: dict.fromkeys(expected_ids, 1.0)}
        scores = evaluate_run({query: ids}, qrels, metrics=self.metrics).means
        return RetrievalEvalResult(
            query=query,
            expected_ids=list(expected_ids),
            retrieved_ids=ids,
            retrieved_texts=[node.node.get_content() for node in nodes],
            metric_dict={name: RetrievalMetricResult(score=s) for name, s in scores.items()},
        )


def evaluate_index(
    index: Store,
    embed_model: BaseLike,
    dataset: RetrievalDataset | QADataset,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> Evaluation:
    """Return the scores of exact search over the vectors that an index holds.

    What a retriever over a store in memory finds, without asking it question by question.
    Vectors of documents are read, not computed; the store's own similarity ranks, cosine where
    it does not tell.

    Args:
        index: A VectorStoreIndex, or its store.
        embed_model: Embeds the questions: the base model, or one with an adapter.
        dataset: The questions.
        metrics: Names such as "ndcg@10".

    Raises:
        InvalidDatasetError: If no relevant document is in the index.
        UnreadableStoreError: If vectors cannot be read back from such a store.
        DimensionMismatchError: If the model's vectors are not as long as the stored ones.
        UnknownMetricError: If a metric is unknown, or has no cut-off.
    """
    depth = max(metric.k for metric in parse_metrics(metrics))
    texts = to_retrieval_dataset(dataset)
    stored = gather(stored_vectors(index))
    _check_ids(texts.labelled_documents, stored.row_of)
    vectors = LlamaIndexEmbedder(embed_model).embed_queries(list(texts.queries.values()))
    run = search_run(
        dict(zip(texts.queries, vectors, strict=True)),
        stored.ids,
        stored.vectors,
        k=depth,
        similarity=stored_similarity(index) or "cosine",
    )
    return evaluate_run(run, texts.qrels, metrics=metrics)


def _own_names(metrics: Sequence[str]) -> list[str]:
    """Return the names with LlamaIndex's "ap" as this package's "map"."""
    listed = [metrics] if isinstance(metrics, str) else metrics
    return [f"m{name}" if name.split("@")[0] == "ap" else name for name in listed]


def _check_ids(relevant: Sequence[str], indexed: Mapping[str, int]) -> None:
    """Warn of relevant documents that cannot be found, and refuse where none can."""
    absent = [key for key in relevant if key not in indexed]
    if not absent:
        return
    told = (
        f"expected the dataset's relevant documents in the index, got {len(absent)} of "
        f"{len(relevant)} that are not, such as {absent[0]!r}, where the index has "
        f"{next(iter(indexed))!r}; "
    )
    if len(absent) == len(relevant):
        raise InvalidDatasetError(f"{told}make the dataset of the index's nodes, by their ids")
    warnings.warn(
        f"{told}they count as not found: give the index that holds them, or leave those "
        "questions out",
        stacklevel=3,
    )
