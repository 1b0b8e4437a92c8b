"""Tests of the guard's p value: small for a real gain, adjusted for the number of candidates."""

import tracemalloc
from itertools import product

import numpy as np
import pytest

from query_adapters.training import guard
from query_adapters.training.guard import answer_groups, max_t_p_value

RNG = np.random.default_rng(0)


def test_few_questions_give_the_share_of_all_flips_that_reach_the_gain() -> None:
    values = np.array([0.5, 0.2, -0.1, 0.4, 0.3])
    flips = np.array(list(product([-1, 1], repeat=5))) @ values
    exact = float((flips >= values.sum() - 1e-12).mean())
    p_value = max_t_p_value([values], 0, groups=np.arange(5))
    assert p_value == pytest.approx(exact, abs=0.02)


def test_questions_of_a_group_count_as_one() -> None:
    one_each = RNG.normal(0.3, 1, size=40)
    groups = np.repeat(np.arange(40), 25)
    alone = max_t_p_value([one_each], 0, groups=np.arange(40))
    copied = max_t_p_value([np.repeat(one_each, 25)], 0, groups=groups)
    fooled = max_t_p_value([np.repeat(one_each, 25)], 0, groups=np.arange(1_000))
    assert copied == pytest.approx(alone, abs=0.02)
    assert fooled < alone / 10


@pytest.mark.slow
def test_the_best_of_many_candidates_without_a_gain_is_rarely_believed() -> None:
    believed = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=(10, 80))
        best = int(noise.mean(axis=1).argmax())
        believed += max_t_p_value(list(noise), best, groups=np.arange(80), seed=seed) <= 0.05
    assert believed <= 20  # 5 % of 200, plus three standard errors


def test_a_real_gain_is_believed_among_many_candidates() -> None:
    candidates = RNG.normal(size=(10, 200))
    candidates[4] += 0.5
    assert max_t_p_value(list(candidates), 4, groups=np.arange(200)) < 0.01


def test_a_candidate_that_changes_nothing_has_p_1() -> None:
    nothing = np.zeros(20)
    assert max_t_p_value([nothing, RNG.normal(size=20)], 0, groups=np.arange(20)) == 1


def test_candidates_that_change_nothing_do_not_move_the_others() -> None:
    values = RNG.normal(0.2, 1, size=50)
    alone = max_t_p_value([values], 0, groups=np.arange(50))
    assert max_t_p_value([np.zeros(50), values], 1, groups=np.arange(50)) == alone


def test_the_most_asked_answer_ties_questions_together_whatever_its_place() -> None:
    relevant = [np.array(rows) for rows in ([4, 7], [7, 4], [7], [9, 7], [9], [2], [9, 2])]
    groups = answer_groups(relevant)
    assert groups.tolist() == [7, 7, 7, 7, 9, 2, 9]


def test_pairs_judged_in_either_order_stand_together() -> None:
    relevant = [np.array(rows) for pair in range(30) for rows in ([2 * pair, 2 * pair + 1],) * 2]
    turned = [rows[::-1] if row % 2 else rows for row, rows in enumerate(relevant)]
    assert len(np.unique(answer_groups(turned))) == 30


@pytest.mark.parametrize("at_once", [1, 333, 10**9])
def test_signs_drawn_in_steps_are_those_drawn_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = list(np.random.default_rng(5).normal(0.1, 1, size=(4, 61)))
    monkeypatch.setattr(guard, "RESAMPLES", 1_999)
    expected = max_t_p_value(values, 2, groups=np.arange(61), seed=7)
    monkeypatch.setattr(guard, "SIGNS_AT_ONCE", at_once)
    assert max_t_p_value(values, 2, groups=np.arange(61), seed=7) == expected


def test_many_groups_take_no_more_memory_than_a_step() -> None:
    values = np.random.default_rng(6).normal(size=5_000)
    tracemalloc.start()
    max_t_p_value([values], 0, groups=np.arange(5_000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 120e6  # all signs together would take 400 MB
