"""Tests of the bridge from a new model's vectors into the space of stored ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.arrays import unit
from query_adapters.errors import AdapterMismatchError, InvalidVectorsError
from query_adapters.typing import Vectors
from query_adapters.upgrade.bridge import fit_bridge
from query_adapters.upgrade.maps import low_rank, procrustes, ridge


def vectors(n: int, dim: int, seed: int = 0) -> Vectors:
    drawn: Vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return drawn


def rotation(dim: int, seed: int = 0) -> Vectors:
    turned: Vectors = np.linalg.qr(vectors(dim, dim, seed))[0]
    return turned


def test_procrustes_of_a_square_turned_by_90_degrees_is_that_turn() -> None:
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=np.float32)
    turned = square[:, ::-1] * np.array([-1, 1], dtype=np.float32)  # (x, y) -> (-y, x)
    weight, bias = procrustes(square, turned * 3 + 5)
    np.testing.assert_allclose(weight, [[0, -3], [3, 0]], atol=1e-6)
    np.testing.assert_allclose(bias, [5, 5], atol=1e-6)


def test_procrustes_agrees_with_scipy_on_square_maps() -> None:
    from scipy.linalg import orthogonal_procrustes

    x, y = vectors(50, 6), vectors(50, 6, seed=1)
    centred = x - x.mean(axis=0), y - y.mean(axis=0)
    expected, scale = orthogonal_procrustes(*(part.astype(np.float64) for part in centred))
    weight, _ = procrustes(x, y)
    np.testing.assert_allclose(
        weight, (expected * scale / (centred[0] ** 2).sum()).T, rtol=1e-4, atol=1e-6
    )


def test_ridge_without_a_penalty_is_least_squares_and_a_penalty_shrinks_it() -> None:
    x, y = vectors(60, 4), vectors(60, 3, seed=1)
    with_constant = np.c_[x, np.ones(60)]
    expected = np.linalg.lstsq(with_constant, y, rcond=None)[0]
    weight, bias = ridge(x, y, 1e-12)
    np.testing.assert_allclose(weight, expected[:4].T, atol=1e-5)
    np.testing.assert_allclose(bias, expected[4], atol=1e-5)
    assert np.linalg.norm(ridge(x, y, 1.0)[0]) < np.linalg.norm(weight)


def test_a_low_rank_map_has_that_rank_and_at_full_rank_it_is_ridge() -> None:
    x, y = vectors(60, 6), vectors(60, 5, seed=1)
    assert np.linalg.matrix_rank(low_rank(x, y, 0.1, 2)[0], tol=1e-8) == 2
    np.testing.assert_allclose(low_rank(x, y, 0.1, 5)[0], ridge(x, y, 0.1)[0], atol=1e-8)


@settings(max_examples=15, deadline=None)
@given(
    dims=st.tuples(st.integers(6, 16), st.integers(6, 16)),
    length=st.floats(0.1, 50),
    seed=st.integers(0, 1000),
)
def test_a_rotation_between_spaces_of_any_dimensions_is_recovered(
    dims: tuple[int, int], length: float, seed: int
) -> None:
    dim_in, dim_out = dims
    shared = vectors(150, min(dims), seed)
    new = unit(shared @ rotation(dim_in, seed)[: min(dims)]) * np.float32(length)
    stored = unit(shared @ rotation(dim_out, seed + 1)[: min(dims)])
    bridge = fit_bridge(new, stored)
    bridged = bridge.adapter(new)
    assert bridged.shape == (150, dim_out)
    np.testing.assert_allclose(unit(bridged), stored, atol=0.02)
    assert bridge.found["procrustes"] == pytest.approx(1)
    assert bridge.neighbours > 0.95


def test_the_length_of_the_new_models_vectors_changes_no_direction() -> None:
    new, stored = vectors(100, 8), vectors(100, 8) @ rotation(8)
    one, ten = (fit_bridge(unit(new) * np.float32(c), stored).adapter for c in (1, 10))
    np.testing.assert_allclose(
        unit(one(unit(new))), unit(ten(unit(new) * np.float32(10))), atol=1e-5
    )


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_a_bridge_reaches_stored_vectors_of_different_lengths(similarity: str) -> None:
    stored = vectors(200, 8) + 1
    bridge = fit_bridge(stored @ rotation(8), stored, similarity=similarity)  # type: ignore[arg-type]
    assert bridge.found[bridge.kind] > 0.9


def test_another_kind_of_map_replaces_procrustes_where_it_finds_more() -> None:
    stretched = vectors(400, 8) * np.array([20, 10, 5, 1, 1, 0.2, 0.1, 0.1], dtype=np.float32)
    stored = vectors(400, 8)
    bridge = fit_bridge(stretched, stored)
    assert bridge.kind.startswith("ridge")
    assert bridge.found[bridge.kind] > bridge.found["procrustes"]


@pytest.mark.parametrize("n_texts", [40, 200, 1000])
def test_a_bridge_between_unrelated_spaces_is_refused(n_texts: int) -> None:
    with pytest.raises(AdapterMismatchError, match="check that the texts are those"):
        fit_bridge(vectors(n_texts, 32), vectors(n_texts, 16, seed=1))


@pytest.mark.parametrize("n_texts", [60, 500])
def test_a_bridge_on_texts_of_other_ids_is_refused(n_texts: int) -> None:
    stored = vectors(n_texts, 16)
    shuffled = np.random.default_rng(1).permutation(n_texts)
    with pytest.raises(AdapterMismatchError, match="bridge"):
        fit_bridge((stored @ rotation(16))[shuffled], stored)


@pytest.mark.parametrize("counts", [(39, 39), (60, 59)])
def test_too_few_texts_or_unequal_numbers_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(InvalidVectorsError, match="at least 40"):
        fit_bridge(vectors(counts[0], 4), vectors(counts[1], 4))
