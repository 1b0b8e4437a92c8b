"""Tests of `RetrieverEvaluator`, which scores the results of a framework's retriever."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import (
    DimensionMismatchError,
    EvaluationWarning,
    InvalidDatasetError,
    UnknownMetricError,
)
from query_adapters.evaluation import evaluate_vectors
from tests.integrations.framework import Framework

RANKINGS = {
    "first": ["a", "b", "c"],
    "second": ["b", "a", "c"],
    "repeats": ["b", "b", "a"],
    "nothing": [],
}
CORPUS = {"a": "text a", "b": "text b", "c": "text c"}
RELEVANT = {name: ["a"] for name in RANKINGS}


@pytest.fixture
def dataset(framework: Framework) -> Any:
    return framework.dataset({name: name for name in RANKINGS}, CORPUS, RELEVANT)


@pytest.fixture
def retriever(framework: Framework) -> Any:
    return framework.listed_retriever(RANKINGS)


@pytest.fixture
def retriever_of_four(framework: Framework, base: Any) -> Any:
    """Return a retriever that returns at most four documents."""
    return framework.stores.retriever(framework.stores.in_memory({"a": "text a"}, base), 4)


def test_scores_are_those_calculated_by_hand(
    framework: Framework, retriever: Any, dataset: Any
) -> None:
    evaluator = framework.evaluator(retriever, ["hit_rate@1", "mrr@3"])
    scores = evaluator.evaluate_dataset(dataset)
    assert scores.query_ids == ("first", "second", "repeats", "nothing")
    assert scores.per_query["hit_rate@1"].tolist() == [1, 0, 0, 0]
    assert scores.per_query["mrr@3"].tolist() == [1, 0.5, 0.5, 0]
    assert scores.means == {"hit_rate@1": 0.25, "mrr@3": 0.5}


@pytest.mark.parametrize("workers", [1, 2, 8])
async def test_the_asynchronous_method_gives_the_same_with_bounded_concurrency(
    framework: Framework, retriever: Any, dataset: Any, workers: int
) -> None:
    evaluator = framework.evaluator(retriever, workers=workers, show_progress=True)
    scores = await evaluator.aevaluate_dataset(dataset)
    synchronous = evaluator.evaluate_dataset(dataset)
    assert scores.means == synchronous.means
    assert scores.run == synchronous.run
    assert scores.run["second"] == ["b", "a", "c"]
    assert retriever.most_running == min(workers, len(RANKINGS))


def test_any_object_with_the_three_mappings_is_a_dataset(
    framework: Framework, retriever: Any, dataset: Any
) -> None:
    other = SimpleNamespace(queries=dataset.queries, corpus=CORPUS, relevant_docs=RELEVANT)
    evaluator = framework.evaluator(retriever)
    assert evaluator.evaluate_dataset(other).means == evaluator.evaluate_dataset(dataset).means


def test_a_metric_without_a_cutoff_has_the_retrievers(
    framework: Framework, retriever: Any, retriever_of_four: Any
) -> None:
    evaluator = framework.evaluator(retriever_of_four, ["mrr", "hit_rate@1"])
    assert evaluator.metrics == ("mrr@4", "hit_rate@1")
    with pytest.raises(UnknownMetricError, match="'mrr'; expected <name>@<k>"):
        framework.evaluator(retriever, ["mrr"])


def test_metrics_beyond_the_cutoff_of_the_retriever_are_named_in_a_warning(
    framework: Framework, retriever_of_four: Any
) -> None:
    with pytest.warns(UserWarning, match=r"mrr@10, ndcg@5: .* returns 4,") as caught:
        framework.evaluator(retriever_of_four, ["mrr@10", "recall@4", "ndcg@5"])
    assert [warning.filename for warning in caught] == [__file__]


async def test_a_retriever_that_finds_nothing_for_any_question_is_warned_of(
    framework: Framework, dataset: Any
) -> None:
    nothing = framework.listed_retriever({name: [] for name in RANKINGS})
    told = r"no document .* any of 4 questions, .* score is 0; .* same collection_name and persist_"
    with pytest.warns(EvaluationWarning, match=told) as caught:
        scores = framework.evaluator(nothing, ["mrr@3"]).evaluate_dataset(dataset)
    assert [warning.filename for warning in caught] == [__file__]
    assert scores.means == {"mrr@3": 0}
    with pytest.warns(EvaluationWarning, match=told):
        await framework.evaluator(nothing, ["mrr@3"]).aevaluate_dataset(dataset)


def test_bad_arguments_are_refused(framework: Framework, retriever: Any) -> None:
    with pytest.raises(UnknownMetricError, match="ndgc@10"):
        framework.evaluator(retriever, ["ndgc@10"])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        framework.evaluator(retriever, workers=0)


@pytest.mark.parametrize("kind", ["store", "function", "none"])
def test_an_object_that_is_no_retriever_is_refused(
    framework: Framework, base: Any, kind: str
) -> None:
    others: dict[str, Callable[[], Any]] = {
        "store": lambda: framework.stores.in_memory(CORPUS, base),
        "function": lambda: len,
        "none": lambda: None,
    }
    other = others[kind]()
    with pytest.raises(TypeError, match=rf"got {type(other).__name__}; .*as_retriever\("):
        framework.evaluator(other)


def test_a_store_scores_as_its_vectors_do(framework: Framework, base: Any) -> None:
    corpus = {f"d{i}": f"text {i}" for i in range(40)}
    queries = {f"q{i}": f"question {i}" for i in range(30)}
    relevant = {
        query: sorted({f"d{i % 40}", f"d{(7 * i) % 40}"}) for i, query in enumerate(queries)
    }
    retriever = framework.stores.retriever(framework.stores.in_memory(corpus, base), 10)
    dataset = framework.dataset(queries, corpus, relevant)
    scores = framework.evaluator(retriever).evaluate_dataset(dataset)
    keys = list(corpus)
    expected = evaluate_vectors(
        EmbeddedDataset(
            np.array([base.vector("query", text) for text in queries.values()], dtype=np.float32),
            np.array([base.vector("document", text) for text in corpus.values()], np.float32),
            tuple(np.unique([keys.index(key) for key in relevant[query]]) for query in queries),
        )
    )
    assert scores.means == pytest.approx(expected.means)


@pytest.mark.parametrize(
    ("expected", "score"),
    [
        ({"expected_ids": ["a"]}, 0.5),
        ({"expected_texts": [" text a "]}, 0.5),
        ({"expected_texts": ["text z"]}, 0.0),
        ({"expected_ids": ["b"], "expected_texts": ["text a"]}, 1.0),
    ],
    ids=["ids", "texts", "another text", "ids before texts"],
)
async def test_one_query_is_judged_by_ids_or_by_texts(
    framework: Framework, retriever: Any, expected: Any, score: float
) -> None:
    evaluator = framework.evaluator(retriever, ["mrr@3"])
    assert framework.scores(evaluator.evaluate("second", **expected)) == {"mrr@3": score}
    assert framework.scores(await evaluator.aevaluate("second", **expected)) == {"mrr@3": score}


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({}, "got none; pass expected_ids=.* or expected_texts="),
        ({"expected_ids": []}, "got none; pass expected_ids="),
        ({"expected_texts": "text a"}, r"a list of texts, got one string; write \['text a'\]"),
        ({"expected_ids": "a"}, "expected a list of document ids, got 'a'"),
    ],
)
def test_one_query_without_a_list_of_relevant_documents_is_refused(
    framework: Framework, retriever: Any, expected: Any, message: str
) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        framework.evaluator(retriever).evaluate("first", **expected)


def test_stored_vectors_score_as_their_retriever_does(framework: Framework, base: Any) -> None:
    corpus = {f"d{i}": f"text {i}" for i in range(30)}
    queries = {f"q{i}": f"question {i}" for i in range(20)}
    dataset = framework.dataset(queries, corpus, {q: [f"d{i}"] for i, q in enumerate(queries)})
    store = framework.stores.in_memory(corpus, base)
    stored = framework.evaluate_store(store, base, dataset, metrics=["mrr@10", "recall@3"])
    retriever = framework.stores.retriever(store, 10)
    retrieved = framework.evaluator(retriever, ["mrr@10", "recall@3"]).evaluate_dataset(dataset)
    assert stored.run == retrieved.run
    assert stored.means == retrieved.means


def test_stored_vectors_of_another_model_are_refused(
    framework: Framework, base: Any, dataset: Any
) -> None:
    other = framework.make_base(width=3)
    store = framework.stores.in_memory(CORPUS, base)
    with pytest.raises(DimensionMismatchError, match="document vectors: expected 3 dimensions"):
        framework.evaluate_store(store, other, dataset)


def test_a_store_without_the_relevant_documents_is_refused_before_anything_is_embedded(
    framework: Framework, base: Any, dataset: Any
) -> None:
    store = framework.stores.in_memory({"x1": "x", "x2": "y"}, base)
    other = framework.make_base(width=3)  # embedding a query would raise another error
    message = r"1 of 1 that are not in it, such as 'a', where .*'x1'; .*by their ids"
    with pytest.raises(InvalidDatasetError, match=message):
        framework.evaluate_store(store, other, dataset)


def test_relevant_documents_that_are_not_stored_are_named_in_a_warning(
    framework: Framework, base: Any
) -> None:
    dataset = framework.dataset(
        {"1": "one", "2": "two"}, {"a": "text a", "b": "text b"}, {"1": ["a"], "2": ["b"]}
    )
    store = framework.stores.in_memory({"a": "text a"}, base)
    with pytest.warns(UserWarning, match=r"1 of 2 that are not in it, such as 'b'") as caught:
        scores = framework.evaluate_store(store, base, dataset, metrics=["mrr@1"])
    assert caught[0].filename == __file__
    assert scores.per_query["mrr@1"].tolist() == [1, 0]
