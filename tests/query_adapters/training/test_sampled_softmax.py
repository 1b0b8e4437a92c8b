"""Test that the sampled loss equals the full loss on a complete sample, else estimates it."""

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import objective, sampled_softmax
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.sampled_softmax import SampledSoftmaxLoss
from query_adapters.training.softmax import FullSoftmaxLoss, Positives
from query_adapters.training.solver import solve
from query_adapters.typing import Values, Vectors

DIM, N_DOCUMENTS, N_QUERIES = 5, 30, 12


@pytest.fixture
def dataset() -> EmbeddedDataset:
    """Return queries with one to ten relevant documents; every document is relevant to one."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(N_DOCUMENTS, DIM))
    relevant = [rng.choice(N_DOCUMENTS, size=n, replace=False) for n in (1, 2, 3) * 4]
    relevant += [np.arange(N_DOCUMENTS)[part::3] for part in range(3)]
    queries = np.stack([documents[rows].mean(axis=0) for rows in relevant])
    return EmbeddedDataset(
        (queries + 0.3 * rng.normal(size=queries.shape)).astype(np.float32),
        (documents / np.linalg.norm(documents, axis=1, keepdims=True)).astype(np.float32),
        tuple(relevant),
    )


@pytest.fixture
def offsets() -> Vectors:
    return (np.random.default_rng(1).normal(size=N_DOCUMENTS) / 10).astype(np.float32)


def mined(
    dataset: EmbeddedDataset, offsets: Vectors, *, seed: int = 0, at: Vectors | None = None
) -> SampledSoftmaxLoss:
    mapped = dataset.queries if at is None else at
    return SampledSoftmaxLoss.mined(
        dataset.documents, offsets, Positives.of(dataset), mapped, seed=seed
    )


@pytest.mark.parametrize("at_once", [1, 2_000, 10**9])
def test_sample_of_all_documents_gives_the_full_loss(
    dataset: EmbeddedDataset, offsets: Vectors, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_softmax, "N_HARDEST", N_DOCUMENTS)
    monkeypatch.setattr(sampled_softmax, "GATHERED_AT_ONCE", at_once)
    monkeypatch.setattr(sampled_softmax, "SCORES_AT_ONCE", at_once)
    mapped = dataset.queries + 0.1
    value, gradient = mined(dataset, offsets)(mapped)
    full = FullSoftmaxLoss(dataset.documents, offsets, Positives.of(dataset))
    expected, expected_gradient = full(mapped)
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-4, atol=1e-5)


def test_gradient_matches_central_differences(
    dataset: EmbeddedDataset, offsets: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_softmax, "N_HARDEST", 4)
    monkeypatch.setattr(sampled_softmax, "N_RANDOM", 6)
    loss = mined(dataset, offsets)
    _, gradient = loss(dataset.queries)
    rng, step = np.random.default_rng(2), 1e-2
    for _ in range(5):
        direction = rng.normal(size=dataset.queries.shape).astype(np.float32)
        ends = [loss(dataset.queries + sign * step * direction)[0] for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / (2 * step)
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=2e-2, abs=1e-3)


def test_sum_over_the_sample_is_unbiased(
    dataset: EmbeddedDataset, offsets: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_softmax, "N_HARDEST", 3)
    monkeypatch.setattr(sampled_softmax, "N_RANDOM", 5)
    scores = dataset.queries @ dataset.documents.T + offsets
    scores -= scores.max(axis=1, keepdims=True)
    negatives = np.exp(scores)
    for query, rows in enumerate(dataset.relevant):
        negatives[query, rows] = 0
    hardest = np.sort(negatives, axis=1)[:, -3:].sum(axis=1)
    assert (hardest < 0.6 * negatives.sum(axis=1)).sum() > 8
    sums = []
    for seed in range(2_000):
        loss = mined(dataset, offsets, seed=seed)
        sampled = np.take_along_axis(scores, loss.columns, axis=1) + loss.corrections
        sums.append(np.exp(sampled).sum(axis=1))
    np.testing.assert_allclose(np.mean(sums, axis=0), negatives.sum(axis=1), rtol=0.05, atol=1e-12)


def test_no_negative_is_relevant_and_none_is_mined_and_drawn(
    dataset: EmbeddedDataset, offsets: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled_softmax, "N_HARDEST", 8)
    loss = mined(dataset, offsets)
    for query, rows in enumerate(dataset.relevant):
        sampled = loss.columns[query][np.isfinite(loss.corrections[query])]
        hardest = loss.columns[query][:8][np.isfinite(loss.corrections[query][:8])]
        drawn = loss.columns[query][8:][np.isfinite(loss.corrections[query][8:])]
        assert not set(sampled) & set(rows)
        assert len(set(hardest)) == len(hardest)
        assert not set(hardest) & set(drawn)


def noisy(n: int = 200) -> EmbeddedDataset:
    rng = np.random.default_rng(4)
    documents = rng.normal(size=(n, DIM))
    queries = documents @ rng.normal(size=(DIM, DIM)) + 0.3 * rng.normal(size=(n, DIM))
    return EmbeddedDataset(
        queries.astype(np.float32), documents.astype(np.float32), tuple(np.arange(n)[:, None])
    )


def fitted() -> Values:
    function = SoftmaxObjective(
        noisy(),
        inputs=QueryInputs.of(noisy(), COSINE, with_bias=True, memory=None),
        prior=PriorMap.of(np.eye(DIM, dtype=np.float32)),
        temperature=20.0,
        strength=0.05,
    )
    return solve(function, np.zeros(function.shape))


def test_fit_with_sampled_negatives_is_near_the_full_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = fitted()
    monkeypatch.setattr(objective, "MAX_FULL_DOCUMENTS", 100)
    estimated, again = fitted(), fitted()
    assert np.linalg.norm(estimated - full) < 0.1 * np.linalg.norm(full)
    assert (estimated != full).any()
    np.testing.assert_array_equal(estimated, again)
