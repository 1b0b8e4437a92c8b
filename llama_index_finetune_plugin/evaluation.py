"""Evaluate LlamaIndex retrievers and indexes."""

from collections.abc import Sequence
from typing import Any, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.evaluation.retrieval.metrics_base import RetrievalMetricResult
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import BaseNode, NodeWithScore

from llama_index_finetune_plugin._batch import IndexBatch
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from llama_index_finetune_plugin.stores.live import opened
from llama_index_finetune_plugin.stores.reading import Store
from llama_index_finetune_plugin.units import rule_of
from query_adapters.data.dataset import QADataset, RetrievalDataset
from query_adapters.data.units import UnitsOption
from query_adapters.evaluation import DEFAULT_METRICS, DatasetEvaluator, Evaluation
from query_adapters.evaluation.single_query import ExpectedDocuments
from query_adapters.evaluation.stored_search import evaluate_stored_vectors
from query_adapters.stores.reader import gathered


class RetrieverEvaluator(DatasetEvaluator):
    """Scores a retriever on single queries or on whole datasets.

    Args:
        retriever: Any LlamaIndex retriever.
        metrics: Names such as "ndcg@10", or one; LlamaIndex's "ap" is "map". Where the cut-off is
            left out ("mrr"), it is the retriever's `similarity_top_k`.
        node_postprocessors: Applied to the retrieved nodes, in order.
        units: What the dataset's ids name, as in `IndexOptions`. Retrieved nodes count as their
            units, each once, at its best rank.
        workers: Concurrent queries in the asynchronous methods, at least 1.
        show_progress: Whether to show a progress bar.
        batch: Whether to search for all queries of a dataset at once where the result is the
            same: a VectorIndexRetriever over an index in memory, without filters. The
            retriever's events and callbacks, one per query, are not sent then.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off and the retriever states none.
        TypeError: If `retriever` is not a retriever, such as an index.
        ValueError: If `workers` is below 1.
    """

    def __init__(
        self,
        retriever: BaseRetriever,
        metrics: Sequence[str] = DEFAULT_METRICS,
        *,
        node_postprocessors: Sequence[BaseNodePostprocessor] = (),
        units: UnitsOption = "chunk",
        workers: int = 8,
        show_progress: bool = False,
        batch: bool = True,
    ) -> None:
        if not hasattr(retriever, "retrieve"):
            raise TypeError(
                f"retriever: expected a LlamaIndex retriever, got {type(retriever).__name__}; pass "
                "index.as_retriever(similarity_top_k=10)"
            )
        top_k = getattr(retriever, "similarity_top_k", None)
        super().__init__(
            _own_names(metrics), top_k=top_k, workers=workers, show_progress=show_progress
        )
        self.retriever = retriever
        self.node_postprocessors = tuple(node_postprocessors or ())
        self._id_of = rule_of(units) or _node_id
        self.batch = batch

    @classmethod
    def from_metric_names(
        cls, metric_names: Sequence[str], retriever: BaseRetriever, **options: Any
    ) -> Self:
        """Return the evaluator, built as LlamaIndex's is; the options are the constructor's."""
        return cls(retriever, metric_names, **options)

    def evaluate(
        self,
        query: str,
        expected_ids: Sequence[str] | None = None,
        expected_texts: Sequence[str] | None = None,
    ) -> RetrievalEvalResult:
        """Return the scores of one query in LlamaIndex's result type.

        Args:
            query: The query's text.
            expected_ids: Ids of the relevant nodes.
            expected_texts: Texts of the relevant nodes, without metadata. They are compared only
                where `expected_ids` is left out; otherwise they are recorded in the result.

        Raises:
            InvalidDatasetError: If both are missing or empty.
        """
        expected = ExpectedDocuments.of(query, expected_ids, expected_texts)
        return self._result(expected, expected_texts, self._nodes(query))

    async def aevaluate(
        self,
        query: str,
        expected_ids: Sequence[str] | None = None,
        expected_texts: Sequence[str] | None = None,
    ) -> RetrievalEvalResult:
        """Return the same as `evaluate`, by the retriever's asynchronous method."""
        expected = ExpectedDocuments.of(query, expected_ids, expected_texts)
        return self._result(expected, expected_texts, await self._anodes(query))

    def _batch(self) -> IndexBatch | None:
        as_found = self.batch and not self.node_postprocessors
        return IndexBatch.of(self.retriever, self._id_of) if as_found else None

    def _retrieved_ids(self, text: str) -> list[str]:
        return self._ids(self._nodes(text))

    async def _aretrieved_ids(self, text: str) -> list[str]:
        return self._ids(await self._anodes(text))

    def _ids(self, nodes: Sequence[NodeWithScore]) -> list[str]:
        """Return the ids of nodes, or of units, each once."""
        return list(dict.fromkeys(self._id_of(node.node) for node in nodes))

    def _nodes(self, text: str) -> list[NodeWithScore]:
        return self._postprocessed(self.retriever.retrieve(text), text)

    async def _anodes(self, text: str) -> list[NodeWithScore]:
        return self._postprocessed(await self.retriever.aretrieve(text), text)

    def _postprocessed(self, nodes: list[NodeWithScore], text: str) -> list[NodeWithScore]:
        for postprocessor in self.node_postprocessors:
            nodes = postprocessor.postprocess_nodes(nodes, query_str=text)
        return nodes

    def _result(
        self,
        expected: ExpectedDocuments,
        texts: Sequence[str] | None,
        nodes: Sequence[NodeWithScore],
    ) -> RetrievalEvalResult:
        retrieved = [(self._id_of(node.node), node.node.get_content()) for node in nodes]
        scores = expected.scores(retrieved, metrics=self.metrics)
        return RetrievalEvalResult(
            query=expected.query,
            expected_ids=[] if expected.by_text else list(expected.keys),
            expected_texts=None if texts is None else list(texts),
            retrieved_ids=[key for key, _ in retrieved],
            retrieved_texts=[text for _, text in retrieved],
            metric_dict={name: RetrievalMetricResult(score=s) for name, s in scores.items()},
        )


