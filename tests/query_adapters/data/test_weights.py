"""Tests of weights of questions in datasets: what is refused, kept, written and said."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from query_adapters.data.dataset import RetrievalDataset, to_indexed_dataset
from query_adapters.data.formats import read_beir, write_beir, write_llama_index_json
from query_adapters.data.splits import counted_questions, split_by_query
from query_adapters.data.weights import (
    check_unweighted,
    effective_number,
    query_weights,
    relative_weights,
)
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from query_adapters.evaluation import Evaluation, evaluate_run
from query_adapters.evaluation.bootstrap import bootstrap_intervals
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.pairwise import compare

QUERIES = {f"q{n}": f"question {n}" for n in range(4)}
CORPUS = {"d": "four miles", "e": "an hour"}
QRELS = {query: {"d": 1.0} for query in QUERIES}


def dataset(**weights: float) -> RetrievalDataset:
    return RetrievalDataset(QUERIES, CORPUS, QRELS, weights)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "2", None])
def test_weights_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(InvalidDatasetError, match="1 weights: 'q1: "):
        dataset(q1=weight)


def test_only_zeros_and_unknown_questions_are_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="all 4 are 0"):
        dataset(**dict.fromkeys(QUERIES, 0.0))
    with pytest.raises(InvalidDatasetError, match="unknown questions: 'q9'"):
        dataset(q9=1.0)


def test_equal_weights_are_none_and_missing_ones_are_1() -> None:
    assert dataset(**dict.fromkeys(QUERIES, 3.0)) == dataset()
    assert query_weights(dataset(q1=3.0)).tolist() == [1, 3, 1, 1]
    assert relative_weights([0.1, 0.1, 0.1], 3).tolist() == [1, 1, 1]
    assert relative_weights([1, 3], 2).tolist() == [0.5, 1.5]
    assert effective_number(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)


def test_they_stay_with_their_questions() -> None:
    known = dataset(q1=3.0, q2=0.0)
    assert dict(known.select(["q1", "q0"]).weights) == {"q1": 3.0, "q0": 1.0}
    assert copy.deepcopy(known) == known
    assert to_indexed_dataset(known).weights == known.weights
    assert list(counted_questions(known).queries) == ["q0", "q1", "q3"]
    parts = split_by_query(dataset(q0=2.0, q1=3.0, q2=4.0, q3=5.0), held_out=0.5)
    assert {**parts[0].weights, **parts[1].weights} == {"q0": 2, "q1": 3, "q2": 4, "q3": 5}


def test_a_beir_folder_keeps_them_and_other_files_say_that_they_do_not(tmp_path: Path) -> None:
    known = dataset(q1=3.0, q2=0.5)
    write_beir(known, tmp_path)
    assert read_beir(tmp_path) == known
    other = RetrievalDataset({"q7": "question 7"}, CORPUS, {"q7": {"e": 1.0}})
    write_beir(other, tmp_path, split="test")
    assert read_beir(tmp_path).weights == known.weights
    rows = (tmp_path / "queries.jsonl").read_text("utf-8").splitlines()
    assert "metadata" not in json.loads(rows[-1])
    with pytest.warns(DatasetWarning, match="no weights"):
        write_llama_index_json(known, tmp_path / "qa.json")


def test_what_does_not_use_them_refuses_them() -> None:
    assert check_unweighted(dataset(), "x") == dataset()
    with pytest.raises(InvalidDatasetError, match="upgrade: expected questions that count alike"):
        check_unweighted(dataset(q1=2.0), "upgrade")


RUN, OTHER = {"q0": ["d"], "q1": ["e", "d"], "q2": [], "q3": ["d"]}, {"q1": ["d"], "q2": ["d"]}


def evaluated(run: dict[str, list[str]], **weights: float) -> Evaluation:
    return evaluate_run(run, QRELS, metrics=["mrr@10"], weights=dataset(**weights).weights)


def test_means_and_differences_are_weighted() -> None:
    own, other = (evaluated(run, q1=4.0, q2=0.0) for run in (RUN, OTHER))
    assert own.means == {"mrr@10": pytest.approx((1 + 4 / 2 + 1) / 6)}
    assert "(4 queries, weighted, as many as 2 that count alike)" in str(own)
    found = compare(own, other)["mrr@10"]
    assert found.difference.mean == pytest.approx((4 - 4) / 6)
    assert (found.wins, found.ties, found.losses) == (2, 0, 2)
    scores = compare_systems({"own": own, "other": other}, baseline="own")
    assert scores.scores["mrr@10"]["other"].mean.mean == pytest.approx(4 / 6)
    assert scores.about["questions are"] == own.said_weights


def test_whole_weights_resample_like_groups_of_equal_questions() -> None:
    rng = np.random.default_rng(0)
    values, times = rng.normal(size=(60, 1)), rng.integers(1, 5, size=60)
    groups = np.repeat(np.arange(60), times)
    (one,) = bootstrap_intervals(values, weights=times.astype(float))
    (other,) = bootstrap_intervals(np.repeat(values, times, axis=0), groups=groups)
    assert (one.mean, one.low, one.high) == pytest.approx((other.mean, other.low, other.high))


@pytest.mark.parametrize("weights", [dict.fromkeys(QRELS, 0.0), {"q1": -1.0}])
def test_weights_of_a_run_are_checked(weights: dict[str, float]) -> None:
    run = {query: ["d"] for query in QUERIES}
    with pytest.raises(InvalidDatasetError, match="weights"):
        evaluate_run(run, QRELS, weights=weights)
