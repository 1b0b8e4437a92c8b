"""Test every metric against trec_eval on random runs and against values computed by hand."""

from math import log2

import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import InvalidDatasetError, UnknownMetricError
from query_adapters.evaluation import METRICS, Metric, evaluate_run

Scored = dict[str, dict[str, float]]
Grades = dict[str, dict[str, int]]

CUTS = (1, 2, 3, 5, 10, 100)
TREC_NAMES = {
    "hit_rate": "success",
    "recall": "recall",
    "precision": "P",
    "map": "map_cut",
    "ndcg": "ndcg_cut",
}
UNCUT_TREC_NAMES = {"mrr": "recip_rank", "r_precision": "Rprec"}
EVERY_METRIC = [f"{name}@{k}" for name in METRICS for k in CUTS]

documents = st.sampled_from([f"d{number:02}" for number in range(12)])
graded = st.dictionaries(documents, st.integers(0, 3), min_size=1).filter(
    lambda grades: max(grades.values()) > 0
)
judgements = st.dictionaries(st.sampled_from(["q1", "q2", "q3"]), graded, min_size=1)
few_scores = st.sampled_from([0.0, 0.5, 1.0, 2.0])  # few values, so that ties are common
scored_runs = st.dictionaries(
    st.sampled_from(["q1", "q2", "q3", "q4"]), st.dictionaries(documents, few_scores)
)


def as_trec_orders(scores: dict[str, float]) -> list[str]:
    """Return the ids by decreasing score, with ties by decreasing id."""
    return sorted(scores, key=lambda document: (scores[document], document), reverse=True)


def trec_eval(run: Scored, qrels: Grades) -> dict[str, list[float]]:
    """Return trec_eval's values of each metric and cutoff, 0 for questions without results."""
    cuts = ",".join(map(str, CUTS))
    evaluator = pytrec_eval.RelevanceEvaluator(
        qrels, {f"{name}.{cuts}" for name in TREC_NAMES.values()}
    )
    found = evaluator.evaluate({q: run[q] for q in qrels if run.get(q)})
    values = {
        f"{ours}@{k}": [found.get(q, {}).get(f"{theirs}_{k}", 0.0) for q in qrels]
        for ours, theirs in TREC_NAMES.items()
        for k in CUTS
    }
    return values | {
        f"{ours}@{k}": on_cut_runs(run, qrels, theirs, k)
        for ours, theirs in UNCUT_TREC_NAMES.items()
        for k in CUTS
    }


def on_cut_runs(run: Scored, qrels: Grades, name: str, k: int) -> list[float]:
    """Return trec_eval's values on truncated runs, for metrics without a cutoff in trec_eval."""
    cut = {q: {d: run[q][d] for d in as_trec_orders(run[q])[:k]} for q in qrels if run.get(q)}
    found = pytrec_eval.RelevanceEvaluator(qrels, {name}).evaluate(cut)
    return [found.get(q, {}).get(name, 0.0) for q in qrels]


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(run=scored_runs, qrels=judgements)
def test_every_metric_is_what_trec_eval_says(run: Scored, qrels: Grades) -> None:
    ranked = {query: as_trec_orders(scores) for query, scores in run.items()}
    ours = evaluate_run(ranked, qrels, metrics=EVERY_METRIC).per_query
    for name, expected in trec_eval(run, qrels).items():
        assert ours[name] == pytest.approx(expected, abs=1e-9), name


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(ranking=st.lists(documents, max_size=30), grades=graded)
def test_a_repeated_id_counts_once_at_its_first_place(
    ranking: list[str], grades: dict[str, int]
) -> None:
    once = [d for place, d in enumerate(ranking) if d not in ranking[:place]]
    scores = {document: float(-place) for place, document in enumerate(once)}
    ours = evaluate_run({"q": ranking}, {"q": grades}, metrics=EVERY_METRIC).per_query
    for name, expected in trec_eval({"q": scores}, {"q": grades}).items():
        assert ours[name] == pytest.approx(expected, abs=1e-9), name
        assert 0 <= ours[name][0] <= 1, name


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("hit_rate@1", 0.0),
        ("hit_rate@2", 1.0),
        ("recall@1", 0.0),
        ("recall@4", 2 / 3),
        ("precision@2", 1 / 2),
        ("precision@4", 2 / 4),
        ("precision@10", 2 / 10),
        ("r_precision@2", 1 / 3),
        ("r_precision@3", 1 / 3),
        ("r_precision@10", 1 / 3),
        ("mrr@1", 0.0),
        ("mrr@10", 1 / 2),
        ("map@3", (1 / 2) / 3),
        ("map@10", (1 / 2 + 2 / 4) / 3),
        ("ndcg@2", (1 / log2(3)) / (3 + 1 / log2(3))),
        ("ndcg@10", (1 / log2(3) + 3 / log2(5)) / (3 + 1 / log2(3) + 1 / log2(4))),
    ],
)
def test_values_by_hand(metric: str, expected: float) -> None:
    run = {"q": ["wrong", "good", "wrong too", "best"]}
    qrels = {"q": {"good": 1, "best": 3, "not found": 1}}
    value = evaluate_run(run, qrels, metrics=[metric]).per_query[metric]
    assert value.tolist() == pytest.approx([expected])


