"""Tests of the map that training on both models' vectors starts from."""

import numpy as np
import pytest

from query_adapters import LinearAdapter
from query_adapters.arrays import unit
from query_adapters.embedders.two_models import joined
from query_adapters.typing import Vectors
from query_adapters.upgrade.learning import equal_parts

RNG = np.random.default_rng(0)
OLD = np.float32(3) * unit(RNG.normal(size=(20, 4)).astype(np.float32))
NEW = np.float32(7) * unit(RNG.normal(size=(20, 6)).astype(np.float32))
WEIGHT = RNG.normal(size=(4, 6)).astype(np.float32)


@pytest.mark.parametrize("bias", [None, RNG.normal(size=4).astype(np.float32)])
def test_it_is_the_mean_of_the_old_vector_and_the_bridged_one(bias: Vectors | None) -> None:
    free = LinearAdapter(WEIGHT, bias, keeps_length=False)
    expected = (OLD + free(NEW)) / 2
    found = equal_parts(free, NEW, OLD)(joined(OLD, NEW))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [None, RNG.normal(size=4).astype(np.float32)])
def test_where_lengths_do_not_count_both_have_the_old_ones_length(bias: Vectors | None) -> None:
    keeping, free = (LinearAdapter(WEIGHT, bias, keeps_length=k) for k in (True, False))
    expected = OLD + free(NEW) * np.float32(3 / 7)
    found = equal_parts(keeping, NEW, OLD)(joined(OLD, NEW))
    np.testing.assert_allclose(unit(found), unit(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 3, rtol=1e-5)


def test_joined_vectors_are_as_long_as_the_first() -> None:
    both = joined(OLD, NEW)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 3, rtol=1e-5)
    np.testing.assert_array_equal(joined(OLD[0], NEW[0]), both[0])
    assert not joined(np.zeros(4), NEW[0]).any()
