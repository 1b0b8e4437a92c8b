"""The evaluator scores what a real retriever, or any other Runnable, returns."""

import asyncio
import threading
import uuid
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langsmith.evaluation import run_evaluator
from langsmith.schemas import Example, Run
from pydantic import PrivateAttr

from langchain_adapter import RetrieverEvaluator, langsmith_evaluator
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidDatasetError, UnknownMetricError
from query_adapters.evaluation import evaluate_vectors

RANKINGS = {
    "first": ["a", "b", "c"],
    "second": ["b", "a", "c"],
    "repeats": ["b", "b", "a"],
    "nothing": [],
}
DATASET = RetrievalDataset.from_relevant_docs(
    {name: name for name in RANKINGS},
    {"a": "text a", "b": "text b", "c": "text c"},
    {name: ["a"] for name in RANKINGS},
)


def found(text: str) -> list[Document]:
    return [Document(f"text {key}", id=key, metadata={"_id": f"{key}!"}) for key in RANKINGS[text]]


class ListedRetriever(BaseRetriever):
    """Returns listed documents; counts how many asynchronous calls overlap."""

    _running: int = PrivateAttr(default=0)
    most_running: int = 0

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return found(query)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        self._running += 1
        self.most_running = max(self.most_running, self._running)
        for _ in range(10):
            await asyncio.sleep(0)
        self._running -= 1
        return found(query)


def test_scores_are_those_worked_out_by_hand() -> None:
    evaluator = RetrieverEvaluator(ListedRetriever(), ["hit_rate@1", "mrr@3"])
    scores = evaluator.evaluate_dataset(DATASET)
    assert scores.query_ids == ("first", "second", "repeats", "nothing")
    assert scores.per_query["hit_rate@1"].tolist() == [1, 0, 0, 0]
    assert scores.per_query["mrr@3"].tolist() == [1, 0.5, 0.5, 0]
    assert scores.means == {"hit_rate@1": 0.25, "mrr@3": 0.5}


@pytest.mark.parametrize("workers", [1, 2, 8])
async def test_the_async_way_gives_the_same_within_its_bound(workers: int) -> None:
    retriever = ListedRetriever()
    evaluator = RetrieverEvaluator(retriever, workers=workers, show_progress=True)
    scores = await evaluator.aevaluate_dataset(DATASET)
    in_turn = evaluator.evaluate_dataset(DATASET)
    assert scores.means == in_turn.means
    assert scores.run == in_turn.run
    assert scores.run["second"] == ["b", "a", "c"]
    assert retriever.most_running == min(workers, len(RANKINGS))


async def test_a_retriever_that_only_blocks_runs_beside_the_event_loop() -> None:
    threads = set()

    def blocking(text: str) -> list[Document]:
        threads.add(threading.current_thread())
        return found(text)

    evaluator = RetrieverEvaluator(RunnableLambda(blocking), workers=2)
    scores = await evaluator.aevaluate_dataset(DATASET)
    assert scores.means == RetrieverEvaluator(ListedRetriever()).evaluate_dataset(DATASET).means
    assert threading.main_thread() not in threads


def test_a_chain_that_ends_in_documents_will_do() -> None:
    best_first = ListedRetriever() | RunnableLambda(lambda documents: sorted(documents, key=str))
    scores = RetrieverEvaluator(best_first, ["hit_rate@1"]).evaluate_dataset(DATASET)
    assert scores.per_query["hit_rate@1"].tolist() == [1, 1, 1, 0]


def test_any_object_with_the_three_mappings_is_a_dataset() -> None:
    relevant = {name: ["a"] for name in RANKINGS}
    other = SimpleNamespace(queries=DATASET.queries, corpus=DATASET.corpus, relevant_docs=relevant)
    evaluator = RetrieverEvaluator(ListedRetriever())
    assert evaluator.evaluate_dataset(other).means == evaluator.evaluate_dataset(DATASET).means


def test_ids_come_from_the_metadata_where_a_key_is_named() -> None:
    evaluator = RetrieverEvaluator(ListedRetriever(), id_key="_id")
    with pytest.warns(UserWarning, match="none of 3 retrieved documents is in the dataset"):
        found = evaluator.evaluate_dataset(DATASET)
    assert found.run["second"] == ["b!", "a!", "c!"]


async def test_a_document_without_an_id_is_refused() -> None:
    retriever: Any = RunnableLambda(lambda _: [Document("text", metadata={"_id": "a"})])
    evaluator = RetrieverEvaluator(retriever)
    message = r"an id, got none.*keys \['_id'\].*id_key"
    with pytest.raises(InvalidDatasetError, match=message):
        evaluator.evaluate_dataset(DATASET)
    with pytest.raises(InvalidDatasetError, match=message):
        await evaluator.aevaluate_dataset(DATASET)


def test_a_runnable_that_returns_something_else_is_refused() -> None:
    answers: Any = RunnableLambda(lambda _: "the answer")
    with pytest.raises(TypeError, match="expected a LangChain Document, got str; use the retr"):
        RetrieverEvaluator(answers).evaluate_dataset(DATASET)


def test_a_metric_without_cutoff_takes_the_retrievers() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    retriever = store.as_retriever(search_kwargs={"k": 4})
    expected = ("mrr@4", "hit_rate@1")
    assert RetrieverEvaluator(retriever, ["mrr", "hit_rate@1"]).metrics == expected
    bound = retriever.with_config(tags=["evaluated"])
    assert RetrieverEvaluator(bound, ["mrr", "hit_rate@1"]).metrics == expected
    for silent in (store.as_retriever(), ListedRetriever()):
        with pytest.raises(UnknownMetricError, match="'mrr'; expected <name>@<k>"):
            RetrieverEvaluator(silent, ["mrr"])


