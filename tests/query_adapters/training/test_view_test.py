"""Tests of the test of a gain: exact where it can be, calibrated where it cannot, by groups."""

import math
import tracemalloc
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import cauchy

from query_adapters.evaluation.groups import group_sums
from query_adapters.training.decision import grouped_score
from query_adapters.training.view_test import (
    combined_p_value,
    flipped_p_values,
    gain_p_value,
    two_way_error,
)
from query_adapters.typing import Rows, Values

RNG = np.random.default_rng(0)
MONTE_CARLO = 0.02  # four standard errors of a share of 9,999 random flips


def alone(n: int) -> Rows:
    """Return a group for each of n questions."""
    return np.arange(n)


# One view


def transformed(values: list[float]) -> float:
    """Return Hall's transformed t statistic, from the central moments of the values."""
    n = len(values)
    mean = sum(values) / n
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / n)
    skewness = sum((value - mean) ** 3 for value in values) / n / deviation**3
    t = mean / deviation
    return t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)


def exact_p_value(sums: list[float]) -> float:
    """Return the share of all sign patterns whose statistic reaches that of the values."""
    observed = transformed(sums)
    patterns = list(product([1, -1], repeat=len(sums)))
    reached = [
        transformed([sign * value for sign, value in zip(pattern, sums, strict=True)])
        >= observed - 1e-9
        for pattern in patterns
    ]
    return sum(reached) / len(patterns)


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ([0.5, 0.2, -0.1, 0.4, 0.3], [0, 1, 2, 3, 4]),
        ([0.1, 0.2, 0.15, 0.05, -0.9, 0.12, 0.3], [0, 1, 2, 3, 4, 5, 6]),
        ([-0.1, -0.2, -0.15, 0.9, -0.12, 0.8], [5, 4, 3, 2, 1, 0]),
        ([0.5, 0.2, -0.1, 0.4, 0.3, -0.6, 0.7, 0.1], [0, 0, 1, 1, 2, 3, 4, 4]),
        ([0.3, 0.0, 0.0, -0.1, 0.25, 0.0], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_few_groups_give_the_share_of_all_flips_that_reach_the_statistic(
    values: list[float], groups: list[int]
) -> None:
    sums = [
        sum(value for value, member in zip(values, groups, strict=True) if member == group)
        for group in sorted(set(groups))
    ]
    p_value = gain_p_value(np.array(values), groups=np.array(groups))
    assert p_value == pytest.approx(exact_p_value(sums), abs=MONTE_CARLO)


def test_over_all_signs_of_symmetric_values_every_p_value_is_as_likely() -> None:
    magnitudes = np.array([0.3, 0.5, 0.9, 1.4, 0.2, 0.7, 1.1, 2.3])
    columns = np.array(list(product([1, -1], repeat=8))).T * magnitudes[:, None]
    found = np.sort(flipped_p_values(columns))
    np.testing.assert_allclose(found, np.arange(1, 257) / 256, atol=MONTE_CARLO)


def test_equal_gains_are_reached_by_equal_gains_alone() -> None:
    assert gain_p_value(np.full(7, 0.3), groups=alone(7)) == pytest.approx(1 / 128, abs=0.004)
    assert gain_p_value(np.full(7, -0.3), groups=alone(7)) == 1


@pytest.mark.parametrize("n", [1, 2, 30])
def test_where_nothing_changes_p_is_1(n: int) -> None:
    assert gain_p_value(np.zeros(n), groups=alone(n)) == 1


def test_questions_without_a_change_do_not_hide_those_that_gain() -> None:
    gained = np.r_[np.abs(RNG.normal(0.3, 0.1, size=40)), np.zeros(400)]
    assert gain_p_value(gained, groups=alone(440)) == 1e-4


def test_a_clear_gain_has_a_small_p_value_and_a_clear_loss_a_large_one() -> None:
    values = RNG.normal(0.3, 1, size=200)
    assert gain_p_value(values, groups=alone(200)) < 0.01
    assert gain_p_value(-values, groups=alone(200)) > 0.99


differences = st.lists(
    st.integers(-100, 100).map(lambda value: value / 100), min_size=3, max_size=25
).map(np.array)


@settings(max_examples=30, deadline=None)
@given(values=differences, scale=st.sampled_from([1e-3, 0.5, 7.0, 1e4]), seed=st.integers(0, 99))
def test_neither_the_unit_nor_the_order_of_the_questions_matters(
    values: Values, scale: float, seed: int
) -> None:
    groups = np.random.default_rng(seed).integers(6, size=len(values))
    order = np.random.default_rng(seed + 1).permutation(len(values))
    p_value = gain_p_value(values, groups=groups, seed=seed)
    assert 0 < p_value <= 1
    assert gain_p_value(scale * values, groups=groups, seed=seed) == p_value
    assert gain_p_value(values[order], groups=groups[order], seed=seed) == pytest.approx(
        p_value, abs=1e-3
    )
    assert gain_p_value(values, groups=7 * groups + 3, seed=seed) == p_value


@settings(max_examples=30, deadline=None)
@given(values=differences)
def test_a_loss_is_as_improbable_as_the_gain_is_probable(values: Values) -> None:
    """One of them is reached by each flip, and both are if they are equal."""
    gain, loss = (gain_p_value(sign * values, groups=alone(len(values))) for sign in (1, -1))
    assert gain + loss > 1 - 2 * MONTE_CARLO
    if len(np.unique(np.abs(values))) == len(values) > 12:
        assert gain + loss < 1 + 2 * MONTE_CARLO


def test_copies_of_a_question_add_no_evidence() -> None:
    one_each = RNG.normal(0.3, 1, size=40)
    copies = np.repeat(one_each, 25)
    p_value = gain_p_value(one_each, groups=alone(40))
    assert 0.001 < p_value < 0.3
    of_groups = gain_p_value(copies, groups=np.repeat(alone(40), 25))
    assert of_groups == pytest.approx(p_value, abs=1e-3)
    assert gain_p_value(copies, groups=alone(1_000)) < p_value / 10


def test_every_seed_flips_other_signs_and_one_seed_the_same() -> None:
    values = RNG.normal(0.1, 1, size=60)
    first, again, *others = (
        gain_p_value(values, groups=alone(60), seed=seed) for seed in (0, 0, 1, 2, 3)
    )
    assert first == again
    assert len({first, *others}) > 1
    assert others == pytest.approx([first] * 3, abs=2 * MONTE_CARLO)


def test_columns_are_tested_one_by_one() -> None:
    columns = RNG.normal(0.1, 1, size=(50, 4)) * [1.0, 1e-6, 1e6, 0.0]
    together = flipped_p_values(columns)
    each = [gain_p_value(column, groups=alone(50)) for column in columns.T]
    assert together == pytest.approx(each, abs=1e-3)
    assert together[3] == 1


def test_many_groups_take_no_more_memory_than_a_step() -> None:
    values = RNG.normal(size=5_000)
    tracemalloc.start()
    gain_p_value(values, groups=alone(5_000))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 150e6  # all signs together would take 400 MB


# How often a gain is found where there is none

N_SIMULATIONS = 1_500  # the standard error of a rate of 5 % is 0.6 %


def sparse(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return differences most of which are 0, gains as likely as losses."""
    return (rng.random(shape) < 0.3) * rng.uniform(-0.6, 0.6, shape)


def rare_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return many small gains and rare large losses, of mean 0."""
    gains, losses = rng.uniform(0, 0.12, shape), rng.uniform(0, 0.6, shape)
    kind = rng.random(shape)
    return np.where(kind < 0.1, -losses, (kind < 0.6) * gains)


def without_correction(sums: Values, n_flips: int) -> Values:
    """Return the p values of a sign flip test of the mean alone."""
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(n_flips, len(sums)))
    reached = (signs @ sums >= sums.sum(axis=0) - 1e-9).sum(axis=0)
    return np.asarray((1 + reached) / (1 + n_flips))


@pytest.mark.parametrize(("noise", "n"), [(sparse, 30), (sparse, 120), (rare_losses, 120)])
def test_a_gain_is_found_in_5_of_100_cases_without_one(
    noise: Callable[[np.random.Generator, tuple[int, int]], Values], n: int
) -> None:
    rng = np.random.default_rng(n)
    answers = rng.integers(n // 3, size=n)
    of_seen, of_unseen = noise(rng, (n, N_SIMULATIONS)), noise(rng, (n, N_SIMULATIONS))
    seen = flipped_p_values(of_seen, n_flips=999)
    unseen = flipped_p_values(group_sums(of_unseen, answers)[0], n_flips=999)
    both = np.array([combined_p_value(pair, (0.5, 0.5)) for pair in zip(seen, unseen, strict=True)])
    for p_values in (seen, unseen, both):
        assert 0.02 < (p_values <= 0.05).mean() < 0.08


def test_the_correction_for_skewness_is_needed_where_losses_are_rare_and_large() -> None:
    sums = rare_losses(np.random.default_rng(0), (60, N_SIMULATIONS))
    assert (without_correction(sums, 999) <= 0.05).mean() > 0.09
    assert (flipped_p_values(sums, n_flips=999) <= 0.05).mean() < 0.06


def test_questions_in_several_wordings_are_not_taken_for_as_many_questions() -> None:
    rng = np.random.default_rng(3)
    wording = np.repeat(alone(40), 5)
    values = sparse(rng, (40, N_SIMULATIONS))[wording]
    by_group = flipped_p_values(group_sums(values, wording)[0], n_flips=499)
    assert 0.02 < (by_group <= 0.05).mean() < 0.08
    assert (flipped_p_values(values, n_flips=499) <= 0.05).mean() > 0.15


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