def test_two_correct_of_the_first_two_is_a_perfect_ndcg_at_2_however_many_are_relevant() -> None:
    qrels = {"q": dict.fromkeys("abcde", 1)}
    assert evaluate_run({"q": ["c", "e", "x"]}, qrels, metrics=["ndcg@2"]).means == {"ndcg@2": 1.0}


@settings(max_examples=100, deadline=None)
@given(grades=st.dictionaries(documents, st.integers(1, 9), min_size=1))
def test_the_best_ranking_has_an_ndcg_of_exactly_1_at_every_cut(grades: dict[str, int]) -> None:
    best = sorted(grades, key=lambda document: -grades[document])
    names = [f"ndcg@{k}" for k in CUTS]
    assert set(evaluate_run({"q": best}, {"q": grades}, metrics=names).means.values()) == {1.0}


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(runs=st.lists(st.lists(documents, unique=True), min_size=2, max_size=9), grades=graded)
def test_no_bit_of_a_score_depends_on_other_questions_or_on_wrong_documents_at_the_end(
    runs: list[list[str]], grades: dict[str, int]
) -> None:
    run = {str(number): ranking for number, ranking in enumerate(runs)}
    together = evaluate_run(run, dict.fromkeys(run, grades), metrics=EVERY_METRIC).per_query
    alone = evaluate_run({"q": [*runs[1], "x", "y"]}, {"q": grades}, metrics=EVERY_METRIC).per_query
    assert {m: v[1] for m, v in together.items()} == {m: v[0] for m, v in alone.items()}


@pytest.mark.parametrize("name", METRICS)
def test_repeating_the_one_correct_document_gains_nothing(name: str) -> None:
    once, often = (
        evaluate_run({"q": run}, {"q": {"a": 1}}, metrics=[f"{name}@3"]).means
        for run in (["a"], ["a", "a", "a"])
    )
    assert often == once


@pytest.mark.parametrize("name", METRICS)
def test_a_question_missing_from_the_run_scores_0_and_still_counts(name: str) -> None:
    result = evaluate_run(
        {"found": ["a"]}, {"lost": {"a": 1}, "found": {"a": 1}}, metrics=[f"{name}@1"]
    )
    assert result.per_query[f"{name}@1"].tolist() == [0.0, 1.0]
    assert result.query_ids == ("lost", "found")


def test_a_question_that_nobody_judged_does_not_count() -> None:
    result = evaluate_run({"q": ["a"], "unjudged": ["b"]}, {"q": {"a": 1}}, metrics=["recall@1"])
    assert result.per_query["recall@1"].tolist() == [1.0]


@pytest.mark.parametrize("grades", [{}, {"a": 0}])
def test_a_question_without_a_relevant_document_is_refused(grades: dict[str, int]) -> None:
    with pytest.raises(InvalidDatasetError, match=r"'odd'.*at least one relevant"):
        evaluate_run({"odd": ["a"]}, {"odd": grades})


@pytest.mark.parametrize("text", ["ndcg", "ndcg@ten", "accuracy@10", "accuracy@0", "@10", ""])
def test_an_unknown_metric_is_refused_with_the_names_that_are_known(text: str) -> None:
    with pytest.raises(UnknownMetricError) as refused:
        Metric.parse(text)
    assert repr(text) in str(refused.value)
    assert all(name in str(refused.value) for name in METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_parsing_and_writing_a_metric_are_inverse(name: str) -> None:
    assert Metric.parse(f"{name}@12") == Metric(name, 12)
    assert str(Metric(name, 12)) == f"{name}@12"


@pytest.mark.parametrize(("name", "k"), [("ndcg@0", "0"), ("mrr@-3", "-3")])
def test_a_cutoff_below_1_is_called_so(name: str, k: str) -> None:
    with pytest.raises(UnknownMetricError, match=rf"'{name}': expected a cut-off from 1, got {k}$"):
        Metric.parse(name)
    with pytest.raises(UnknownMetricError, match="unknown metric 'ndgc@0'"):
        Metric.parse("ndgc@0")


def test_a_single_name_is_no_list_of_letters() -> None:
    scores = evaluate_run({"q": ["a"]}, {"q": {"a": 1.0}}, metrics="mrr@3")
    assert scores.means == {"mrr@3": 1.0}
