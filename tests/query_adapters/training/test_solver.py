"""Test that the solver finds the double-precision minimum of BFGS from any start."""

import logging
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.solver import COARSE, Precision, solve

DIM = 4
IDENTITY = LinearMap.of(np.eye(DIM, dtype=np.float32))


def noisy_dataset(seed: int = 0) -> EmbeddedDataset:
    """Return thirty queries near their relevant document, two or three per document."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(12, DIM))
    queries = np.tile(documents, (3, 1))[:30] + rng.normal(size=(30, DIM))
    rows = tuple(np.array([query % 12]) for query in range(30))
    return EmbeddedDataset(queries.astype(np.float32), documents.astype(np.float32), rows)


def objective(*, strength: float = 0.05, with_bias: bool = True) -> SoftmaxObjective:
    return SoftmaxObjective(noisy_dataset(), prior=IDENTITY, strength=strength, with_bias=with_bias)


def minimum_by_bfgs(*, strength: float, with_bias: bool) -> Any:
    """Return the minimum of softmax cross-entropy, found by BFGS.

    The objective equals this loss if each query has one relevant document.
    """
    dataset = noisy_dataset()
    relevant = np.concatenate(dataset.relevant)
    labelled = sorted(set(relevant.tolist()))
    queries, documents = dataset.queries.astype(np.float64), dataset.documents[labelled]
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    documents = documents / np.linalg.norm(documents.astype(np.float64), axis=1, keepdims=True)
    columns = [labelled.index(answer) for answer in relevant]
    start = np.vstack([np.eye(DIM), np.zeros(DIM)])[: DIM + with_bias]

    def value(flat: Any) -> Any:
        rows = flat.reshape(start.shape)
        mapped = queries @ rows[:DIM].T + (rows[DIM] if with_bias else 0)
        scores = 20 * mapped @ documents.T
        losses = logsumexp(scores, axis=1) - scores[np.arange(len(scores)), columns]
        return losses.mean() + strength * ((rows - start) ** 2).sum()

    found = minimize(value, start.ravel(), method="BFGS", jac="3-point", options={"gtol": 1e-7})
    return found.x.reshape(start.shape)


def distance(ours: LinearMap, theirs: Any) -> float:
    """Return the distance of two maps relative to the norm of the second."""
    rows = np.vstack([ours.weight, ours.bias])[: len(theirs)]
    return float(np.linalg.norm(rows - theirs) / np.linalg.norm(theirs))


@pytest.mark.slow
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("strength", [0.01, 0.3])
def test_minimum_matches_bfgs_in_double_precision(strength: float, with_bias: bool) -> None:
    found = solve(objective(strength=strength, with_bias=with_bias), IDENTITY)
    assert distance(found, minimum_by_bfgs(strength=strength, with_bias=with_bias)) < 1e-3
    assert found.bias.any() == with_bias


def test_coarse_minimum_is_within_2_percent() -> None:
    found = solve(objective(strength=0.01), IDENTITY, precision=COARSE)
    assert distance(found, minimum_by_bfgs(strength=0.01, with_bias=True)) < 0.02


def test_two_runs_give_identical_results() -> None:
    first, second = (solve(objective(), IDENTITY) for _ in range(2))
    assert first.weight.tobytes() == second.weight.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()


@pytest.mark.parametrize("seed", range(3))
def test_starting_point_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    away = LinearMap(*(2 * rng.normal(size=size).astype(np.float32) for size in ((DIM, DIM), DIM)))
    expected = solve(objective(), IDENTITY)
    assert distance(solve(objective(), away), np.vstack([expected.weight, expected.bias])) < 1e-3


def test_huge_strength_gives_the_prior() -> None:
    found = solve(objective(strength=1e6), IDENTITY)
    np.testing.assert_allclose(found.weight, IDENTITY.weight, atol=1e-4)
    np.testing.assert_allclose(found.bias, 0, atol=1e-4)


def test_reaching_the_iteration_limit_is_logged_and_convergence_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        solve(objective(), IDENTITY)
        assert not caplog.records
        solve(objective(strength=1e-3), IDENTITY, precision=Precision(max_iterations=2))
    assert [record.getMessage() for record in caplog.records] == [
        "L-BFGS stopped after 2 iterations before it converged"
    ]
