"""Test the spectral prior against its formula, computed with scipy's matrix power."""

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power, sqrtm

from query_adapters.training import prior
from query_adapters.training.prior import spectral_prior
from query_adapters.typing import Values, Vectors

DIM = 8
EXPONENTS = (0.15, 0.3, 0.5, 1.0)


def documents(n: int = 60, *, seed: int = 0) -> Vectors:
    """Return vectors with a common mean and a different variance in each direction."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(n, DIM)) * np.linspace(0.1, 2, DIM) + rng.normal(size=DIM)
    return drawn.astype(np.float32)


def covariance_of(vectors: Vectors) -> Values:
    """Return the covariance at unit length."""
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    covariance: Values = np.cov(exact.T, bias=True)
    return covariance


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("n", [5, 60])
def test_prior_is_a_power_of_the_covariance_of_unit_documents(exponent: float, n: int) -> None:
    covariance = covariance_of(documents(n))
    share = covariance / np.trace(covariance)
    power = fractional_matrix_power(share + 1e-3 * np.eye(DIM), -exponent)
    deviation = np.real(sqrtm(covariance))
    expected = power * np.trace(deviation) / np.trace(power @ deviation)
    found = spectral_prior(documents(n), exponent=exponent)
    np.testing.assert_allclose(found, expected, atol=1e-2 * expected.max())


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("n", [1, 3, 60])
def test_prior_is_symmetric_positive_definite(exponent: float, n: int) -> None:
    matrix = spectral_prior(documents(n), exponent=exponent)
    assert matrix.dtype == np.float32
    assert matrix.shape == (DIM, DIM)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert np.linalg.eigvalsh(matrix).min() > 0


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize(("n", "accuracy"), [(3, 0.1), (60, 1e-4)])  # 3: rounding has gains too
def test_mean_gain_is_1_where_directions_count_by_their_standard_deviation(
    exponent: float, n: int, accuracy: float
) -> None:
    variances, directions = np.linalg.eigh(covariance_of(documents(n)))
    matrix = spectral_prior(documents(n), exponent=exponent)
    gains = np.einsum("ij,ik,kj->j", directions, matrix, directions)
    weights = np.sqrt(np.maximum(variances, 0))
    assert np.average(gains, weights=weights) == pytest.approx(1, abs=accuracy)
    assert (np.diff(gains[weights > 1e-3]) < 0).all()  # the greater the variance, the less


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_directions_without_variance_change_nothing_in_the_others(exponent: float) -> None:
    vectors = documents()
    padded = np.pad(vectors, ((0, 0), (0, 5)))
    np.testing.assert_allclose(
        spectral_prior(padded, exponent=exponent)[:DIM, :DIM],
        spectral_prior(vectors, exponent=exponent),
        atol=1e-4,
    )


@pytest.mark.parametrize("exponent", EXPONENTS)
@pytest.mark.parametrize("share", [0.5, 0.05])
def test_documents_that_all_lean_one_way_have_the_same_prior(exponent: float, share: float) -> None:
    vectors = documents()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    common = np.full((len(vectors), 1), np.sqrt(1 - share**2), np.float32)
    leaning = np.concatenate([share * vectors, common], axis=1).astype(np.float32)
    matrix, expected = (spectral_prior(v, exponent=exponent) for v in (leaning, vectors))
    np.testing.assert_allclose(matrix[:DIM, :DIM], expected, rtol=1e-3, atol=1e-3)


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
