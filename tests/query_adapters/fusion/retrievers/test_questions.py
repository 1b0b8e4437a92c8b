"""Tests of training questions with the results of retrievers."""

from dataclasses import replace

import numpy as np
import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import EvaluationWarning, InvalidDatasetError
from query_adapters.evaluation.evaluate import evaluate_run
from query_adapters.fusion.retrievers import RetrievedList
from query_adapters.fusion.retrievers.questions import AskedQuestions
from tests.query_adapters.fusion.retrievers.planted import dataset_of, planted


def small() -> AskedQuestions:
    """Return two questions, of which the second has no result of the second retriever."""
    dataset = RetrievalDataset(
        {"q1": "one", "q2": "two"},
        dict.fromkeys("abcx", "text"),
        {"q1": {"c": 1.0, "x": 2.0}, "q2": {"b": 1.0}},
    )
    lists = [
        [RetrievedList("ab", [3, 1]), RetrievedList("ab", [2, 0])],
        [RetrievedList("ca", [8, 4]), RetrievedList([])],
    ]
    return AskedQuestions(dataset=dataset, names=("dense", "words"), lists=lists)


def test_a_pool_is_the_union_with_the_values_of_each_retriever() -> None:
    asked = small()
    judged = asked.pools(asked.scales())
    a, b, c, x = (asked._row_of[key] for key in "abcx")
    assert judged.pools.rows.tolist() == [[a, b, c], [a, b, -1]]
    assert judged.pools.similarities.tolist() == [[1, 0, 0], [1, 0, 0]]
    assert judged.pools.features[..., 0].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert judged.targets.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert [rows.tolist() for rows in asked.relevant] == [[c, x], [b]]
    assert [grades.tolist() for grades in asked.grades] == [[1, 2], [1]]


def test_the_score_of_one_retriever_is_what_evaluation_says() -> None:
    asked = planted(30)
    for place, lists in enumerate(asked.lists):
        run = dict(zip(asked.dataset.queries, (found.ids for found in lists), strict=True))
        expected = evaluate_run(run, asked.dataset.qrels, metrics=["ndcg@10"])
        own = asked.scores(place, metric="ndcg@10")[0]
        np.testing.assert_allclose(own, expected.per_query["ndcg@10"])


def test_a_relevant_document_that_nobody_finds_counts_as_missing() -> None:
    assert small().scores(1, metric="recall@5")[0].tolist() == [0.5, 0]


def test_a_retriever_without_any_result_is_refused() -> None:
    dataset = dataset_of(["a", "b"], "ab")
    lists = [[RetrievedList("a")] * 2, [RetrievedList([])] * 2]
    with pytest.raises(InvalidDatasetError, match=r"words: .* got none for any of 2"):
        AskedQuestions(dataset=dataset, names=("dense", "words"), lists=lists)


def test_results_without_any_relevant_document_are_refused() -> None:
    dataset = dataset_of(["a", "b"], "ab")
    lists = [[RetrievedList(["node-1"])] * 2, [RetrievedList(["node-2"])] * 2]
    with pytest.raises(InvalidDatasetError, match=r"none of 2: .*'node-1' .* and 'a' is relevant"):
        AskedQuestions(dataset=dataset, names=("dense", "words"), lists=lists)


def test_a_base_that_returns_too_few_documents_is_warned_about() -> None:
    asked = planted(30)
    few = [RetrievedList(found.ids[:2]) for found in asked.lists[0]]
    short = replace(asked, lists=[few, *asked.lists[1:]])
    with pytest.warns(EvaluationWarning, match=r"ndcg@10: expected 10 documents of dense, got at"):
        short.warn_if_short("ndcg@10")
    short.warn_if_short("ndcg@2")
    asked.warn_if_short("ndcg@10")
    small().warn_if_short("ndcg@2")


def test_no_document_is_missing_if_the_base_returns_all() -> None:
    lists = [[RetrievedList("ab")] * 2, [RetrievedList("b")] * 2]
    asked = AskedQuestions(dataset=dataset_of("ab", "ab"), names=("dense", "words"), lists=lists)
    asked.warn_if_short("ndcg@10")
