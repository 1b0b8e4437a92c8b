"""Tests of comparing systems: values computed by hand, slices, rank changes and errors."""

import json
from typing import Any

import numpy as np
import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation import Evaluation, evaluate_run
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.comparison import Comparison, compare_systems
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.slices import seen_documents

DATASET = RetrievalDataset.from_relevant_docs(
    {"q1": "first?", "q2": "second?", "q3": "third?", "q4": "fourth?"},
    {"a": "text a", "b": "text b", "c": "text c"},
    {"q1": ["a"], "q2": ["a"], "q3": ["b"], "q4": ["c", "b"]},
)
RUNS = {
    "base": {"q1": ["b", "a"], "q2": ["a", "b"], "q3": ["c", "a"], "q4": ["c", "b", "a"]},
    "adapted": {"q1": ["a", "b"], "q2": ["b", "a"], "q3": ["b"], "q4": ["c", "b", "a"]},
    "other": {"q1": ["b", "a"], "q2": ["a", "b"], "q3": ["c", "a"], "q4": ["c", "b"]},
}
EVALUATIONS = {
    name: evaluate_run(run, DATASET.qrels, metrics=["hit_rate@1", "mrr@10"])
    for name, run in RUNS.items()
}


def compared(**options: Any) -> Comparison:
    return compare_systems(EVALUATIONS, baseline="base", dataset=DATASET, **options)


def near(expected: Interval) -> Any:
    return pytest.approx(vars(expected), abs=1e-12)


def random_evaluations(n: int, names: str = "abc") -> dict[str, Evaluation]:
    rng = np.random.default_rng(n)
    ids = tuple(f"q{i}" for i in range(n))
    return {
        name: Evaluation({"ndcg@10": rng.random(n), "mrr@10": rng.random(n)}, query_ids=ids)
        for name in names
    }


def test_means_wins_and_differences_by_hand() -> None:
    comparison = compared()
    assert comparison.metrics == ("hit_rate@1", "mrr@10")
    assert comparison.others == ("adapted", "other")
    assert comparison.n_queries == 4
    scores = comparison.scores["mrr@10"]
    assert scores["base"].mean.mean == pytest.approx((1 / 2 + 1 + 0 + 1) / 4)
    assert scores["base"].against is None
    adapted, other = scores["adapted"].against, scores["other"].against
    assert adapted is not None
    assert other is not None
    assert (adapted.wins, adapted.ties, adapted.losses) == (2, 1, 1)
    assert adapted.difference.mean == pytest.approx((1 / 2 - 1 / 2 + 1 + 0) / 4)
    assert (other.wins, other.ties, other.losses, other.p_value) == (0, 4, 0, 1.0)
    assert other.effect_size is None


def test_two_systems_have_the_figures_of_compare() -> None:
    pair = random_evaluations(50, "ab")
    scores = compare_systems(pair, baseline="a").scores
    for metric, expected in compare(pair["a"], pair["b"]).items():
        against = scores[metric]["b"].against
        assert against is not None
        assert vars(scores[metric]["a"].mean) == near(expected.base)
        assert vars(scores[metric]["b"].mean) == near(expected.adapted)
        assert vars(against.difference) == near(expected.difference)
        assert (against.wins, against.losses) == (expected.wins, expected.losses)
        assert against.p_adjusted == against.p_value


def test_the_baseline_is_named_not_the_first() -> None:
    evaluations = random_evaluations(30)
    forward = compare_systems(evaluations, baseline="a").scores["ndcg@10"]["c"].against
    backward = compare_systems(evaluations, baseline="c").scores["ndcg@10"]["a"].against
    assert forward is not None
    assert backward is not None
    assert forward.difference.mean == pytest.approx(-backward.difference.mean)
    assert forward.p_value == backward.p_value


