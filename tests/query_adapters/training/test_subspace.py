"""Test that a fit in the subspace of queries and documents equals the full fit."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.memory import Memory, MemorySettings
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.regularization_path import PathOptions, RegularizationPath
from query_adapters.training.solver import FINE, Precision, solve
from query_adapters.training.subspace import Subspace, orthonormal_basis
from query_adapters.typing import Vectors

DIM = 20
EXACT = Precision(gradient=1e-9, decrease=1e-12)


def random_rows(seed: int, *shape: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small_dataset(n_queries: int, n_documents: int) -> EmbeddedDataset:
    documents = random_rows(1, n_documents, DIM)
    relevant = [query % n_documents for query in range(n_queries)]
    queries = documents[relevant] + random_rows(2, n_queries, DIM)
    return EmbeddedDataset(queries, documents, tuple(np.array([row]) for row in relevant))


def prior(*, bias: float = 0.3) -> LinearMap:
    weight = np.eye(DIM, dtype=np.float32) + 0.2 * random_rows(3, DIM, DIM)
    return LinearMap(weight, bias * random_rows(4, DIM))


@pytest.mark.parametrize(
    "memory", [None, MemorySettings(ease=1.0, sharpness=8.0)], ids=["linear", "memory"]
)
@pytest.mark.parametrize("sizes", [(12, 5), (12, 40), (60, 5)], ids=str)
def test_minimum_equals_that_in_all_coordinates(
    sizes: tuple[int, int], memory: MemorySettings | None
) -> None:
    dataset = small_dataset(*sizes)
    fitted_memory = None if memory is None else Memory.of(dataset, memory)
    wide = prior().widened(DIM + (0 if fitted_memory is None else len(fitted_memory.landmarks)))
    whole = SoftmaxObjective(
        dataset, prior=wide, strength=0.1, with_bias=True, memory=fitted_memory
    )
    expected = solve(whole, wide, precision=EXACT)
    options = PathOptions(with_bias=True, similarity="cosine", precision=EXACT)
    path = RegularizationPath(dataset, prior(), memory, options)
    path.step(1.0)
    found = path.step(0.1).map
    np.testing.assert_allclose(found.weight, expected.weight, atol=2e-4)
    np.testing.assert_allclose(found.bias, expected.bias, atol=2e-4)
    assert not np.allclose(expected.weight, wide.weight, atol=1e-2)


def test_infinite_strength_gives_the_prior() -> None:
    options = PathOptions(with_bias=False, similarity="cosine", precision=FINE)
    fit = RegularizationPath(small_dataset(6, 4), prior(), None, options).step(inf)
    np.testing.assert_array_equal(fit.map.weight, prior().weight)
    np.testing.assert_array_equal(fit.map.bias, prior().bias)


def test_few_queries_and_documents_give_few_coordinates() -> None:
    objective = SoftmaxObjective(small_dataset(6, 4), prior=prior(), strength=0.1)
    assert objective.in_subspace(objective.subspace).shape == (4, 6)


@given(n_documents=st.integers(1, 30), n_inputs=st.integers(1, 30), seed=st.integers(0, 99))
def test_project_inverts_expand(n_documents: int, n_inputs: int, seed: int) -> None:
    documents, inputs = random_rows(seed, n_documents, DIM), random_rows(seed + 1, n_inputs, DIM)
    subspace = Subspace(orthonormal_basis(documents), orthonormal_basis(inputs))
    n, m = min(n_documents, DIM), min(n_inputs, DIM)
    reduced = LinearMap(random_rows(seed + 2, n, m), random_rows(seed + 3, n))
    again = subspace.project(subspace.expand(reduced))
    np.testing.assert_allclose(again.weight, reduced.weight, atol=1e-4)
    np.testing.assert_allclose(again.bias, reduced.bias, atol=1e-4)


def test_scores_depend_only_on_the_subspace() -> None:
    documents, inputs = random_rows(5, 7, DIM), random_rows(6, 9, DIM)
    subspace = Subspace(orthonormal_basis(documents), orthonormal_basis(inputs))
    at = prior()
    inside = subspace.expand(subspace.project(at))
    scores = documents @ (at.weight @ inputs.T + at.bias[:, None])
    within = documents @ (inside.weight @ inputs.T + inside.bias[:, None])
    np.testing.assert_allclose(within, scores, atol=1e-4)
