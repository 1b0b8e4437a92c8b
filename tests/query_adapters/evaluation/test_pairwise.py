"""Tests of paired differences: intervals, and counts computed by hand."""

import numpy as np
import pytest

from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.bootstrap import Interval, bootstrap_interval
from query_adapters.evaluation.pairwise import compare
from query_adapters.typing import Values


def evaluation(values: list[float] | Values, *, ids: tuple[str, ...] = ()) -> Evaluation:
    return Evaluation({"ndcg@10": np.asarray(values, np.float64)}, query_ids=ids)


def test_wins_ties_losses_and_means_by_hand() -> None:
    base, adapted = evaluation([0.0, 0.5, 1.0, 1.0, 0.2]), evaluation([1.0, 0.5, 0.5, 1.0, 0.3])
    result = compare(base, adapted)["ndcg@10"]
    assert (result.wins, result.ties, result.losses) == (2, 2, 1)
    assert result.base.mean == pytest.approx(0.54)
    assert result.adapted.mean == pytest.approx(0.66)
    assert result.difference.mean == pytest.approx(0.12)
    assert result.difference.low < 0.12 < result.difference.high


def test_the_difference_is_paired_and_so_narrower_than_either_mean() -> None:
    rng = np.random.default_rng(1)
    base = rng.uniform(0, 0.9, size=80)
    result = compare(evaluation(base), evaluation(base + rng.uniform(0, 0.1, 80)))["ndcg@10"]
    assert result.difference.low > 0
    assert result.difference.high - result.difference.low < (result.base.high - result.base.low) / 5


@pytest.mark.parametrize("values", [[0.25, 0.25, 0.25], [0.75]])
def test_equal_values_and_a_single_one_are_their_own_interval(values: list[float]) -> None:
    mean = values[0]
    assert bootstrap_interval(np.array(values)) == Interval(mean=mean, low=mean, high=mean)


@pytest.mark.parametrize("n_others", [0, 1, 30])
def test_a_constant_difference_is_certain_even_where_rounding_blurs_it(n_others: int) -> None:
    base, adapted = [1 / 3, *[2 / 3] * n_others, 2 / 3], [2 / 3, *[1.0] * n_others, 1.0]
    assert len(set(np.subtract(adapted, base))) == 2  # both are one third, rounded differently
    difference = compare(evaluation(base), evaluation(adapted))["ndcg@10"].difference
    interval = (difference.mean, difference.low, difference.high)
    assert interval == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-12)


def test_systems_that_answer_alike_tie_everywhere() -> None:
    values = np.random.default_rng(2).uniform(size=30)
    result = compare(evaluation(values), evaluation(values))["ndcg@10"]
    assert (result.wins, result.ties, result.losses) == (0, 30, 0)
    assert result.difference == Interval(mean=0.0, low=0.0, high=0.0)


def test_the_seed_decides_the_interval_and_nothing_else_does() -> None:
    base, adapted = (evaluation(np.random.default_rng(i).uniform(size=40)) for i in range(2))
    first = compare(base, adapted, seed=1)
    np.random.default_rng().normal(size=3)
    assert compare(base, adapted, seed=1) == first
    assert compare(base, adapted, seed=2) != first


def test_only_metrics_that_both_have_are_compared() -> None:
    values = np.array([0.0, 1.0])
    base = Evaluation({"mrr@10": values, "map@10": values})
    adapted = Evaluation({"map@10": values, "ndcg@10": values})
    assert list(compare(base, adapted)) == ["map@10"]


@pytest.mark.parametrize(
    ("base", "adapted"),
    [
        (evaluation([0.1, 0.2], ids=("a", "b")), evaluation([0.1, 0.2], ids=("b", "a"))),
        (evaluation([0.1, 0.2], ids=("a", "b")), evaluation([0.1], ids=("a",))),
        (evaluation([0.1, 0.2]), evaluation([0.1])),
        (evaluation([0.1, 0.2]), evaluation([0.1, 0.2, 0.3])),
    ],
)
def test_evaluations_of_different_questions_are_refused(
    base: Evaluation, adapted: Evaluation
) -> None:
    with pytest.raises(ValueError, match="same questions"):
        compare(base, adapted)