def test_a_slice_is_a_comparison_of_its_questions_alone() -> None:
    evaluations = random_evaluations(40)
    labels = {f"q{i}": "even" if i % 2 == 0 else "odd" for i in range(39)}
    with pytest.warns(UserWarning, match="'parity': expected a label for each question"):
        comparison = compare_systems(evaluations, baseline="a", slices={"parity": labels})
    assert {n: s.n_queries for n, s in comparison.slices["parity"].items()} == {
        "even": 20,
        "odd": 19,
    }
    even = {
        name: Evaluation({m: v[::2] for m, v in evaluation.per_query.items()})
        for name, evaluation in evaluations.items()
    }
    alone = compare_systems(even, baseline="a")
    part = comparison.slices["parity"]["even"].scores["mrr@10"]["c"].against
    expected = alone.scores["mrr@10"]["c"].against
    assert part is not None
    assert expected is not None
    assert vars(part.difference) == near(expected.difference)
    assert (part.wins, part.p_adjusted) == (expected.wins, expected.p_adjusted)


def test_a_document_is_seen_if_it_answers_a_training_question() -> None:
    training = RetrievalDataset.from_relevant_docs({"t": "?"}, DATASET.corpus, {"t": ["b"]})
    assert seen_documents(DATASET, training) == {
        "q1": "unseen",
        "q2": "unseen",
        "q3": "seen",
        "q4": "seen",
    }


def test_gains_and_regressions_come_with_texts_and_ranks() -> None:
    comparison = compared()
    best, second = comparison.gains("adapted")
    assert (best.query_id, best.query, best.gain) == ("q3", "third?", 1.0)
    assert (best.rank_before, best.rank_after) == (None, 1)
    assert best.relevant == {"b": "text b"}
    assert best.found_before == ("c", "a")
    assert best.found_after == ("b",)
    assert (second.query_id, second.rank_before, second.rank_after) == ("q1", 2, 1)
    (worst,) = comparison.regressions("adapted", metric="hit_rate@1")
    assert (worst.query_id, worst.before, worst.after, worst.rank_after) == ("q2", 1.0, 0.0, 2)
    assert len(comparison.gains("adapted", n=1)) == 1
    assert comparison.gains("other") == []


def test_without_texts_and_ids_changes_still_name_the_row() -> None:
    base, adapted = (Evaluation({"mrr@3": np.array(v)}) for v in ([0.0, 1.0], [0.5, 1.0]))
    comparison = compare_systems({"base": base, "adapted": adapted}, baseline="base")
    (change,) = comparison.gains("adapted")
    assert (change.query_id, change.query, change.after) == ("0", "", 0.5)
    assert (change.rank_before, change.rank_after, change.relevant) == (None, None, {})


def test_json_and_the_table_hold_every_figure() -> None:
    labels = {"q1": "easy", "q2": "easy", "q3": "hard"}
    with pytest.warns(UserWarning, match="none for 1 of 4, such as 'q4'"):
        comparison = compared(slices={"kind": labels})
    parts = json.loads(comparison.to_json())["parts"]
    assert [(p["slice"], p["label"], p["n_queries"]) for p in parts] == [
        ("all", "all", 4),
        ("kind", "easy", 2),
        ("kind", "hard", 1),
    ]
    table = comparison.to_pandas()
    assert len(table) == 3 * 2 * 3
    row = table.query("slice == 'all' and metric == 'mrr@10' and system == 'adapted'").iloc[0]
    against = parts[0]["scores"]["mrr@10"]["adapted"]["against"]
    assert row["difference_low"] == against["difference"]["low"]
    assert row["p_adjusted"] == against["p_adjusted"]
    assert row["wins"] == against["wins"] == 2


def test_a_notebook_shows_the_table_with_names_escaped() -> None:
    evaluations = {"<b>base</b>": EVALUATIONS["base"], "adapted": EVALUATIONS["adapted"]}
    shown = compare_systems(evaluations, baseline="<b>base</b>")._repr_html_()
    assert "<b>" not in shown
    assert "brackets: 95 % intervals" in shown
    assert "&lt;b&gt;base&lt;/b&gt;" in shown
    assert shown.count("<tr>") == 1 + 2 * 2


