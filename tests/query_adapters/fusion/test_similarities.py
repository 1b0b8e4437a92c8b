"""Tests of similarities: as the store ranks, the higher, the more similar."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.evaluation.search import exact_search
from query_adapters.fusion.similarities import similarities
from query_adapters.typing import Similarity, Vectors

QUERIES = np.array([[3, 4], [0, 2]], dtype=np.float32)
DOCUMENTS = np.array([[6, 8], [4, -3], [0, 0]], dtype=np.float32)


def drawn(seed: int, n: int) -> Vectors:
    vectors: Vectors = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return vectors


@pytest.mark.parametrize(
    ("similarity", "expected"),
    [
        ("cosine", [[1, 0, 0], [0.8, -0.6, 0]]),
        ("dot", [[50, 0, 0], [16, -6, 0]]),
        ("euclidean", [[-5, -(50**0.5), -5], [-(72**0.5), -(41**0.5), -2]]),
    ],
)
def test_values_by_hand(similarity: Similarity, expected: list[list[float]]) -> None:
    found = similarities(QUERIES, DOCUMENTS, similarity)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@given(seed=st.integers(0, 999), factor=st.floats(1e-3, 1e3))
def test_cosines_do_not_depend_on_lengths_and_dot_products_grow_with_them(
    seed: int, factor: float
) -> None:
    queries, documents, scale = drawn(seed, 3), drawn(seed + 1_000, 4), np.float32(factor)
    cosines = similarities(queries, documents, "cosine")
    scaled = similarities(scale * queries, documents, "cosine")
    np.testing.assert_allclose(scaled, cosines, atol=1e-5)
    products = similarities(queries, scale * documents, "dot")
    expected = factor * similarities(queries, documents, "dot")
    np.testing.assert_allclose(products, expected, rtol=1e-3, atol=1e-4 * factor)


@given(seed=st.integers(0, 999))
def test_distances_are_those_of_a_loop_and_stay_finite_for_equal_vectors(seed: int) -> None:
    queries, documents = drawn(seed, 3), np.concatenate([drawn(seed + 1, 4), drawn(seed, 3)])
    found = similarities(queries, documents, "euclidean")
    expected = [
        [-float(np.sqrt(((query - row) ** 2).sum())) for row in documents] for query in queries
    ]
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert (found <= 0).all()


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
def test_the_order_is_that_of_exact_search(similarity: Similarity) -> None:
    queries, documents = drawn(3, 20), drawn(4, 50)
    found = np.argsort(-similarities(queries, documents, similarity), axis=1)[:, :10]
    expected = exact_search(queries, documents, k=10, similarity=similarity)
    np.testing.assert_array_equal(found, expected)
