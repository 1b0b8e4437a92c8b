"""Tests of the gain of selection: the best of many is not believed, and no question chooses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.training.candidates import Candidate, OutOfFoldTable
from query_adapters.training.cross_fitting import N_SPLITS, cross_fitted_gains
from query_adapters.training.decision import QuestionGroups, select_candidate
from query_adapters.training.folds import View
from query_adapters.typing import Rows, Values
from tests.query_adapters.training.test_candidates import table_of

VIEWS = {"seen": 0.5, "unseen": 0.5}


def test_the_best_of_many_candidates_without_a_gain_gains_nothing() -> None:
    naive, cross_fitted = [], []
    for seed in range(30):
        own = np.random.default_rng(seed).normal(0, 0.3, size=(40, 2, 100))
        table = table_of(own, VIEWS)
        best = table.best()
        assert best is not None
        naive.append(table.rows[best].overall.mean)
        cross_fitted.append(cross_fitted_gains(table, np.arange(100), seed=seed)[:, 0].mean())
    assert min(naive) > 0.01
    error = np.std(cross_fitted, ddof=1) / np.sqrt(30)
    assert np.mean(naive) > 0.03
    assert abs(np.mean(cross_fitted)) < 3 * error < 0.015


def test_a_candidate_that_is_the_best_on_any_questions_keeps_its_own_gains() -> None:
    own = np.random.default_rng(0).normal(0, 0.1, size=(12, 2, 60))
    own[7] += 1
    table = table_of(own, VIEWS)
    gains = cross_fitted_gains(table, np.arange(60), seed=0)
    assert gains.shape == (2, 2, 60)
    np.testing.assert_allclose(gains, table.gains[7], atol=1e-12)


def test_controls_are_those_of_the_candidate_that_was_chosen() -> None:
    rng = np.random.default_rng(1)
    table = table_of(rng.normal(0.02, 0.3, size=(5, 1, 40)), {"seen": 1.0})
    table.gains[:, :, 1] = 2 * table.gains[:, :, 0]
    own, controls = cross_fitted_gains(table, np.arange(40), seed=3)[0]
    assert own.any()
    np.testing.assert_allclose(controls, 2 * own)


def test_where_nothing_gains_the_base_is_chosen() -> None:
    table = table_of(np.full((3, 2, 30), -0.1), VIEWS)
    assert not cross_fitted_gains(table, np.arange(30), seed=0).any()


def test_a_single_group_leaves_nothing_to_choose_on() -> None:
    table = table_of(np.full((3, 2, 30), 0.1), VIEWS)
    assert not cross_fitted_gains(table, np.zeros(30, np.int64), seed=0).any()


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Rows, Values]:
    """Draw groups of questions, and gains above 0 of four candidates on them."""
    n, n_groups, seed = draw(st.integers(4, 40)), draw(st.integers(2, 15)), draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=n)
    groups[:2] = 0, 1
    return groups, rng.uniform(0.1, 1, size=(4, 1, n))


@settings(max_examples=50, deadline=None)
@given(drawn=grouped(), seed=st.integers(0, 99), member=st.integers(0, 39))
def test_no_group_takes_part_in_the_choice_that_it_measures(
    drawn: tuple[Rows, Values], seed: int, member: int
) -> None:
    """The share of splits that choose a candidate does not depend on its gain in the group."""
    groups, own = drawn
    of_group = groups == groups[member % len(groups)]
    shares = []
    for favourite in range(4):
        favoured = own.copy()
        favoured[:, :, of_group] = 0
        favoured[favourite, :, of_group] = 1_000
        found = cross_fitted_gains(table_of(favoured, {"seen": 1.0}), groups, seed=seed)
        share = np.unique(found[0, 0, of_group] / 1_000)
        assert len(share) == 1  # the group is measured as a whole
        shares.append(share[0])
    assert sum(shares) == pytest.approx(1)
    np.testing.assert_allclose(np.array(shares) * N_SPLITS % 1, 0, atol=1e-9)


def test_the_seed_decides_the_splits() -> None:
    own = np.random.default_rng(0).normal(0, 0.3, size=(20, 2, 50))
    first, again, other = (
        cross_fitted_gains(table_of(own, VIEWS), np.arange(50), seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_veto_holds_in_every_choice() -> None:
    own = np.random.default_rng(0).normal(0, 0.01, size=(2, 2, 50))
    own[0] += 0.1
    own[1] += np.array([[0.9], [-0.1]])
    table = table_of(own, VIEWS)
    np.testing.assert_allclose(
        cross_fitted_gains(table, np.arange(50), seed=0), table.gains[0], atol=1e-12
    )
    np.testing.assert_allclose(
        cross_fitted_gains(table, np.arange(50), seed=0, veto=False), table.gains[1], atol=1e-12
    )


def grouped_questions(linked: Rows, answer: Rows) -> QuestionGroups:
    return QuestionGroups(wording=np.arange(len(linked)), answer=answer, linked=linked)


def test_seen_documents_stay_when_selection_is_measured() -> None:
    groups = grouped_questions(np.arange(20) // 4, np.arange(20) // 2)
    np.testing.assert_array_equal(groups.held_out("seen"), groups.wording)


def test_random_labels_with_popular_answers_show_no_gain_over_other_questions() -> None:
    """A map that ranks popular answers higher gains on all; on unpopular ones it loses."""
    rng = np.random.default_rng(0)
    specific = []
    for _ in range(30):
        popular = rng.random(300) < 0.3
        own = np.where(popular, 0.5, -0.1) + 0.05 * rng.normal(size=300)
        gains = np.zeros((2, 1, 2, 300))
        gains[0, 0], gains[1, 0] = np.stack([own, np.full(300, own.mean())]), 0.02
        view = View(name="seen", fold_of=np.zeros((1, 300), np.int64), weight=1.0)
        table = OutOfFoldTable([Candidate(0.0, 1.0), Candidate(0.0, 3.0)], [view], gains)
        groups = QuestionGroups(
            wording=np.arange(300),
            answer=np.where(popular, 0, 1 + np.arange(300) // 3),
            linked=np.where(popular, 0, 1 + np.arange(300) // 3),
        )
        found = select_candidate(table, groups, guard="strict", seed=0)
        assert found.evidence is not None
        specific.append(found.evidence.tested.mean)
    assert abs(np.mean(specific)) < 0.005


def test_questions_that_shared_answers_link_are_told_apart_by_the_answer_most_share() -> None:
    pairs, chain = np.arange(20) // 2, np.zeros(20, np.int64)
    fours = np.arange(20) // 4
    np.testing.assert_array_equal(grouped_questions(fours, pairs).held_out("unseen"), fours)
    np.testing.assert_array_equal(grouped_questions(chain, pairs).held_out("unseen"), pairs)
    np.testing.assert_array_equal(grouped_questions(chain, chain).held_out("unseen"), np.arange(20))
    half = np.r_[np.zeros(10, np.int64), 1 + np.arange(10)]
    np.testing.assert_array_equal(grouped_questions(half, pairs).held_out("unseen"), half)
