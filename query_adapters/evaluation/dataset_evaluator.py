"""Evaluate a retriever on whole datasets, one query at a time or concurrently."""

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from tqdm.auto import tqdm

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.errors import EvaluationWarning
from query_adapters.evaluation.evaluate import Evaluation, evaluate_run
from query_adapters.evaluation.metrics import DEFAULT_METRICS, Metric, parse_metrics
from query_adapters.typing import Run, Texts

Answer = TypeVar("Answer")


class Batch(Protocol):
    """A batch search for many queries, with the same results as the retriever."""

    def embed(self, text: str) -> Sequence[float]:
        """Return the vector that the retriever would search with."""

    async def aembed(self, text: str) -> Sequence[float]:
        """Return the same by the asynchronous method."""

    def run(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return the run by vectors of texts, without queries that need the retriever."""

    async def arun(self, queries: Texts, vectors: Mapping[str, Sequence[float]]) -> Run:
        """Return the same by asynchronous methods."""


class DatasetEvaluator(ABC):
    """Scores a retriever; each integration implements how its framework's retrievers are called.

    Args:
        metrics: Names such as "ndcg@10", or one. Where the cut-off is left out ("mrr"), it is
            `top_k`.
        top_k: Number of documents that the retriever returns; None if unknown.
        workers: Concurrent queries in the asynchronous method, at least 1.
        show_progress: Whether to show a progress bar.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off and `top_k` is None.
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
        parsed = parse_metrics(metrics, k=top_k)
        _warn_if_short(parsed, top_k)
        self._top_k = top_k
        self.metrics = tuple(map(str, parsed))
        self.workers = workers
        self.show_progress = show_progress

    def evaluate_dataset(self, dataset: RetrievalDataset | QADataset) -> Evaluation:
        """Return the scores of every query, retrieved one after another.

        A query without retrieved documents scores 0.

        Raises:
            InvalidDatasetError: If the dataset does not fit together.
        """
        texts = to_retrieval_dataset(dataset)
        found = self._found_at_once(texts.queries)
        rest = _without(found, texts.queries)
        asking = self._progress(list(rest.values()), "Retrieving")
        asked = [self._retrieved_ids(text) for text in asking]
        return self._scores(texts, found | dict(zip(rest, asked, strict=True)))

    async def aevaluate_dataset(self, dataset: RetrievalDataset | QADataset) -> Evaluation:
        """Return the same as `evaluate_dataset`, with up to `workers` concurrent queries."""
        texts = to_retrieval_dataset(dataset)
        found = await self._afound_at_once(texts.queries)
        rest = _without(found, texts.queries)
        asked = await self._together(self._aretrieved_ids, list(rest.values()), "Retrieving")
        return self._scores(texts, found | dict(zip(rest, asked, strict=True)))

    def _batch(self) -> Batch | None:
        """Return an equivalent batch search; None if there is none."""
        return None

    def _found_at_once(self, queries: Texts) -> dict[str, Sequence[str]]:
        batch = self._batch()
        if batch is None:
            return {}
        once = list(dict.fromkeys(queries.values()))
        vectors = [batch.embed(text) for text in self._progress(once, "Embedding")]
        return dict(batch.run(queries, dict(zip(once, vectors, strict=True))))

    async def _afound_at_once(self, queries: Texts) -> dict[str, Sequence[str]]:
        batch = self._batch()
        if batch is None:
            return {}
        once = list(dict.fromkeys(queries.values()))
        vectors = await self._together(batch.aembed, once, "Embedding")
        return dict(await batch.arun(queries, dict(zip(once, vectors, strict=True))))

    @abstractmethod
    def _retrieved_ids(self, text: str) -> list[str]:
        """Return the ids of the documents retrieved for a query, best first."""

    @abstractmethod
    async def _aretrieved_ids(self, text: str) -> list[str]:
        """Return the same by the retriever's asynchronous method."""

    def _progress(self, texts: Sequence[str], what: str) -> Iterable[str]:
        """Yield the texts, with an optional progress bar."""
        bar: Iterable[str] = tqdm(texts, what, disable=self._silent(texts))
        return bar

    async def _together(
        self, ask: Callable[[str], Awaitable[Answer]], texts: Sequence[str], what: str
    ) -> list[Answer]:
        """Return the answers in the order of the texts, with up to `workers` concurrent calls."""
        turn = asyncio.Semaphore(self.workers)

        async def one(text: str) -> Answer:
            async with turn:
                answer = await ask(text)
            bar.update()
            return answer

        with tqdm(total=len(texts), desc=what, disable=self._silent(texts)) as bar:
            tasks = [asyncio.ensure_future(one(text)) for text in texts]
            try:
                return await asyncio.gather(*tasks)
            finally:  # after an error, no further query is sent
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _silent(self, texts: Sequence[str]) -> bool:
        return not self.show_progress or not texts

    def _scores(self, texts: RetrievalDataset, found: Run) -> Evaluation:
        run = {query: found[query] for query in texts.queries}
        if self._top_k is None:  # else a warning was issued at construction
            _warn_if_cut(parse_metrics(self.metrics), run, texts)
        _warn_if_nothing(run)
        _warn_if_strange(run, texts)
        return evaluate_run(run, texts.qrels, metrics=self.metrics, weights=texts.weights)


def _without(found: Run, queries: Texts) -> dict[str, str]:
    return {query: text for query, text in queries.items() if query not in found}


def _warn_if_short(metrics: Sequence[Metric], top_k: int | None) -> None:
    deeper = [str(metric) for metric in metrics if top_k is not None and metric.k > top_k]
    if deeper:
        warnings.warn(
            f"{', '.join(deeper)}: expected a retriever that returns as many documents, got one "
            f"that returns {top_k}, so that a relevant document below counts as missing; let it "
            "return more, or choose metrics with a smaller cut-off",
            EvaluationWarning,
            stacklevel=4,
        )


def _warn_if_cut(metrics: Sequence[Metric], run: Run, texts: RetrievalDataset) -> None:
    """Warn of metrics whose cut-off exceeds the longest ranking, unless it has all documents."""
    longest = max(map(len, run.values()))
    deeper = [str(metric) for metric in metrics if metric.k > longest]
    if deeper and 0 < longest < len(texts.corpus):
        warnings.warn(
            f"{', '.join(deeper)}: expected a retriever that returns as many documents, got at "
            f"most {longest} for any of {len(run)} questions, so that a relevant one further down "
            "counts as missing; let it return more (search_kwargs={'k': 10} in LangChain, "
            "similarity_top_k=10 in LlamaIndex), or choose metrics with a smaller cut-off",
            EvaluationWarning,
            stacklevel=4,
        )


def _warn_if_nothing(run: Run) -> None:
    """Warn if no document was retrieved for any query."""
    if not any(run.values()):
        warnings.warn(
            f"no document was retrieved for any of {len(run)} questions, so that every score is 0; "
            "expected a store with documents: fill it, or open the one that is filled (Chroma "
            "needs the same collection_name and persist_directory)",
            EvaluationWarning,
            stacklevel=4,
        )


def _warn_if_strange(run: Run, texts: RetrievalDataset) -> None:
    """Warn if no retrieved document is in the dataset."""
    retrieved = {document for ranking in run.values() for document in ranking}
    if retrieved and retrieved.isdisjoint(texts.corpus):
        relevant = next(iter(next(iter(texts.qrels.values()))))
        warnings.warn(
            f"none of {len(retrieved)} retrieved documents is in the dataset, so that every score "
            f"is 0: ids such as {min(retrieved)!r} were retrieved, and {relevant!r} is relevant; "
            "expected the same ids in both: build the index with the dataset's, or, in LangChain, "
            "name the metadata key that holds them: id_key; where labels are on documents or "
            "parents of what is retrieved, pass units",
            EvaluationWarning,
            stacklevel=4,
        )
