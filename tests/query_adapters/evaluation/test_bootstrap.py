"""Tests of intervals: equal to scipy's, and with the nominal coverage in simulations."""

import numpy as np
import pytest
from scipy import stats

from query_adapters.evaluation import bootstrap
from query_adapters.evaluation.bootstrap import Interval, bootstrap_interval, bootstrap_intervals
from query_adapters.evaluation.groups import MOST_DRAWN, resampling_sums
from query_adapters.typing import Values
from tests.ndcg_values import ndcg_values

SIMULATED, QUESTIONS = 2_000, 200


def mostly_zero_and_skewed(rng: np.random.Generator) -> Values:
    """Return skewed differences of mean 0, of which half have the same value."""
    moved = rng.random((QUESTIONS, SIMULATED)) < 0.5
    return moved * (rng.exponential(size=moved.shape) - 0.5) - 0.25


@pytest.mark.parametrize("n", [5, 60])
def test_the_interval_is_scipys_bca_bootstrap(n: int) -> None:
    values = np.random.default_rng(0).beta(0.5, 2, size=n)
    expected = stats.bootstrap(
        (values,),
        np.mean,
        method="BCa",
        confidence_level=0.95,
        n_resamples=9_999,
        rng=np.random.default_rng(3),
    ).confidence_interval
    interval = bootstrap_interval(values, seed=3)
    assert interval.mean == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_95_percent_intervals_hold_the_truth_93_to_97_times_in_100(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1_999)
    rng = np.random.default_rng(5)
    normal = rng.normal(size=(QUESTIONS, SIMULATED))
    values = normal if kind == "normal" else mostly_zero_and_skewed(rng)
    held = np.mean([i.low <= 0 <= i.high for i in bootstrap_intervals(values)])
    assert 0.93 <= held <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n_questions", [200, 800])
def test_so_do_intervals_of_differences_in_ndcg_most_of_which_are_zero(
    n_questions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "RESAMPLES", 1_999)
    rng = np.random.default_rng(6)
    hardness = rng.normal(0.3, 1.5, size=400_000)
    better = ndcg_values(hardness - 0.1, rng, spread=0.3)
    differences = better - ndcg_values(hardness, rng, spread=0.15)
    truth = differences.mean()
    assert truth > 0.01
    values = rng.choice(differences, size=(n_questions, 3 * SIMULATED))
    held = np.mean([i.low <= truth <= i.high for i in bootstrap_intervals(values)])
    assert 0.93 <= held <= 0.97


def test_no_column_and_no_step_changes_another_columns_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(1).uniform(size=(30, 3))
    together = bootstrap_intervals(values, seed=2)
    monkeypatch.setattr(bootstrap, "DRAWS_AT_ONCE", 70)
    for column, interval in zip(values.T, together, strict=True):
        alone = bootstrap_interval(column, seed=2)
        assert vars(alone) == pytest.approx(vars(interval), abs=1e-12)


def test_columns_of_one_value_are_certain_beside_others_that_are_not() -> None:
    values = np.stack([np.full(9, 0.25), np.arange(9.0)], axis=1)
    certain, other = bootstrap_intervals(values)
    assert certain == Interval(mean=0.25, low=0.25, high=0.25)
    assert other.low < other.mean == 4 < other.high


def test_many_queries_are_resampled_in_parts_with_the_same_standard_error() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(size=50_000)
    found = bootstrap_interval(values)
    error = values.std() / np.sqrt(len(values))
    assert found.mean == values.mean()
    assert (found.high - found.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.03)


def test_parts_of_many_groups_hold_all_queries_and_whole_groups() -> None:
    groups = np.random.default_rng(0).integers(0, 30_000, size=90_000)
    values = np.stack([np.ones(90_000), groups == 7], axis=1)
    sums, sizes = resampling_sums(values, groups, seed=0)
    assert len(sums) == MOST_DRAWN
    assert sizes.sum() == 90_000
    np.testing.assert_array_equal(sums[:, 0], sizes)
    assert np.count_nonzero(sums[:, 1]) == 1
