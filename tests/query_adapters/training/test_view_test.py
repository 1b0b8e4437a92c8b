"""Tests of the corrected statistic, of p values of several views, and of standard errors."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import cauchy

from query_adapters.training.decision import grouped_score
from query_adapters.training.view_test import (
    combined_p_value,
    skewness_corrected,
    two_way_error,
)
from query_adapters.typing import Rows, Values

RNG = np.random.default_rng(0)


def alone(n: int) -> Rows:
    """Return a group for each of n questions."""
    return np.arange(n)


# The statistic of one view


def transformed(values: list[float]) -> float:
    """Return Hall's transformed t statistic, from the central moments of the values."""
    n = len(values)
    mean = sum(values) / n
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / n)
    skewness = sum((value - mean) ** 3 for value in values) / n / deviation**3
    t = mean / deviation
    return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, -1.0, 2.0, -2.0], 0.0),
        ([1.0, 0.0, 0.0, 0.0], (1 + 2 / 9 + 4 / 243 + 1 / 12) / 3**0.5),
        ([-1.0, 0.0, 0.0, 0.0], -(1 + 2 / 9 + 4 / 243 + 1 / 12) / 3**0.5),
        ([3.0, 1.0, 3.0, 1.0], 2.0),  # symmetric around the mean: t alone
    ],
)
def test_corrected_statistics_by_hand(values: list[float], expected: float) -> None:
    assert corrected(np.array(values)) == pytest.approx(expected)


def corrected(values: Values) -> float:
    scaled = values / np.sqrt((values**2).mean())
    return float(skewness_corrected(scaled.sum(), (scaled**3).sum(), len(values)))


differences = st.lists(
    st.integers(-100, 100).map(lambda value: value / 100), min_size=3, max_size=25
).map(np.array)


@settings(max_examples=100, deadline=None)
@given(values=differences.filter(lambda values: np.ptp(values) > 0))
def test_the_corrected_statistic_has_the_moments_around_the_mean(values: Values) -> None:
    assert corrected(values) == pytest.approx(transformed(values.tolist()), rel=1e-6, abs=1e-9)
    assert corrected(-values) == pytest.approx(-corrected(values))


def test_equal_values_have_a_larger_statistic_than_any_others() -> None:
    others = np.random.default_rng(0).uniform(0.9, 1.1, size=(200, 7))
    assert corrected(np.ones(7)) > max(map(corrected, others))
    assert corrected(-np.ones(7)) == -corrected(np.ones(7))


def test_samples_are_corrected_one_by_one() -> None:
    samples = np.random.default_rng(0).exponential(size=(5, 30)) - 0.8
    samples /= np.sqrt((samples**2).mean(axis=1, keepdims=True))
    together = skewness_corrected(samples.sum(axis=1), (samples**3).sum(axis=1), 30)
    np.testing.assert_allclose(together, list(map(corrected, samples)))


def test_the_correction_brings_the_mean_of_skewed_values_near_a_normal_deviate() -> None:
    """Of 60 values with an exponential distribution around 0, 5 % lie beyond either quantile."""
    samples = np.random.default_rng(0).exponential(size=(20_000, 60)) - 1
    t = samples.mean(axis=1) / samples.std(axis=1)
    hall = np.array(list(map(corrected, samples)))
    quantile = 1.645 / 60**0.5
    low, high = (t < -quantile).mean(), (t > quantile).mean()
    assert low > 0.08
    assert high < 0.035
    assert (hall < -quantile).mean() == pytest.approx(0.05, abs=0.015)
    assert (hall > quantile).mean() == pytest.approx(0.05, abs=0.015)


# Several views


@pytest.mark.parametrize(
    ("p_values", "weights", "expected"),
    [
        ((0.25, 0.75), (0.5, 0.5), 0.5),  # tan(π/4) and its negative
        ((0.25, 0.5), (0.5, 0.5), 0.352416),  # 1/2 - arctan(1/2) / π
        ((0.25, 0.75), (0.75, 0.25), 0.352416),
        ((0.001, 0.5), (0.5, 0.5), 0.002),
        ((0.03, 0.03), (0.2, 0.8), 0.03),
        ((0.03,), (1.0,), 0.03),
        ((0.2, 0.7), (1.0, 0.0), 0.2),
        ((0.2, 0.7), (0.0, 1.0), 0.7),
        ((1.0, 1.0), (0.5, 0.5), 1.0),
        ((0.001, 1.0), (0.5, 0.5), 0.0020196),  # 1 counts as 0.9
    ],
)
def test_combined_p_values_by_hand(
    p_values: tuple[float, ...], weights: tuple[float, ...], expected: float
) -> None:
    assert combined_p_value(p_values, weights) == pytest.approx(expected, rel=1e-4)