def evaluate_index(
    index: Store,
    embed_model: BaseLike,
    dataset: RetrievalDataset | QADataset,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    units: UnitsOption = "chunk",
) -> Evaluation:
    """Return the scores of exact search over the vectors that an index stores.

    Equal to a retriever over a store in memory, without one call per query. Vectors of nodes are
    read, not computed. Ranked by the store's own similarity, or cosine if it does not state one.

    Args:
        index: A VectorStoreIndex, or its store.
        embed_model: Embeds the queries: the base model, or one with an adapter.
        dataset: Queries with their relevant nodes.
        metrics: Names such as "ndcg@10".
        units: What the dataset's ids name, as in `IndexOptions`; units are ranked by their best
            vector.

    Raises:
        InvalidDatasetError: If a node cannot be read back, or has no unit, or several.
        QueryAdaptersError: As `query_adapters.evaluation.stored_search.evaluate_stored_vectors`.
        UnreadableStoreError: If vectors cannot be read back from such a store.
    """
    stored = gathered(opened(index, units))
    return evaluate_stored_vectors(
        dataset,
        LlamaIndexEmbedder(embed_model),
        ids=stored.ids,
        vectors=stored.vectors,
        similarity=stored.similarity,
        metrics=metrics,
        units=stored.units,
    )


def _node_id(node: BaseNode) -> str:
    return node.node_id


def _own_names(metrics: Sequence[str]) -> list[str]:
    """Return the names with LlamaIndex's "ap" as this package's "map"."""
    listed = [metrics] if isinstance(metrics, str) else metrics
    return [f"m{name}" if name.split("@")[0] == "ap" else name for name in listed]
