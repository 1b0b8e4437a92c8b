"""Test that the sample for comparing candidates resembles the whole dataset."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors, exact_search
from query_adapters.training import AdapterTrainer, subsample
from query_adapters.training.prior import spectral_prior
from query_adapters.training.subsample import selection_sample

DIM = 8


def dataset(n_queries: int, n_labelled: int, n_documents: int = 400) -> EmbeddedDataset:
    """Return queries whose relevant documents cycle through the first `n_labelled` ones."""
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(n_documents, DIM)).astype(np.float32)
    relevant = np.arange(n_queries) % n_labelled
    queries = documents[relevant] + rng.normal(size=(n_queries, DIM)).astype(np.float32)
    return EmbeddedDataset(queries, documents, tuple(relevant[:, None]))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subsample, "MAX_QUERIES", 60)
    monkeypatch.setattr(subsample, "MAX_DOCUMENTS", 200)
    monkeypatch.setattr(subsample, "NEAREST", 2)


def test_small_dataset_is_returned_unchanged() -> None:
    whole = dataset(100, 30)
    assert selection_sample(whole, similarity="cosine", seed=0) is whole


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("n_labelled", "each"), [(300, 1), (100, 3), (30, 4), (10, 6)])
def test_documents_with_several_queries_keep_several(n_labelled: int, each: int) -> None:
    part = selection_sample(dataset(300, n_labelled), similarity="cosine", seed=0)
    assert len(part.queries) == 60
    counts = np.unique(np.concatenate(part.relevant), return_counts=True)[1]
    assert np.median(counts) == each


@pytest.mark.usefixtures("small")
def test_queries_keep_their_relevant_and_nearest_documents() -> None:
    whole = dataset(300, 100)
    part = selection_sample(whole, similarity="cosine", seed=0)
    assert len(part.documents) == 200
    row_of = {vector.tobytes(): row for row, vector in enumerate(whole.queries)}
    rows = np.array([row_of[vector.tobytes()] for vector in part.queries])
    for query, relevant in zip(rows, part.relevant, strict=True):
        np.testing.assert_array_equal(
            part.documents[relevant], whole.documents[whole.relevant[query]]
        )
    nearest = exact_search(part.queries, part.documents, k=2)
    expected = exact_search(whole.queries[rows], whole.documents, k=2)
    np.testing.assert_array_equal(part.documents[nearest], whole.documents[expected])


@pytest.mark.usefixtures("small")
def test_the_seed_decides_the_sample() -> None:
    whole = dataset(300, 100)
    first, again, other = (
        selection_sample(whole, similarity="cosine", seed=seed).queries for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.usefixtures("small")
def test_chosen_candidate_is_trained_on_the_whole_dataset() -> None:
    rng = np.random.default_rng(1)
    rotation = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    documents = rng.normal(size=(300, DIM))
    train = EmbeddedDataset(
        (documents @ rotation).astype(np.float32),
        documents.astype(np.float32),
        tuple(np.arange(300)[:, None]),
    )
    result = AdapterTrainer(strengths=(0.01,)).fit(train)
    assert (result.n_queries, result.n_compared, result.n_documents) == (300, 60, 300)
    assert result.chosen is not None
    fitted = evaluate_vectors(train, result.adapter, metrics=["mrr@10"]).means["mrr@10"]
    assert fitted > 0.95


@pytest.mark.usefixtures("small")
def test_the_prior_is_that_of_all_documents() -> None:
    """The sample holds the documents near questions more often, whose spectrum differs."""
    whole = dataset(300, 100)
    options: dict[str, Any] = {"strengths": (1e6,), "memories": (None,), "whitenings": (0.3,)}
    result = AdapterTrainer(**options, bias=False, guard="off").fit(stretched(whole))
    assert isinstance(result.adapter, LinearAdapter)
    expected = spectral_prior(stretched(whole).documents, exponent=0.3)
    np.testing.assert_allclose(result.adapter.weight, expected, atol=1e-4)


def stretched(data: EmbeddedDataset) -> EmbeddedDataset:
    """Return the dataset with documents that vary most in a direction that says little."""
    noise = np.zeros_like(data.documents)
    noise[:, 0] = 6 * np.random.default_rng(5).normal(size=len(noise))
    return replace(data, documents=data.documents + noise)
