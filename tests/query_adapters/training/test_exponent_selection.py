"""Test that the exponent increases if the noise is largest in high-variance directions."""

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import AdapterTrainer
from query_adapters.training.candidates import Candidate
from query_adapters.training.exponent_selection import EXPONENT_INCREMENTS, select_exponent
from query_adapters.training.prior import spectral_prior
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior
from query_adapters.training.selection import Grid
from query_adapters.typing import Values

DIM = 12
EVEN = np.ones(DIM)
DOMINANT = np.r_[np.full(4, 4.0), np.ones(DIM - 4)]  # four directions hold most of the variance


def noisy(spread: Values, noise: Values, *, n: int = 120, extra: int = 40) -> EmbeddedDataset:
    """Queries are their documents plus noise; `extra` documents have no query."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(n + extra, DIM)) * spread
    queries = documents[:n] + rng.normal(size=(n, DIM)) * noise
    relevant = tuple(np.arange(n)[:, None])
    return EmbeddedDataset(queries.astype(np.float32), documents.astype(np.float32), relevant)


def grid(dataset: EmbeddedDataset, whitening: float) -> Grid:
    prior = Prior(PriorMap.of(spectral_prior(dataset.documents, exponent=whitening)), 10.0)
    return Grid(priors={whitening: prior}, candidates=(), metric="ndcg@10", with_bias=False)


def exponent(dataset: EmbeddedDataset, whitening: float, seed: int = 0) -> float:
    candidate = Candidate(whitening, 1e6)  # so large that the fit equals the prior
    return select_exponent(grid(dataset, whitening), dataset, candidate, seed=seed)


@pytest.mark.parametrize("whitening", [0.0, 0.1])
def test_exponent_rises_if_whitening_improves_retrieval(whitening: float) -> None:
    dataset = noisy(DOMINANT, DOMINANT**2 / 2)  # the dominant directions are the noisiest
    assert whitening < exponent(dataset, whitening) <= whitening + max(EXPONENT_INCREMENTS)


@pytest.mark.parametrize("seed", range(3))
def test_exponent_is_kept_if_documents_vary_evenly(seed: int) -> None:
    assert exponent(noisy(EVEN, EVEN), 0.1, seed) == 0.1


def test_exponent_is_kept_if_only_one_document_has_labels() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32)
    dataset = EmbeddedDataset(vectors, vectors[:1], (np.array([0]),) * 3)
    assert exponent(dataset, 0.15) == 0.15


def test_same_seed_selects_the_same_exponent() -> None:
    dataset = noisy(DOMINANT, DOMINANT)
    assert exponent(dataset, 0.0, 3) == exponent(dataset, 0.0, 3)


def test_trainer_adds_the_learned_map_to_the_prior_at_the_selected_exponent() -> None:
    dataset = noisy(DOMINANT, DOMINANT**2 / 2)
    served = dataset.documents[::2] * np.float32(1.5)
    trainer = AdapterTrainer(whitenings=(0.1,), strengths=(1e6,), memories=(None,), guard="off")
    results = [trainer.fit(dataset, served=s) for s in (None, served)]
    chosen = exponent(dataset, 0.1)
    assert chosen > 0.1
    assert [result.served_whitening for result in results] == [None, chosen]
    own, other = (result.adapter for result in results)
    assert isinstance(own, LinearAdapter)
    assert isinstance(other, LinearAdapter)
    here = spectral_prior(dataset.documents, exponent=0.1)
    shift = spectral_prior(served, exponent=chosen) - here
    np.testing.assert_allclose(other.weight - own.weight, shift, atol=1e-5)
