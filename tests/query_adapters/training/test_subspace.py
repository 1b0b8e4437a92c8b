"""Test that a fit in the subspace of documents and inputs equals the full fit."""

from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.candidates import Candidate
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.memory import MemorySettings
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import (
    Fit,
    PathOptions,
    Prior,
    RegularizationPath,
)
from query_adapters.training.solver import FINE, Precision
from query_adapters.training.subspace import Subspace, orthonormal_basis
from query_adapters.typing import Vectors

DIM = 20
TEMPERATURE = 10.0
EXACT = Precision(max_iterations=2_000, gradient=1e-9, decrease=1e-12)
MEMORY = MemorySettings(ease=1.0, sharpness=8.0)


def random_rows(seed: int, *shape: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small_dataset(n_queries: int, n_documents: int) -> EmbeddedDataset:
    documents = random_rows(1, n_documents, DIM)
    relevant = [query % n_documents for query in range(n_queries)]
    queries = documents[relevant] + random_rows(2, n_queries, DIM)
    return EmbeddedDataset(queries, documents, tuple(np.array([row]) for row in relevant))


def prior_map() -> PriorMap:
    weight = np.eye(DIM, dtype=np.float32) + 0.2 * random_rows(3, DIM, DIM)
    return PriorMap.of(weight, 0.3 * random_rows(4, DIM))


def path_of(
    dataset: EmbeddedDataset, memory: MemorySettings | None, precision: Precision = FINE
) -> RegularizationPath:
    options = PathOptions(with_bias=True, similarity="cosine", precision=precision)
    prior = Prior(prior_map(), TEMPERATURE)
    return RegularizationPath(dataset, prior, Candidate(0.0, 1.0, memory), options)


def minimum_in_all_dimensions(fit: Fit, dataset: EmbeddedDataset, *, tau: float) -> Any:
    """Return A at λ = 0.1 from L-BFGS on the whole matrix, in double precision."""
    labelled, wanted = np.unique(np.concatenate(dataset.relevant), return_inverse=True)
    documents = COSINE.scaled_documents(dataset.documents[labelled]).astype(np.float64)
    start = fit.prior(COSINE.scaled_queries(dataset.queries)).astype(np.float64)
    inputs = fit.inputs(dataset.queries).astype(np.float64)
    each = np.arange(len(inputs))

    def value_and_slope(flat: Any) -> tuple[float, Any]:
        learned = flat.reshape(DIM, -1)
        scores = tau * (start + inputs @ learned.T) @ documents.T
        losses = logsumexp(scores, axis=1) - scores[each, wanted]
        residuals = softmax(scores, axis=1)
        residuals[each, wanted] -= 1
        slope = tau * documents.T @ residuals.T @ inputs / len(inputs) + 0.2 * learned
        return float(losses.mean() + 0.1 * (learned**2).sum()), slope.ravel()

    found = minimize(
        value_and_slope,
        np.zeros(DIM * inputs.shape[1]),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-9, "ftol": 1e-14, "maxiter": 5_000},
    )
    return found.x.reshape(DIM, -1)


@pytest.mark.parametrize("memory", [None, MEMORY], ids=["linear", "memory"])
@pytest.mark.parametrize("sizes", [(12, 5), (12, 40), (60, 5)], ids=str)
def test_minimum_equals_that_in_all_dimensions(
    sizes: tuple[int, int], memory: MemorySettings | None
) -> None:
    dataset = small_dataset(*sizes)
    path = path_of(dataset, memory, EXACT)
    path.step(1.0)
    found = path.step(0.1)
    tau = TEMPERATURE * Candidate(0.0, 1.0, memory).sharpening
    expected = minimum_in_all_dimensions(found, dataset, tau=tau)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found.learned, expected, atol=3e-4)


@pytest.mark.parametrize("memory", [None, MEMORY], ids=["linear", "memory"])
def test_infinite_strength_gives_the_prior(memory: MemorySettings | None) -> None:
    dataset = small_dataset(6, 4)
    fit = path_of(dataset, memory).step(inf)
    assert not fit.learned.any()
    units = COSINE.scaled_queries(random_rows(9, 5, DIM))
    adapted = fit.as_adapter(units)(units)
    expected = COSINE.scaled_queries(units @ prior_map().weight.T + prior_map().bias)
    np.testing.assert_allclose(adapted, expected, atol=1e-5)


def test_few_queries_and_documents_give_few_coordinates() -> None:
    dataset = small_dataset(6, 4)
    objective = SoftmaxObjective(
        dataset,
        inputs=QueryInputs.of(dataset, COSINE, with_bias=True, memory=MEMORY),
        prior=prior_map(),
        temperature=TEMPERATURE,
        strength=0.1,
    )
    assert objective.shape == (4, 6)


@given(n=st.integers(1, 30), dim=st.integers(1, 30), seed=st.integers(0, 99))
def test_a_basis_is_orthonormal_and_spans_the_rows(n: int, dim: int, seed: int) -> None:
    rows = random_rows(seed, n, dim)
    basis = orthonormal_basis(rows)
    assert (basis is None) == (n >= dim)
    if basis is not None:
        np.testing.assert_allclose(basis @ basis.T, np.eye(n), atol=1e-5)
        np.testing.assert_allclose(rows @ basis.T @ basis, rows, atol=1e-4)


@given(n_documents=st.integers(1, 30), n_inputs=st.integers(1, 30), seed=st.integers(0, 99))
def test_coordinates_score_as_the_matrix_that_they_stand_for(
    n_documents: int, n_inputs: int, seed: int
) -> None:
    documents, inputs = random_rows(seed, n_documents, DIM), random_rows(seed + 1, n_inputs, DIM)
    subspace = Subspace(documents, inputs)
    assert subspace.shape == (min(n_documents, DIM), min(n_inputs, DIM))
    coordinates = random_rows(seed + 2, *subspace.shape)
    learned = subspace.expand(coordinates)
    assert learned.shape == (DIM, DIM)
    assert np.linalg.norm(learned) == pytest.approx(np.linalg.norm(coordinates), rel=1e-4)
    np.testing.assert_allclose(
        subspace.documents @ coordinates @ subspace.inputs.T,
        documents @ learned @ inputs.T,
        atol=5e-3,
    )


@pytest.mark.parametrize("n_documents", [7, 30])
def test_projected_vectors_have_the_same_scores(n_documents: int) -> None:
    documents, mapped = random_rows(5, n_documents, DIM), random_rows(6, 9, DIM)
    subspace = Subspace(documents, random_rows(7, 3, DIM))
    np.testing.assert_allclose(
        subspace.project(mapped) @ subspace.documents.T, mapped @ documents.T, atol=1e-4
    )
