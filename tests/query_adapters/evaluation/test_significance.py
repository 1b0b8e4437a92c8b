"""Tests of the permutation test against scipy and simulations, and of effect sizes by hand."""

from math import sqrt
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from query_adapters.evaluation import significance
from query_adapters.evaluation.significance import (
    SignFlips,
    detectable_effect,
    effect_size,
    sign_flip_test,
)
from query_adapters.typing import Values
from tests.ndcg_values import ndcg_values

SIMULATED, QUESTIONS = 4_000, 200


def flips_of(differences: Values) -> SignFlips:
    """Return the test of each column as the only system of a separate metric."""
    return sign_flip_test(differences[:, :, None])


@pytest.mark.parametrize("shift", [-0.2, 0.0, 0.15])
@pytest.mark.parametrize("alternative", ["greater", "two-sided"])
def test_p_values_are_scipys(shift: float, alternative: Literal["greater", "two-sided"]) -> None:
    differences = np.random.default_rng(0).normal(loc=shift, size=60)
    flips = flips_of(differences[:, None])
    ours = flips.greater if alternative == "greater" else flips.two_sided
    theirs = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=20_000,
        alternative=alternative,
        rng=np.random.default_rng(1),
    )
    assert ours.item() == pytest.approx(theirs.pvalue, abs=0.015)


def test_few_questions_give_the_share_of_all_their_signs() -> None:
    flips = flips_of(np.array([[1.0], [2.0], [4.0]]))
    assert flips.greater.item() == pytest.approx(1 / 8, abs=0.01)
    assert flips.two_sided.item() == pytest.approx(2 / 8, abs=0.012)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_systems_that_are_alike_are_told_apart_4_to_6_times_in_100(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "FLIPS", 1_999)
    rng = np.random.default_rng(4)
    shape = (2, QUESTIONS, SIMULATED)
    base, other = rng.normal(size=shape) if kind == "normal" else rng.beta(0.2, 1.5, size=shape)
    flips = flips_of(other - base)
    assert 0.04 <= np.mean(flips.greater <= 0.05) <= 0.06
    assert 0.04 <= np.mean(flips.two_sided <= 0.05) <= 0.06


@pytest.mark.parametrize("n_questions", [50, 200, 800])
def test_so_are_systems_whose_ndcg_is_the_same_on_most_questions(
    n_questions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng = np.random.default_rng(9)
    hardness = rng.normal(0.3, 1.5, size=(n_questions, SIMULATED))
    base, other = (ndcg_values(hardness, rng, spread=0.3) for _ in range(2))
    assert 0.6 < np.mean(base == other) < 0.7
    flips = flips_of(other - base)
    assert 0.04 <= np.mean(flips.greater <= 0.05) <= 0.06
    assert 0.04 <= np.mean(flips.two_sided <= 0.05) <= 0.06


def test_so_are_systems_of_equal_mean_whose_differences_lean_to_one_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng = np.random.default_rng(5)
    moved = rng.random((800, 2_000)) < 0.5
    differences = moved * (rng.exponential(size=moved.shape) - 0.5) - 0.25
    assert 0.04 <= np.mean(flips_of(differences).two_sided <= 0.05) <= 0.06


def test_one_of_five_alike_systems_passes_as_often_as_a_single_one_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng = np.random.default_rng(8)
    shared = rng.normal(size=(60, 2_000, 1))  # the gains of the systems are correlated
    flips = sign_flip_test(shared + rng.normal(size=(60, 2_000, 5)))
    assert np.mean((flips.two_sided <= 0.05).any(axis=1)) > 0.1
    assert 0.04 <= np.mean((flips.adjusted <= 0.05).any(axis=1)) <= 0.06
    assert (flips.adjusted >= flips.two_sided).all()


def test_a_system_that_never_differs_is_never_told_apart() -> None:
    differences = np.stack([np.zeros(20), np.ones(20)], axis=1)[:, None, :]
    flips = sign_flip_test(differences)
    assert (flips.greater[0, 0], flips.two_sided[0, 0], flips.adjusted[0, 0]) == (1, 1, 1)
    assert flips.adjusted[0, 1] < 0.001


def test_the_seed_decides_and_the_step_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(3).normal(0.1, 1, size=(64, 2, 2))
    first = sign_flip_test(differences, seed=1)
    np.testing.assert_array_equal(sign_flip_test(differences, seed=1).adjusted, first.adjusted)
    assert (sign_flip_test(differences, seed=2).adjusted != first.adjusted).any()
    monkeypatch.setattr(significance, "SIGNS_AT_ONCE", 640)
    assert sign_flip_test(differences, seed=1).adjusted == pytest.approx(first.adjusted, abs=0.02)


def test_sizes_of_effects_by_hand() -> None:
    differences = np.array([0.0, 0.2, 0.4])
    assert effect_size(differences) == pytest.approx(0.2 / 0.2)
    assert effect_size(np.full(5, 0.3)) is None
    assert effect_size(np.array([0.3])) is None
    assert detectable_effect(differences) == pytest.approx((1.959964 + 0.841621) * 0.2 / sqrt(3))


def test_the_detectable_effect_is_found_four_times_of_five(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(significance, "FLIPS", 999)
    rng = np.random.default_rng(6)
    needed = detectable_effect(rng.normal(size=100_000)) * sqrt(100_000 / QUESTIONS)
    flips = flips_of(rng.normal(loc=needed, size=(QUESTIONS, 2_000)))
    assert np.mean(flips.two_sided <= 0.05) == pytest.approx(0.8, abs=0.03)


def test_signs_of_many_queries_are_flipped_in_parts_with_the_p_value_of_a_t_test() -> None:
    differences = np.random.default_rng(4).normal(0.0035, 0.5, size=(40_000, 1))
    found = flips_of(differences)
    expected = stats.ttest_1samp(differences[:, 0], 0)
    assert 0.01 < expected.pvalue < 0.9
    assert found.two_sided[0, 0] == pytest.approx(expected.pvalue, abs=0.02)