@pytest.mark.parametrize(
    ("evaluations", "options", "message"),
    [
        ({"base": EVALUATIONS["base"]}, {}, "at least two systems"),
        ({"a": EVALUATIONS["base"], "b": EVALUATIONS["base"]}, {}, "'base' among them"),
        ({"base": EVALUATIONS["base"], "b": Evaluation({"map@3": np.ones(4)})}, {}, "same quest"),
        (
            {"base": Evaluation({"map@3": np.ones(4)}), "b": Evaluation({"map@3": np.ones(3)})},
            {},
            r"same questions, got \[3, 4\]",
        ),
        (
            {"base": Evaluation({"map@3": np.ones(4)}), "b": Evaluation({"map@5": np.ones(4)})},
            {},
            "none in common",
        ),
        (EVALUATIONS, {"slices": {"kind": {"unknown": "x"}}}, "slice 'kind'.*none.*4 ids"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    evaluations: dict[str, Evaluation], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compare_systems(evaluations, baseline="base", **options)


def test_a_comparison_tells_what_it_is_of() -> None:
    about = compared(about={"embedding_model": "m", "date": "long ago"}, seed=3).to_dict()["about"]
    assert about.pop("version").startswith("llama-index-finetune-plugin")
    assert about == {
        "embedding_model": "m",
        "date": "long ago",
        "questions": 4,
        "documents": 3,
        "seed": 3,
    }
    assert "documents" not in compare_systems(EVALUATIONS, baseline="base").about


def test_a_checkout_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("query_adapters._version.DISTRIBUTION", "no-such-distribution")
    assert str(compared().about["version"]).endswith(" unknown")


def test_questions_that_a_slice_leaves_out_are_told() -> None:
    labels = {"q1": "easy", "q2": "easy", "Q3": "hard", "Q4": "hard"}
    told = r"'kind': .* none for 2 of 4, such as 'q3', .*; 2 labels are of other ids, such as 'Q3'"
    with pytest.warns(UserWarning, match=told) as caught:
        compare_systems(EVALUATIONS, baseline="base", slices={"kind": labels})
    assert [warning.filename for warning in caught] == [__file__]
    compared(slices={"kind": dict.fromkeys(["q1", "q2", "q3", "q4", "q5"], "all of them")})


def test_it_prints_in_a_line_a_system() -> None:
    comparison = compare_systems(random_evaluations(2_000), baseline="a")
    told = str(comparison).splitlines()
    assert len(told) == 4
    assert told[0] == f"a: {comparison.evaluations['a']}"
    score = comparison.scores["ndcg@10"]["b"]
    assert score.against is not None
    gain = score.against.difference
    assert told[1].startswith(
        f"b: ndcg@10 {score.mean.mean:.3f} ({gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], "
    )
    assert told[3] == "(difference from a [95 % interval], p adjusted for the number of systems)"
    assert repr(comparison) == "Comparison(b, c against a: ndcg@10, mrr@10; 2000 queries)"


def test_a_system_that_is_identical_to_the_baseline_is_named_so() -> None:
    base, better = (Evaluation({"mrr@3": np.array(v)}) for v in ([0.0, 1.0], [0.5, 1.0]))
    same = compare_systems({"base": base, "adapted": base}, baseline="base")
    assert str(same).splitlines() == [
        f"base: {base}",
        "adapted: identical to base on every question",
    ]
    both = compare_systems({"base": base, "same": base, "better": better}, baseline="base")
    _, identical, other, legend = str(both).splitlines()
    assert identical == "same: identical to base on every question"
    assert other.startswith("better: mrr@3 0.750 (+0.250 [")
    assert legend.startswith("(difference from base [95 % interval], p")


def test_equal_means_of_different_values_are_not_identical() -> None:
    base, swapped = (Evaluation({"mrr@3": np.array(v)}) for v in ([0.0, 1.0], [1.0, 0.0]))
    text = str(compare_systems({"base": base, "adapted": swapped}, baseline="base"))
    assert "adapted: mrr@3 0.500 (+0.000 [" in text
    assert text.endswith("\n(difference from base [95 % interval], p)")
