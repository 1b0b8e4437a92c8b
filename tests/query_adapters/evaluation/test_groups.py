"""Tests of intervals and tests that group questions by document, simulated and by hand."""

from typing import Any

import numpy as np
import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation import Evaluation, bootstrap, significance
from query_adapters.evaluation.bootstrap import bootstrap_interval, bootstrap_intervals
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.groups import dataset_groups, group_sums, usable_groups
from query_adapters.evaluation.html_report import page_html
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.significance import detectable_effect, sign_flip_test
from query_adapters.evaluation.terminal_report import comparison_table, systems_table
from query_adapters.typing import Rows, Values

DOCUMENTS, SIMULATED = 60, 1_000


def alike(sizes: Rows, *, seed: int = 0) -> tuple[Values, Rows]:
    """Return differences `(n_queries, SIMULATED)` of mean 0, mostly determined by the document."""
    rng = np.random.default_rng(seed)
    groups = np.arange(len(sizes)).repeat(sizes)
    of_document = rng.normal(size=(len(sizes), SIMULATED))
    return of_document[groups] + 0.3 * rng.normal(size=(len(groups), SIMULATED)), groups


@pytest.mark.parametrize("kind", ["even", "uneven"])
def test_intervals_and_tests_of_groups_hold_where_those_of_questions_do_not(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1_999)
    monkeypatch.setattr(significance, "FLIPS", 999)
    uneven = np.random.default_rng(1).integers(1, 12, size=DOCUMENTS)
    values, groups = alike(np.full(DOCUMENTS, 5) if kind == "even" else uneven)
    held = [
        np.mean([i.low <= 0 <= i.high for i in bootstrap_intervals(values, groups=known)])
        for known in (None, groups)
    ]
    found = [
        np.mean(sign_flip_test(values[:, :, None], groups=known).two_sided <= 0.05)
        for known in (None, groups)
    ]
    assert held[0] < 0.75
    assert 0.91 <= held[1] <= 0.97
    assert found[0] > 0.25
    assert 0.03 <= found[1] <= 0.07


def test_copies_of_a_question_add_no_evidence() -> None:
    once = np.random.default_rng(2).normal(0.2, 1, size=(40, 2))
    groups = np.random.default_rng(3).permutation(np.arange(40).repeat(7)) * 10 - 50
    copied = once[(groups + 50) // 10]
    for alone, together in zip(
        bootstrap_intervals(once), bootstrap_intervals(copied, groups=groups), strict=True
    ):
        assert vars(together) == pytest.approx(vars(alone), abs=1e-12)
    flips = [sign_flip_test(once[:, :, None]), sign_flip_test(copied[:, :, None], groups=groups)]
    np.testing.assert_allclose(flips[0].two_sided, flips[1].two_sided)
    few, many = detectable_effect(once[:, 0]), detectable_effect(copied[:, 0], groups=groups)
    assert many == pytest.approx(few)


def test_a_group_for_each_question_is_no_group() -> None:
    values = np.random.default_rng(4).random((30, 3))
    single = np.arange(30)
    assert bootstrap_intervals(values, groups=single) == bootstrap_intervals(values)
    flips = sign_flip_test(values[:, :, None], groups=single)
    np.testing.assert_array_equal(flips.greater, sign_flip_test(values[:, :, None]).greater)


def test_one_group_is_one_observation() -> None:
    interval = bootstrap_interval(np.array([0.1, 0.5]), groups=np.zeros(2, np.int64))
    assert (interval.low, interval.mean, interval.high) == (0.3, 0.3, 0.3)
    sums, sizes = group_sums(np.array([1.0, 2.0, 4.0]), np.array([7, -1, 7]))
    assert (sums.tolist(), sizes.tolist()) == ([2.0, 5.0], [1.0, 2.0])


@pytest.mark.parametrize("test", [bootstrap_intervals, sign_flip_test])
def test_groups_of_other_questions_are_refused(test: Any) -> None:
    with pytest.raises(ValueError, match=r"groups: expected a number for each of 4 questions"):
        test(np.ones((4, 1, 1)), groups=np.arange(3))


def about(n_documents: int, n_questions: int) -> RetrievalDataset:
    return RetrievalDataset.from_relevant_docs(
        {f"q{i}": f"question {i}?" for i in range(n_questions)},
        {f"d{i}": f"document {i}" for i in range(n_documents)},
        {f"q{i}": [f"d{i % n_documents}"] for i in range(n_questions)},
    )


def test_a_dataset_has_groups_where_there_are_enough_and_none_is_too_large() -> None:
    groups = dataset_groups(about(25, 75))
    assert groups is not None
    np.testing.assert_array_equal(groups[:25], groups[50:])
    assert len(np.unique(groups)) == 25
    assert dataset_groups(about(19, 75)) is None
    assert dataset_groups(about(75, 75)) is None
    assert usable_groups(np.array([0] * 31 + [*range(1, 31)])) is None
    assert usable_groups(np.array([0] * 30 + [*range(1, 31)])) is not None


def evaluations(n: int) -> dict[str, Evaluation]:
    rng = np.random.default_rng(n)
    ids = tuple(f"q{i}" for i in range(n))
    return {
        name: Evaluation({"ndcg@10": rng.random(25)[np.arange(n) % 25]}, query_ids=ids)
        for name in ("base", "adapted")
    }


def test_systems_are_compared_by_the_groups_of_their_dataset_and_the_reports_say_so() -> None:
    pair, data = evaluations(100), about(25, 100)
    slices = {"half": {f"q{i}": "few" if i % 25 < 5 else "many" for i in range(100)}}
    plain = compare_systems(pair, baseline="base")
    comparison = compare_systems(pair, baseline="base", dataset=data, slices=slices)
    by_hand = compare(pair["base"], pair["adapted"], groups=dataset_groups(data))["ndcg@10"]
    against = comparison.scores["ndcg@10"]["adapted"].against
    apart = plain.scores["ndcg@10"]["adapted"].against
    assert against is not None
    assert apart is not None
    assert against.difference == by_hand.difference
    assert against.difference.low < apart.difference.low
    assert against.detectable > 1.5 * apart.detectable
    assert against.p_value > apart.p_value
    assert (comparison.n_groups, by_hand.n_groups, plain.n_groups) == (25, 25, None)
    assert [p["n_groups"] for p in comparison.to_dict()["parts"]] == [25, None, 20]
    told = "drawn as 25 groups, each about the same documents"
    assert told in page_html(comparison)
    assert "drawn as" not in page_html(plain)
    assert told in str(systems_table(comparison).caption)
    assert told in str(comparison_table({"ndcg@10": by_hand}).caption)
    assert systems_table(plain).caption == "brackets: 95 % intervals"


def test_groups_that_are_given_count_whatever_the_dataset() -> None:
    pair, data = evaluations(100), about(25, 100)
    single = compare_systems(pair, baseline="base", dataset=data, groups=np.arange(100))
    assert single.scores == compare_systems(pair, baseline="base").scores
    assert single.n_groups == 100
    few = compare_systems(pair, baseline="base", groups=np.arange(100) % 5)
    assert few.n_groups == 5


def test_a_dataset_of_other_questions_gives_no_groups() -> None:
    comparison = compare_systems(evaluations(100), baseline="base", dataset=about(25, 99))
    assert comparison.n_groups is None