def test_metrics_that_look_further_than_the_retriever_are_named_in_a_warning() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    with pytest.warns(UserWarning, match=r"mrr@10, ndcg@5: .* returns 4,") as caught:
        RetrieverEvaluator(
            store.as_retriever(search_kwargs={"k": 4}), ["mrr@10", "recall@4", "ndcg@5"]
        )
    assert [warning.filename for warning in caught] == [__file__]


async def test_a_retriever_without_k_is_found_to_return_four() -> None:
    corpus = {f"d{i}": f"text {i}" for i in range(12)}
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    store.add_texts(list(corpus.values()), ids=list(corpus))
    dataset = RetrievalDataset.from_relevant_docs({"q": "text 3"}, corpus, {"q": ["d3"]})
    evaluator = RetrieverEvaluator(store.as_retriever(), ["recall@10", "mrr@4"])
    with pytest.warns(UserWarning, match=r"^recall@10: .* at most 4 .*search_kwargs") as caught:
        evaluator.evaluate_dataset(dataset)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=r"^recall@10: .* at most 4 "):
        await evaluator.aevaluate_dataset(dataset)


def test_bad_arguments_are_refused_at_once() -> None:
    store: Any = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    with pytest.raises(TypeError, match=r"got InMemoryVectorStore; pass vectorstore\.as_r"):
        RetrieverEvaluator(store)
    with pytest.raises(UnknownMetricError, match="ndgc@10"):
        RetrieverEvaluator(ListedRetriever(), ["ndgc@10"])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RetrieverEvaluator(ListedRetriever(), workers=0)


def test_what_is_no_retriever_is_refused_at_once() -> None:
    others: list[Any] = [InMemoryVectorStore(DeterministicFakeEmbedding(size=4)), found, None]
    for other in others:
        with pytest.raises(TypeError, match=rf"got {type(other).__name__}; .*as_retriever\(\)"):
            RetrieverEvaluator(other)


def test_a_vector_store_scores_as_its_vectors_do() -> None:
    model = DeterministicFakeEmbedding(size=16)
    corpus = {f"d{i}": f"text {i}" for i in range(40)}
    queries = {f"q{i}": f"question {i}" for i in range(30)}
    relevant = {query: [f"d{i % 40}", f"d{(7 * i) % 40}"] for i, query in enumerate(queries)}
    store = InMemoryVectorStore(model)
    store.add_texts(list(corpus.values()), ids=list(corpus))
    retriever = store.as_retriever(search_kwargs={"k": 10})
    scores = RetrieverEvaluator(retriever).evaluate_dataset(
        SimpleNamespace(queries=queries, corpus=corpus, relevant_docs=relevant)
    )
    keys = list(corpus)
    expected = evaluate_vectors(
        EmbeddedDataset(
            np.array([model.embed_query(text) for text in queries.values()], dtype=np.float32),
            np.array(model.embed_documents(list(corpus.values())), dtype=np.float32),
            tuple(np.unique([keys.index(d) for d in relevant[query]]) for query in queries),
        )
    )
    assert scores.means == pytest.approx(expected.means)


class TestLangSmith:
    """LangSmith's own wrapper turns the function into feedback, nothing of it mocked."""

    def feedback(self, evaluator: Any, outputs: dict[str, Any], relevant: dict[str, Any]) -> Any:
        now, key = datetime.now(UTC), uuid.uuid4()
        run = Run(
            id=key, name="r", start_time=now, run_type="chain", inputs={}, outputs=outputs,
            trace_id=key, dotted_order="",
        )  # fmt: skip
        example = Example(id=key, dataset_id=key, inputs={"question": "?"}, outputs=relevant)
        results = run_evaluator(evaluator).evaluate_run(run, example)
        return {result.key: result.score for result in results["results"]}

    def test_a_score_a_metric(self) -> None:
        evaluator = langsmith_evaluator(["hit_rate@1", "mrr@3"])
        scores = self.feedback(evaluator, {"documents": found("second")}, {"relevant_docs": ["a"]})
        assert scores == {"hit_rate@1": 0, "mrr@3": 0.5}

    def test_keys_are_the_users(self) -> None:
        evaluator = langsmith_evaluator(
            ["mrr@3"], id_key="_id", documents="context", relevant="sources"
        )
        scores = self.feedback(evaluator, {"context": found("second")}, {"sources": ["b!"]})
        assert scores == {"mrr@3": 1}

    def test_an_unknown_metric_is_refused_before_anything_runs(self) -> None:
        with pytest.raises(UnknownMetricError, match="'mrr'; expected"):
            langsmith_evaluator(["mrr"])

    def test_a_single_id_is_one_id(self) -> None:
        evaluator = langsmith_evaluator(["recall@3"])
        outputs = {"documents": [Document("text", id="d0")]}
        assert self.feedback(evaluator, outputs, {"relevant_docs": "d0"}) == {"recall@3": 1}

    def test_keys_that_are_missing_are_named_with_those_that_are_there(self) -> None:
        evaluator: Any = langsmith_evaluator(["mrr@3"])
        told = r"^outputs: expected the key 'documents', got \['answer'\].* documents="
        with pytest.raises(InvalidDatasetError, match=told):
            evaluator({"answer": []}, {"relevant_docs": ["a"]})
        told = r"^reference outputs: expected the key 'relevant_docs', got \['a'\].* as relevant="
        with pytest.raises(InvalidDatasetError, match=told):
            evaluator({"documents": []}, {"a": 1})
