"""How strongly an index without labels is whitened: where the spectrum hides the answers, more."""

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import AdapterTrainer
from query_adapters.training.candidates import Candidate
from query_adapters.training.exponent_selection import FURTHER, served_exponent
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.prior import spectral_prior
from query_adapters.training.selection import Grid
from query_adapters.typing import Values

DIM = 12
EVEN = np.ones(DIM)
LOUD = np.r_[np.full(4, 4.0), np.ones(DIM - 4)]  # four directions in which documents differ most


def noisy(spread: Values, noise: Values, *, n: int = 120, extra: int = 40) -> EmbeddedDataset:
    """Questions are their documents plus noise; further documents answer none."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(n + extra, DIM)) * spread
    queries = documents[:n] + rng.normal(size=(n, DIM)) * noise
    relevant = tuple(np.arange(n)[:, None])
    return EmbeddedDataset(queries.astype(np.float32), documents.astype(np.float32), relevant)


def grid(dataset: EmbeddedDataset, whitening: float) -> Grid:
    prior = LinearMap.of(spectral_prior(dataset.documents, exponent=whitening))
    return Grid(priors={whitening: prior}, strengths=(1e6,), metric="ndcg@10", with_bias=False)


def exponent(dataset: EmbeddedDataset, whitening: float, seed: int = 0) -> float:
    candidate = Candidate(whitening, 1e6)  # the prior and nothing else
    return served_exponent(grid(dataset, whitening), dataset, candidate, seed)


@pytest.mark.parametrize("whitening", [0.0, 0.1])
def test_it_is_raised_where_whitening_brings_out_the_answers(whitening: float) -> None:
    dataset = noisy(LOUD, LOUD**2 / 2)  # the loud directions are the noisy ones
    assert whitening < exponent(dataset, whitening) <= whitening + max(FURTHER)


@pytest.mark.parametrize("seed", range(3))
def test_it_stands_where_documents_spread_evenly(seed: int) -> None:
    assert exponent(noisy(EVEN, EVEN), 0.1, seed) == 0.1


def test_it_stands_where_there_is_but_one_document_to_learn_from() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32)
    dataset = EmbeddedDataset(vectors, vectors[:1], (np.array([0]),) * 3)
    assert exponent(dataset, 0.15) == 0.15


def test_the_same_seed_chooses_the_same() -> None:
    dataset = noisy(LOUD, LOUD)
    assert exponent(dataset, 0.0, 3) == exponent(dataset, 0.0, 3)


def test_the_trainer_puts_the_map_on_the_prior_that_was_chosen() -> None:
    dataset = noisy(LOUD, LOUD**2 / 2)
    served = dataset.documents[::2] * np.float32(1.5)
    trainer = AdapterTrainer(whitenings=(0.1,), strengths=(1e6,), guard="off")
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
