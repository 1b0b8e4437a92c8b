"""Test that training on a device of torch solves the problem that numpy solves."""

from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.device import Device, device_of
from query_adapters.training import AdapterTrainer, objective
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.pooled import PooledDataset
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.solver import FINE, solve
from tests.small_memory import SmallMemory

pytest.importorskip("torch")
DIM, N_DOCUMENTS = 6, 90
RELATIVE = 1e-5  # rounding in single precision


def asked(seed: int = 0, *, per_unit: int = 1) -> EmbeddedDataset:
    """Return two questions about each document or unit, a third of them with two answers."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(N_DOCUMENTS, DIM)).astype(np.float32)
    rows = np.repeat(np.arange(N_DOCUMENTS), 2)
    turn = np.eye(DIM) + 0.5 * rng.normal(size=(DIM, DIM))
    queries = documents[rows] @ turn + 0.6 * rng.normal(size=(len(rows), DIM))
    units = rows // per_unit
    relevant = [
        np.unique([unit, unit // 2] if n % 3 == 0 else unit) for n, unit in enumerate(units)
    ]
    of_documents = np.arange(N_DOCUMENTS) // per_unit if per_unit > 1 else None
    return EmbeddedDataset(
        queries.astype(np.float32), documents, tuple(relevant), units=of_documents
    )


def problem(dataset: EmbeddedDataset, device: Device | None = None) -> SoftmaxObjective:
    score = LinearScore.of(dataset.documents, "euclidean")
    return SoftmaxObjective(
        dataset,
        inputs=QueryInputs.of(dataset, score, with_bias=True, memory=None),
        prior=PriorMap.of(np.eye(DIM, dtype=np.float32)),
        temperature=4.0,
        strength=0.01,
        device=device,
    )


kinds = pytest.mark.parametrize("kind", ["all", "units", "pooled", "sampled"])


@pytest.fixture
def dataset(kind: str, monkeypatch: pytest.MonkeyPatch) -> EmbeddedDataset:
    if kind == "sampled":
        monkeypatch.setattr(objective, "MAX_FULL_DOCUMENTS", N_DOCUMENTS - 1)
    if kind == "pooled":
        return PooledDataset.of([asked(0), asked(1)])
    return asked(per_unit=3 if kind == "units" else 1)


@kinds
@pytest.mark.parametrize("most", [10**9, 4_000, 500])
def test_loss_gradient_and_negatives_are_those_of_numpy_in_blocks_of_any_size(
    dataset: EmbeddedDataset, most: int
) -> None:
    expected = problem(dataset)
    with SmallMemory(most):
        found = problem(dataset, Device("cpu:0"))
        at = 0.1 * np.random.default_rng(2).normal(size=expected.shape)
        value, gradient = found.value_and_gradient(at)
    expected_value, expected_gradient = expected.value_and_gradient(at)
    assert value == pytest.approx(expected_value, rel=RELATIVE)
    largest = np.abs(expected_gradient).max()
    np.testing.assert_allclose(gradient, expected_gradient, atol=RELATIVE * largest)
    if hasattr(expected._loss, "columns"):
        for mine, other in zip(samples(found), samples(expected), strict=True):
            assert mine == other


def samples(of: SoftmaxObjective) -> list[list[tuple[int, float]]]:
    """Return the sampled negatives of each question with their corrections, in one order."""
    loss: Any = of._loss
    pairs = zip(loss.columns.tolist(), loss.corrections.tolist(), strict=True)
    return [sorted(zip(*pair, strict=True)) for pair in pairs]


@kinds
def test_the_optimum_is_that_of_numpy_within_the_tolerance_of_the_solver(
    dataset: EmbeddedDataset,
) -> None:
    by_numpy, by_torch = problem(dataset), problem(dataset, Device("cpu:0"))
    expected, found = (solve(f, np.zeros(f.shape)) for f in (by_numpy, by_torch))
    least = by_numpy.value_and_gradient(expected)[0]
    assert by_numpy.value_and_gradient(found)[0] == pytest.approx(least, rel=10 * FINE.decrease)


def test_training_on_a_device_chooses_the_same_candidate() -> None:
    found = [
        AdapterTrainer(
            strengths=(0.1,),
            whitenings=(0.0,),
            memories=(None,),
            n_folds=2,
            seen_share=1,
            guard="off",
            device=device,
        ).fit(asked())
        for device in ("cpu", "cpu:0")
    ]
    chosen = [result.chosen for result in found]
    assert None not in chosen
    assert len({one.candidate for one in chosen if one is not None}) == 1
    adapters = [result.adapter for result in found]
    weights = [adapter.weight for adapter in adapters if isinstance(adapter, LinearAdapter)]
    one, other = weights
    np.testing.assert_allclose(one, other, atol=1e-3)
    assert isinstance(device_of("cpu:0"), Device)


def test_a_trainer_refuses_a_device_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"device: expected one of cpu.*, got 'cuda:99'"):
        AdapterTrainer(device="cuda:99")
