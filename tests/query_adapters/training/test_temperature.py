"""Test the fitted temperature against a search of its loss in double precision."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import temperature
from query_adapters.training.linear_score import COSINE, LinearScore
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.temperature import fitted_temperature
from query_adapters.typing import Similarity

DIM = 6
IDENTITY = PriorMap.of(np.eye(DIM, dtype=np.float32))


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def noisy(seed: int = 0, *, n: int = 40, noise: float = 1.0) -> EmbeddedDataset:
    """Return queries near the first of their one or two relevant documents, graded 1 to 3."""
    rng = np.random.default_rng(seed)
    documents = rng.uniform(0.7, 1.4, size=(n, 1)) * unit(rng.normal(size=(n, DIM)))
    queries = documents + noise * rng.normal(size=documents.shape) / np.sqrt(DIM)
    relevant = [
        np.array([row, (row + 1) % n])[: 1 + row % 2] if n > 1 else np.array([0])
        for row in range(n)
    ]
    grades = tuple(rng.integers(1, 4, size=len(rows)).astype(float) for rows in relevant)
    return EmbeddedDataset(queries.astype("f4"), documents.astype("f4"), tuple(relevant), grades)


def loss_at(
    tau: float, dataset: EmbeddedDataset, prior: PriorMap, score: LinearScore, length: float = 1.0
) -> float:
    """Return the softmax loss of the prior, in plain loops, for mapped queries times `length`."""
    labelled = dataset.labelled.tolist()
    documents = score.scaled_documents(dataset.documents).astype(np.float64)
    total = 0.0
    for u, rows, grades in zip(
        score.scaled_queries(dataset.queries), dataset.relevant, dataset.grades, strict=True
    ):
        z = length * (prior.weight @ u + prior.bias)
        scores = {k: z @ documents[k] for k in labelled}
        if score.similarity == "euclidean":
            scores = {k: -0.5 * ((z - documents[k]) ** 2).sum() for k in labelled}
        for row, grade in zip(rows, grades, strict=True):
            wrong = [tau * (scores[k] - scores[row]) for k in labelled if k not in rows]
            total += grade / grades.sum() * np.log1p(np.exp(wrong).sum())
    return total / len(dataset.queries)


def slanted_prior(bias: float) -> PriorMap:
    weight = np.diag(np.linspace(0.5, 2, DIM)).astype(np.float32)
    return PriorMap.of(weight, (bias * np.eye(DIM)[0]).astype(np.float32))


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("noise", [0.5, 2.0])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_it_minimises_the_loss_of_the_prior(
    similarity: Similarity, noise: float, bias: float
) -> None:
    dataset, prior = noisy(n=20, noise=noise), slanted_prior(bias)
    score = LinearScore.of(dataset.documents, similarity)
    found = fitted_temperature(dataset, prior, score)
    taus = found * np.exp(np.linspace(-0.3, 0.3, 25))
    losses = [loss_at(tau, dataset, prior, score) for tau in taus]
    assert taus[int(np.argmin(losses))] == pytest.approx(found, rel=0.04)


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_for_euclidean_distance_the_length_of_queries_is_fitted_too(bias: float) -> None:
    dataset, prior = noisy(n=20), slanted_prior(bias)
    score = LinearScore.of(dataset.documents, "euclidean")
    found = fitted_temperature(dataset, prior, score)
    taus = found * np.exp(np.linspace(-0.3, 0.3, 13))
    losses = {
        tau: min(loss_at(tau, dataset, prior, score, 2.0**power) for power in range(-3, 4))
        for tau in taus
    }
    assert min(losses, key=losses.__getitem__) == pytest.approx(found, rel=0.06)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_queries_of_another_length_have_the_same_temperature_for_euclidean_distance(
    factor: float,
) -> None:
    dataset = noisy(noise=0.7)
    scaled = EmbeddedDataset(
        np.float32(factor) * dataset.queries, dataset.documents, dataset.relevant, dataset.grades
    )
    score = LinearScore.of(dataset.documents, "euclidean")
    assert fitted_temperature(scaled, IDENTITY, score) == pytest.approx(
        fitted_temperature(dataset, IDENTITY, score), rel=0.03
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.01, 100))
def test_scores_that_are_times_as_large_have_a_temperature_as_much_smaller(
    seed: int, factor: float
) -> None:
    dataset = noisy(seed, n=20)
    larger = PriorMap.of(np.float32(factor) * np.eye(DIM, dtype=np.float32))
    found = fitted_temperature(dataset, larger, COSINE)
    assert found * factor == pytest.approx(fitted_temperature(dataset, IDENTITY, COSINE), rel=0.03)


def spread_of(dataset: EmbeddedDataset) -> Any:
    scores = unit(dataset.queries) @ unit(dataset.documents).T
    return scores.std(axis=1).mean()


def test_perfect_and_reversed_scores_keep_it_finite() -> None:
    vectors = np.eye(DIM, dtype=np.float32)
    each = np.arange(DIM)
    perfect = EmbeddedDataset(vectors, vectors, tuple(each[:, None]))
    reversed_ = EmbeddedDataset(-vectors, vectors, tuple(each[:, None]))
    highest, lowest = (fitted_temperature(d, IDENTITY, COSINE) for d in (perfect, reversed_))
    assert highest == pytest.approx(60 / spread_of(perfect), rel=0.1)
    assert lowest == pytest.approx(0.3 / spread_of(reversed_), rel=0.1)


def test_it_is_1_where_scores_do_not_differ() -> None:
    assert fitted_temperature(noisy(n=1), IDENTITY, COSINE) == 1
    vectors = np.tile(np.eye(DIM, dtype=np.float32)[:1], (4, 1))
    same = EmbeddedDataset(vectors, vectors, tuple(np.arange(4)[:, None]))
    assert fitted_temperature(same, IDENTITY, COSINE) == 1


def test_a_query_whose_labelled_documents_are_all_relevant_changes_nothing() -> None:
    dataset = noisy()
    everything = (*dataset.relevant, np.arange(40))
    queries = np.concatenate([dataset.queries, dataset.queries[:1]])
    more = EmbeddedDataset(queries, dataset.documents, everything, (*dataset.grades, np.ones(40)))
    assert fitted_temperature(more, IDENTITY, COSINE) == pytest.approx(
        fitted_temperature(dataset, IDENTITY, COSINE), rel=0.03
    )


@pytest.mark.parametrize("limit", ["MAX_QUERIES", "MAX_DOCUMENTS"])
def test_of_a_large_dataset_an_evenly_spaced_part_is_used(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = noisy(n=90)
    part = dataset.select(np.arange(0, 90, 3))
    expected, whole = (fitted_temperature(d, IDENTITY, COSINE) for d in (part, dataset))
    monkeypatch.setattr(temperature, limit, 30)
    assert fitted_temperature(dataset, IDENTITY, COSINE) == expected != whole
