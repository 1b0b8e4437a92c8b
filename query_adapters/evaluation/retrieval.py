"""Whole datasets through a real retriever, one question at a time or several at once."""

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tqdm.asyncio import tqdm_asyncio
from tqdm.auto import tqdm

from query_adapters.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.evaluation.evaluate import Evaluation, evaluate_run
from query_adapters.evaluation.metrics import DEFAULT_METRICS, Metric


class DatasetEvaluator(ABC):
    """Scores what a retriever finds; each door says how its framework's retrievers are asked.

    Args:
        metrics: Names such as "ndcg@10". Where the cut-off is left out ("mrr"), it is `top_k`.
        top_k: How many documents the retriever returns, None if it does not tell.
        workers: Questions under way at once in the asynchronous method, at least 1.
        show_progress: Whether to show a progress bar.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off to go by.
        ValueError: If `workers` is below 1.
    """

    def __init__(
        self,
        metrics: Sequence[str] = DEFAULT_METRICS,
        *,
        top_k: int | None = None,
        workers: int = 8,
        show_progress: bool = False,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers: expected at least 1, got {workers}")
        parsed = [_parse(name, top_k) for name in metrics]
        _warn_if_short(parsed, top_k)
        self.metrics = tuple(map(str, parsed))
        self.workers = workers
        self.show_progress = show_progress

    def evaluate_dataset(self, dataset: RetrievalDataset | QADataset) -> Evaluation:
        """Return the scores on every question, retrieved one after the other.

        A question for which nothing is retrieved scores 0.

        Raises:
            InvalidDatasetError: If the dataset does not fit together.
        """
        texts = to_retrieval_dataset(dataset)
        questions = tqdm(texts.queries.items(), "Retrieving", disable=not self.show_progress)
        run = {query: self._retrieved_ids(text) for query, text in questions}
        return evaluate_run(run, texts.qrels, metrics=self.metrics)

    async def aevaluate_dataset(self, dataset: RetrievalDataset | QADataset) -> Evaluation:
        """Return the same as `evaluate_dataset`, with up to `workers` questions at once."""
        texts = to_retrieval_dataset(dataset)
        turn = asyncio.Semaphore(self.workers)

        async def retrieve(text: str) -> list[str]:
            async with turn:
                return await self._aretrieved_ids(text)

        found = await tqdm_asyncio.gather(
            *(retrieve(text) for text in texts.queries.values()),
            desc="Retrieving",
            disable=not self.show_progress,
        )
        run = dict(zip(texts.queries, found, strict=True))
        return evaluate_run(run, texts.qrels, metrics=self.metrics)

    @abstractmethod
    def _retrieved_ids(self, text: str) -> list[str]:
        """Return the ids of the documents retrieved for a question, best first."""

    @abstractmethod
    async def _aretrieved_ids(self, text: str) -> list[str]:
        """Return the same by the retriever's asynchronous method."""


def _parse(name: str, top_k: int | None) -> Metric:
    return Metric.parse(name if "@" in name or top_k is None else f"{name}@{top_k}")


def _warn_if_short(metrics: Sequence[Metric], top_k: int | None) -> None:
    deeper = [str(metric) for metric in metrics if top_k is not None and metric.k > top_k]
    if deeper:
        warnings.warn(
            f"{', '.join(deeper)}: expected a retriever that returns as many documents, got one "
            f"that returns {top_k}, so that a relevant one further down counts as missing; ask "
            "it for more, or for metrics with a smaller cut-off",
            stacklevel=4,
        )
