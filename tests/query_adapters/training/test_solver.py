"""Test that the solver finds the double-precision minimum of BFGS from any start."""

import logging
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.solver import COARSE, FINE, Precision, solve
from query_adapters.typing import Values

DIM = 4
TEMPERATURE = 20.0


def noisy_dataset(seed: int = 0) -> EmbeddedDataset:
    """Return thirty queries near their relevant document, two or three per document."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(12, DIM))
    queries = np.tile(documents, (3, 1))[:30] + rng.normal(size=(30, DIM))
    rows = tuple(np.array([query % 12]) for query in range(30))
    return EmbeddedDataset(queries.astype(np.float32), documents.astype(np.float32), rows)


def objective(*, strength: float = 0.05, with_bias: bool = True) -> SoftmaxObjective:
    return SoftmaxObjective(
        noisy_dataset(),
        inputs=QueryInputs.of(noisy_dataset(), COSINE, with_bias=with_bias, memory=None),
        prior=PriorMap.of(np.eye(DIM, dtype=np.float32)),
        temperature=TEMPERATURE,
        strength=strength,
    )


def solved(
    *, strength: float = 0.05, with_bias: bool = True, precision: Precision = FINE
) -> Values:
    """Return the minimum, searched for from the prior."""
    function = objective(strength=strength, with_bias=with_bias)
    return solve(function, np.zeros(function.shape), precision=precision)


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
    inputs = queries
    if with_bias:
        centred = queries - queries.mean(axis=0)
        constant = 0.5 * np.sqrt((centred**2).sum() / len(centred))
        inputs = np.hstack([centred, np.full((len(centred), 1), constant)])
    shape = DIM, inputs.shape[1]

    def value(flat: Any) -> Any:
        learned = flat.reshape(shape)
        scores = TEMPERATURE * (queries + inputs @ learned.T) @ documents.T
        losses = logsumexp(scores, axis=1) - scores[np.arange(len(scores)), columns]
        return losses.mean() + strength * (learned**2).sum()

    start = np.zeros(DIM * shape[1])
    found = minimize(value, start, method="BFGS", jac="3-point", options={"gtol": 1e-7})
    return found.x.reshape(shape)


def distance(ours: Values, theirs: Any) -> float:
    """Return the distance of two matrices relative to the norm of the second."""
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


@pytest.mark.slow
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("strength", [0.01, 0.3])
def test_minimum_matches_bfgs_in_double_precision(strength: float, with_bias: bool) -> None:
    found = solved(strength=strength, with_bias=with_bias)
    assert distance(found, minimum_by_bfgs(strength=strength, with_bias=with_bias)) < 1e-3


def test_coarse_minimum_is_within_2_percent() -> None:
    found = solved(strength=0.01, precision=COARSE)
    assert distance(found, minimum_by_bfgs(strength=0.01, with_bias=True)) < 0.02


def test_two_runs_give_identical_results() -> None:
    assert solved().tobytes() == solved().tobytes()


@pytest.mark.parametrize("seed", range(3))
def test_starting_point_does_not_matter(seed: int) -> None:
    away = 2 * np.random.default_rng(seed).normal(size=objective().shape)
    assert distance(solve(objective(), away), solved()) < 1e-3


def test_huge_strength_gives_the_prior() -> None:
    np.testing.assert_allclose(solved(strength=1e6), 0, atol=1e-4)


def test_reaching_the_iteration_limit_is_logged_and_convergence_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        solved()
        assert not caplog.records
        solved(strength=1e-3, precision=Precision(max_iterations=2))
    assert [record.getMessage() for record in caplog.records] == [
        "L-BFGS stopped after 2 iterations before it converged"
    ]
