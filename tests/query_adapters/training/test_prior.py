"""Test the spectral prior against its formula, computed with scipy's matrix power."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power

from query_adapters.training import prior
from query_adapters.training.prior import spectral_prior
from query_adapters.typing import Vectors

DIM = 8
EXPONENTS = (0.15, 0.3, 0.5, 1.0)


def documents(n: int = 60, *, seed: int = 0) -> Vectors:
    """Return vectors with a common mean and a different variance in each direction."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(n, DIM)) * np.linspace(0.1, 2, DIM) + rng.normal(size=DIM)
    return drawn.astype(np.float32)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("n", [5, 60])
def test_prior_is_a_power_of_the_covariance_of_unit_documents(exponent: float, n: int) -> None:
    vectors = documents(n).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    covariance = np.cov(vectors.T, bias=True)
    power = fractional_matrix_power(covariance + 1e-3 * np.eye(DIM), -exponent)
    expected = power * DIM / np.trace(power)
    np.testing.assert_allclose(spectral_prior(documents(n), exponent=exponent), expected, atol=1e-4)


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("n", [1, 3, 60])
def test_prior_is_symmetric_positive_definite_with_mean_trace_1(exponent: float, n: int) -> None:
    matrix = spectral_prior(documents(n), exponent=exponent)
    assert matrix.dtype == np.float32
    assert matrix.shape == (DIM, DIM)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert np.linalg.eigvalsh(matrix).min() > 0
    assert np.trace(matrix) / DIM == pytest.approx(1, abs=1e-5)


def test_exponent_0_is_the_identity() -> None:
    np.testing.assert_array_equal(spectral_prior(documents(), exponent=0), np.eye(DIM))


def test_one_document_has_no_variance_and_gives_the_identity() -> None:
    np.testing.assert_allclose(spectral_prior(documents(1), exponent=0.5), np.eye(DIM), atol=1e-6)


def test_exponent_one_half_whitens_fully(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prior, "EPSILON", 1e-12)
    vectors = documents(500)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    covariance = np.cov((vectors @ spectral_prior(vectors, exponent=0.5)).T)
    np.testing.assert_allclose(covariance / np.trace(covariance) * DIM, np.eye(DIM), atol=1e-3)


def test_document_lengths_do_not_matter_for_cosine() -> None:
    vectors = documents()
    lengths = np.random.default_rng(1).uniform(0.1, 30, size=(len(vectors), 1)).astype(np.float32)
    np.testing.assert_allclose(
        spectral_prior(vectors * lengths, exponent=0.3),
        spectral_prior(vectors, exponent=0.3),
        atol=1e-5,
    )
