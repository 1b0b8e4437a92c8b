"""Whether retrieval got better, measured through the retriever that users will really call."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.evaluation.retrieval.base import RetrievalEvalResult
from llama_index.core.evaluation.retrieval.metrics_base import RetrievalMetricResult
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore
from tqdm.asyncio import tqdm_asyncio
from tqdm.auto import tqdm

from llama_index_finetune_plugin.dataset import QADataset, to_retrieval_dataset
from query_adapters.dataset import RetrievalDataset
from query_adapters.evaluation import DEFAULT_METRICS, Evaluation, Metric, evaluate_run
from query_adapters.typing import Qrels


class RetrieverEvaluator:
    """Scores a retriever on single questions or on whole datasets.

    Args:
        retriever: Any LlamaIndex retriever.
        metrics: Names such as "ndcg@10". Where the cut-off is left out ("mrr"), it is the
            retriever's `similarity_top_k`.
        node_postprocessors: Applied to what was retrieved, in order.
        workers: Questions under way at once in the async methods, at least 1.
        show_progress: Whether to show a progress bar.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off to go by.
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
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers: expected at least 1, got {workers}")
        self.retriever = retriever
        self.metrics = tuple(_with_cutoff(name, retriever) for name in metrics)
        self.node_postprocessors = tuple(node_postprocessors or ())
        self.workers = workers
        self.show_progress = show_progress

    @classmethod
    def from_metric_names(
        cls, metric_names: Sequence[str], retriever: BaseRetriever, **options: Any
    ) -> Self:
        """Return the evaluator, built as LlamaIndex's is; the options are the constructor's."""
        return cls(retriever, metric_names, **options)

    def evaluate_dataset(self, dataset: RetrievalDataset | QADataset) -> Evaluation:
        """Return the scores on every question, retrieved one after the other.

        A question for which nothing is retrieved scores 0.

        Raises:
            InvalidDatasetError: If the dataset does not fit together.
        """
        texts = to_retrieval_dataset(dataset)
        questions = tqdm(texts.queries.items(), "Retrieving", disable=not self.show_progress)
        run = {query: self._ids(text) for query, text in questions}
        return evaluate_run(run, texts.qrels, metrics=self.metrics)

    async def aevaluate_dataset(self, dataset: RetrievalDataset | QADataset) -> Evaluation:
        """Return the same as `evaluate_dataset`, with up to `workers` questions at once."""
        texts = to_retrieval_dataset(dataset)
        turn = asyncio.Semaphore(self.workers)

        async def retrieve(text: str) -> list[str]:
            async with turn:
                return await self._aids(text)

        found = await tqdm_asyncio.gather(
            *(retrieve(text) for text in texts.queries.values()),
            desc="Retrieving",
            disable=not self.show_progress,
        )
        run = dict(zip(texts.queries, found, strict=True))
        return evaluate_run(run, texts.qrels, metrics=self.metrics)

    def evaluate(self, query: str, expected_ids: Sequence[str]) -> RetrievalEvalResult:
        """Return one question's scores in LlamaIndex's own result type."""
        return self._result(query, expected_ids, self._nodes(query))

    async def aevaluate(self, query: str, expected_ids: Sequence[str]) -> RetrievalEvalResult:
        """Return one question's scores in LlamaIndex's own result type."""
        return self._result(query, expected_ids, await self._anodes(query))

    def _ids(self, text: str) -> list[str]:
        return [node.node.node_id for node in self._nodes(text)]

    async def _aids(self, text: str) -> list[str]:
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


def _with_cutoff(name: str, retriever: BaseRetriever) -> str:
    top_k = getattr(retriever, "similarity_top_k", None)
    if "@" not in name and top_k is not None:
        name = f"{name}@{top_k}"
    return str(Metric.parse(name))
