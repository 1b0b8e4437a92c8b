"""Tests of how evenly questions are spread over documents."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from query_adapters.data.question_counts import are_even


@given(st.floats(0.01, 40))
def test_the_limit_is_half_the_variance_of_a_random_sample(rate: float) -> None:
    values = np.arange(1, 200)
    shares = poisson.pmf(values, rate) / poisson.sf(0, rate)
    mean = shares @ values
    deviation = np.sqrt(0.5 * (shares @ (values - mean) ** 2))
    around = [mean - deviation, mean + deviation] * 5  # with this mean and half the variance
    spread = np.array([-1, 1] * 5) * 1e-3 * deviation
    assert are_even(around - spread)
    assert not are_even(around + spread)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([2] * 30, True), ([1] * 30, True), ([2, 3] * 15, True), ([30, 9, 7, 1, 1, 1, 1], False)],
)
def test_generated_questions_are_even_and_those_of_users_are_not(
    counts: list[int], expected: bool
) -> None:
    assert are_even(counts) is expected
