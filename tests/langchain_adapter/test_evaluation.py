"""Tests of LangChain-specific evaluation: any Runnable, ids in metadata, LangSmith."""

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langsmith.evaluation import run_evaluator
from langsmith.schemas import Example, Run

from langchain_adapter import RetrieverEvaluator, langsmith_evaluator
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError, UnknownMetricError
from tests.integrations.langchain import ListedRetriever

RANKINGS = {"first": ["a", "b", "c"], "second": ["b", "a", "c"], "nothing": []}
DATASET = RetrievalDataset.from_relevant_docs(
    {name: name for name in RANKINGS},
    {"a": "text a", "b": "text b", "c": "text c"},
    {name: ["a"] for name in RANKINGS},
)


RETRIEVER = ListedRetriever(rankings=RANKINGS)


def found(text: str) -> list[Document]:
    return RETRIEVER.invoke(text)


async def test_a_retriever_that_only_blocks_runs_beside_the_event_loop() -> None:
    threads = set()

    def blocking(text: str) -> list[Document]:
        threads.add(threading.current_thread())
        return found(text)

    evaluator = RetrieverEvaluator(RunnableLambda(blocking), workers=2)
    scores = await evaluator.aevaluate_dataset(DATASET)
    assert scores.means == RetrieverEvaluator(RETRIEVER).evaluate_dataset(DATASET).means
    assert threading.main_thread() not in threads


def test_a_chain_that_ends_in_documents_is_a_retriever() -> None:
    best_first = RETRIEVER | RunnableLambda(lambda documents: sorted(documents, key=str))
    scores = RetrieverEvaluator(best_first, ["hit_rate@1"]).evaluate_dataset(DATASET)
    assert scores.per_query["hit_rate@1"].tolist() == [1, 1, 0]


def test_ids_come_from_the_metadata_if_a_key_is_named() -> None:
    evaluator = RetrieverEvaluator(RETRIEVER, id_key="_id")
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
    with pytest.raises(TypeError, match="expected a LangChain Document, got str; of a chain"):
        RetrieverEvaluator(answers).evaluate_dataset(DATASET)


def test_a_metric_without_a_cutoff_needs_k_or_has_that_of_a_bound_retriever() -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))
    bound = store.as_retriever(search_kwargs={"k": 4}).with_config(tags=["evaluated"])
    assert RetrieverEvaluator(bound, ["mrr", "hit_rate@1"]).metrics == ("mrr@4", "hit_rate@1")
    with pytest.raises(UnknownMetricError, match="'mrr'; expected <name>@<k>"):
        RetrieverEvaluator(store.as_retriever(), ["mrr"])


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


class TestLangSmith:
    """Tests with LangSmith's own evaluator wrapper, without mocks."""

    def feedback(self, evaluator: Any, outputs: dict[str, Any], relevant: dict[str, Any]) -> Any:
        now, key = datetime.now(UTC), uuid.uuid4()
        run = Run(
            id=key, name="r", start_time=now, run_type="chain", inputs={}, outputs=outputs,
            trace_id=key, dotted_order="",
        )  # fmt: skip
        example = Example(id=key, dataset_id=key, inputs={"question": "?"}, outputs=relevant)
        results = run_evaluator(evaluator).evaluate_run(run, example)
        return {result.key: result.score for result in results["results"]}

    def test_each_metric_has_a_score(self) -> None:
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