up_to_bound = st.floats(1e-4, 0.9)


@settings(max_examples=100, deadline=None)
@given(p_values=st.tuples(up_to_bound, up_to_bound), weight=st.floats(0, 1))
def test_the_combination_is_the_weighted_mean_on_the_scale_of_cauchy_quantiles(
    p_values: tuple[float, float], weight: float
) -> None:
    weights = (weight, 1 - weight)
    combined = combined_p_value(p_values, weights)
    expected = cauchy.sf(np.dot(weights, cauchy.isf(p_values)))
    assert combined == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert min(p_values) - 1e-9 <= combined <= max(p_values) + 1e-9


def test_a_view_in_which_nothing_changes_does_not_outweigh_a_clear_gain() -> None:
    assert combined_p_value((1e-4, 1.0), (0.5, 0.5)) < 0.001
    assert combined_p_value((0.2, 1.0), (0.5, 0.5)) > 0.2


# The standard error over both views


def pairwise_error(seen: Values, unseen: Values, question: Rows, answer: Rows) -> float:
    """Return the error from the sum over all pairs of questions that are not independent."""
    n, total = len(seen), 0.0
    seen, unseen = seen - sum(seen) / n, unseen - sum(unseen) / n
    both = seen + unseen
    by_question, by_answer = (
        len(set(groups)) / max(1, len(set(groups)) - 1)
        for groups in (question.tolist(), answer.tolist())
    )
    for i in range(n):
        for j in range(n):
            if question[i] == question[j]:
                total += by_question * (both[i] * both[j] - unseen[i] * unseen[j])
            if answer[i] == answer[j]:
                total += by_answer * unseen[i] * unseen[j]
    return float(max(total, 0) ** 0.5) / n


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 20), n_groups=st.integers(1, 8))
def test_the_error_counts_each_pair_of_dependent_questions(
    seed: int, n: int, n_groups: int
) -> None:
    rng = np.random.default_rng(seed)
    seen, unseen = rng.normal(size=(2, n))
    question, answer = rng.integers(n_groups, size=(2, n))
    found = two_way_error(seen, unseen, question_groups=question, document_groups=answer)
    assert found == pytest.approx(pairwise_error(seen, unseen, question, answer), abs=1e-7)


def test_the_error_of_one_view_is_that_over_what_it_draws_anew() -> None:
    values, nothing = RNG.normal(size=60), np.zeros(60)
    question, answer = np.arange(60) // 2, np.arange(60) // 6
    groups = {"question_groups": question, "document_groups": answer}
    only_seen = two_way_error(values, nothing, **groups)
    only_unseen = two_way_error(nothing, values, **groups)
    assert only_seen == pytest.approx(grouped_score(values, question).error)
    assert only_unseen == pytest.approx(grouped_score(values, answer).error)
    assert only_seen != pytest.approx(only_unseen, rel=1e-3)


def test_independent_questions_have_the_ordinary_standard_error() -> None:
    seen, unseen = RNG.normal(size=(2, 50))
    groups = {"question_groups": alone(50), "document_groups": alone(50)}
    expected = (seen + unseen).std(ddof=1) / np.sqrt(50)
    assert two_way_error(seen, unseen, **groups) == pytest.approx(expected)
    assert grouped_score(seen, alone(50)).error == pytest.approx(seen.std(ddof=1) / np.sqrt(50))


def test_a_single_group_has_no_error_that_could_be_measured() -> None:
    score = grouped_score(np.array([0.1, 0.4, 0.7]), np.zeros(3, np.int64))
    assert score.mean == pytest.approx(0.4)
    assert score.error == pytest.approx(0, abs=1e-12)
