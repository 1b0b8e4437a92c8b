"""Tests of many adapters at once: the pooled loss, the shared map and the decisions."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training import AdapterTrainer
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore
from query_adapters.training.decision import Evidence, Selection
from query_adapters.training.many.decision import ManyResult, decided
from query_adapters.training.many.shared import SharedMap, learn_shared_map
from query_adapters.training.many.tenant import Tenant, TenantSelection
from query_adapters.training.many.trainer import train_many
from query_adapters.training.pooled import PooledDataset, PooledLoss, full_loss
from query_adapters.training.softmax import FullSoftmaxLoss, Positives
from query_adapters.training.workers import SERIAL

DIM = 8
ANGLE = np.pi / 3  # the base ranks well at 0, and a map with the wrong sign is off by twice that
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
ROTATION = np.kron(np.eye(DIM // 2), TURN)
TRAINER = AdapterTrainer(
    strengths=(0.1,), whitenings=(0.0,), memories=(None,), n_folds=2, seen_share=1, n_jobs=1
)


def planted(seed: int, rotation: NDArray[np.float64] = ROTATION, *, n: int = 20) -> EmbeddedDataset:
    """Return unit questions; their documents are rotated questions plus noise."""
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n, DIM))
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    documents = queries @ rotation.T + 0.3 * rng.normal(size=(n, DIM)) / np.sqrt(DIM)
    return paired(queries, documents)


def paired(queries: NDArray[np.float64], documents: NDArray[np.float64]) -> EmbeddedDataset:
    """Return questions with one document each."""
    relevant = tuple(np.arange(len(queries))[:, None])
    return EmbeddedDataset(queries.astype(np.float32), documents.astype(np.float32), relevant)


def gain(data: EmbeddedDataset, adapter: QueryAdapter) -> float:
    base, adapted = (
        evaluate_vectors(data, system, metrics=["ndcg@10"]).means["ndcg@10"]
        for system in (None, adapter)
    )
    return adapted - base


def tenants(*data: EmbeddedDataset) -> list[Tenant]:
    return [Tenant(name=f"t{number}", data=each) for number, each in enumerate(data)]


@cache
def rotated() -> ManyResult:
    """Return the result of nine tenants with one rotation and one with its inverse."""
    alike = [planted(seed) for seed in range(9)]
    return train_many(tenants(*alike, planted(9, ROTATION.T)), TRAINER)


def test_a_rotation_that_all_have_serves_them_and_a_new_tenant() -> None:
    result = rotated()
    assert result.shared.is_proven
    assert gain(planted(99), result.shared.adapter) > 0.1
    for number, tenant in enumerate(result.tenants[:9]):
        assert tenant.decision in ("shared", "shared+own")
        assert gain(planted(100 + number), tenant.adapter) > 0.1


def test_a_tenant_with_the_opposite_map_is_not_given_the_shared_one() -> None:
    result = rotated()
    opposite = result.tenants[9]
    fresh = planted(100, ROTATION.T)
    assert gain(fresh, result.shared.apart[9]) < 0
    assert opposite.decision in ("base", "own")
    assert gain(fresh, opposite.adapter) >= 0


def test_the_map_of_a_tenant_is_not_learned_on_its_questions() -> None:
    alike = [planted(seed) for seed in range(6)]
    fingerprints = [
        [a.fingerprint for a in learn_shared_map([*alike, last], TRAINER, SERIAL).apart]
        for last in (planted(50, ROTATION.T), planted(51, ROTATION.T))
    ]
    assert fingerprints[0][6] == fingerprints[1][6]
    assert fingerprints[0][:6] != fingerprints[1][:6]


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_workers() -> None:
    few = tenants(*(planted(seed, n=12) for seed in range(2)))
    found = [train_many(few, replace(TRAINER, n_jobs=n_jobs)) for n_jobs in (1, 2)]
    served = [[(t.decision, t.p_value, t.adapter.fingerprint) for t in r.tenants] for r in found]
    assert served[0] == served[1]
    assert found[0].shared.adapter.fingerprint == found[1].shared.adapter.fingerprint


def test_unrelated_labels_keep_the_base() -> None:
    rng = np.random.default_rng(1)
    noise = [paired(rng.normal(size=(20, DIM)), rng.normal(size=(20, DIM))) for _ in range(3)]
    result = train_many(tenants(*noise), TRAINER)
    assert {tenant.decision for tenant in result.tenants} == {"base"}
    assert result.shared.served.is_identity


@pytest.mark.parametrize("with_units", [False, True])
def test_the_pooled_loss_is_the_mean_of_the_losses_of_each_dataset(with_units: bool) -> None:
    parts = [planted(0, n=5), planted(1, n=9)]
    if with_units:
        parts[1] = replace(
            parts[1], units=np.arange(9) // 3, relevant=tuple(np.arange(9)[:, None] // 3)
        )
    pooled = PooledDataset.of(parts)
    mapped = np.random.default_rng(2).normal(size=(14, DIM)).astype(np.float32)
    value, gradient = loss(pooled)(mapped)
    bounds = (slice(0, 5), slice(5, 14))
    own = [loss(part)(mapped[rows]) for part, rows in zip(parts, bounds, strict=True)]
    assert value == pytest.approx((5 * own[0][0] + 9 * own[1][0]) / 14, rel=1e-6)
    expected = np.concatenate([5 * own[0][1], 9 * own[1][1]]) / 14
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def loss(data: EmbeddedDataset) -> FullSoftmaxLoss | PooledLoss:
    documents = data.documents[data.labelled_rows.rows]
    offsets = np.zeros(len(documents), np.float32)
    return full_loss(data, documents, offsets, Positives.of(data))


def selection(p_value: float, *, shared: bool = False) -> TenantSelection:
    """Return the comparison of a tenant whose best candidate has this p value."""
    score = ViewScore(mean=0.1, error=0.01)
    row = CandidateScore(
        candidate=Candidate(0.0, 1.0, shared=shared), seen=score, unseen=None, overall=score
    )
    evidence = Evidence(
        gain=Interval(mean=0.1, low=0.0, high=0.2), by_view={}, tested=score, p_value=p_value
    )
    return TenantSelection(
        selection=Selection(best=row, evidence=evidence, is_kept=p_value <= 0.05, n_candidates=1),
        adapter=LinearAdapter(2 * np.eye(DIM)),
        table=(),
    )


def shared_map(*gains: float, p_value: float) -> SharedMap:
    adapter = LinearAdapter(3 * np.eye(DIM))
    return SharedMap(
        adapter=adapter,
        candidate=Candidate(0.0, 1.0),
        gain=ViewScore(mean=float(np.mean(gains)), error=0.01),
        p_value=p_value,
        apart=[adapter] * len(gains),
        gains=[np.array([each - 0.01, each + 0.01]) for each in gains],
    )


def test_p_values_are_adjusted_as_benjamini_and_hochberg_do() -> None:
    p_values = (0.01, 0.04, 0.03, 0.5)
    found = decided(
        tenants(*(planted(0, n=5) for _ in p_values)),
        [selection(p) for p in p_values],
        shared_map(0.0, 0.0, 0.0, 0.0, p_value=1.0),
        guard="strict",
        metric="ndcg@10",
    )
    # by hand, over 4 tests: 0.01 * 4/1; 0.03 * 4/2 and 0.04 * 4/3, each at most the next; 0.5
    by_hand = [0.04, 0.16 / 3, 0.16 / 3, 0.5]
    assert [tenant.p_adjusted for tenant in found] == pytest.approx(by_hand)
    assert [tenant.decision for tenant in found] == ["own", "base", "base", "base"]


def test_a_tenant_without_proof_gets_a_proven_shared_map_that_does_not_harm_it() -> None:
    p_values = (0.001, 0.9, 0.9)
    found = decided(
        tenants(*(planted(0, n=5) for _ in p_values)),
        [selection(p, shared=True) for p in p_values],
        shared_map(0.2, 0.1, -0.1, p_value=0.01),
        guard="strict",
        metric="ndcg@10",
    )
    assert [tenant.decision for tenant in found] == ["shared+own", "shared", "base"]
    assert [tenant.gain for tenant in found] == pytest.approx([0.1, 0.1, 0.0])
    assert found[2].adapter.is_identity


def test_the_table_has_a_line_for_each_tenant() -> None:
    lines = str(rotated()).splitlines()
    assert "proven" in lines[0]
    assert [line.split()[0] for line in lines[3:]] == [f"t{number}" for number in range(10)]


def test_one_tenant_and_mixed_lengths_are_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="at least two tenants"):
        train_many(tenants(planted(0)), TRAINER)
    longer = paired(np.eye(DIM + 1), np.eye(DIM + 1))
    with pytest.raises(DimensionMismatchError, match="tenant 't1'"):
        train_many(tenants(planted(0), longer), TRAINER)
