"""Test that training scores rank like each similarity and that norms matter only for some."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.adapters.storage import load_adapter, save_adapter
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors, exact_search
from query_adapters.training import MEMORIES, AdapterTrainer, MemorySettings
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior import spectral_prior
from query_adapters.training.prior_map import PriorMap
from query_adapters.typing import Similarity, Vectors

DIM = 6
TEMPERATURE = 20.0
SIMILARITIES: tuple[Similarity, ...] = get_args(Similarity)
seeds = st.integers(0, 10**6)


def vectors(seed: int, n: int, *, spread: float = 2.0) -> Vectors:
    """Return vectors whose norms differ by a factor of up to e^spread."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(spread * rng.random((n, 1)))
    return (lengths * rng.normal(size=(n, DIM))).astype(np.float32)


def dataset(seed: int, *, spread: float = 2.0) -> EmbeddedDataset:
    rng = np.random.default_rng(seed)
    relevant = tuple(rng.choice(12, size=2, replace=False) for _ in range(8))
    return EmbeddedDataset(vectors(seed, 8), vectors(seed + 1, 12, spread=spread), relevant)


def random_map(seed: int) -> PriorMap:
    rng = np.random.default_rng(seed)
    weight = np.eye(DIM) + 0.3 * rng.normal(size=(DIM, DIM))
    return PriorMap.of(weight.astype(np.float32), (0.2 * rng.normal(size=DIM)).astype(np.float32))


def objective_of(
    data: EmbeddedDataset,
    similarity: Similarity,
    *,
    prior: PriorMap | None = None,
    memory: MemorySettings | None = None,
) -> SoftmaxObjective:
    score = LinearScore.of(data.documents, similarity)
    return SoftmaxObjective(
        data,
        inputs=QueryInputs.of(data, score, with_bias=True, memory=memory),
        prior=prior or PriorMap.of(np.eye(DIM, dtype=np.float32)),
        temperature=TEMPERATURE,
        strength=0.1,
    )


@settings(max_examples=40, deadline=None)
@given(seed=seeds, similarity=st.sampled_from(SIMILARITIES))
def test_scores_rank_documents_as_exact_search_does(seed: int, similarity: Similarity) -> None:
    queries, documents = vectors(seed, 5), vectors(seed + 1, 20)
    score = LinearScore.of(documents, similarity)
    scaled = score.scaled_documents(documents)
    scores = score.scaled_queries(queries) @ scaled.T + score.offsets(scaled)
    ranking = exact_search(queries, documents, k=20, similarity=similarity)
    ranked = np.take_along_axis(scores, ranking, axis=1)
    assert (np.diff(ranked) <= 1e-5 * np.abs(scores).max()).all()


@pytest.mark.parametrize("seed", range(4))
def test_euclidean_loss_is_softmax_over_negative_squared_distances(seed: int) -> None:
    data, at = dataset(seed), random_map(seed)
    queries, documents = data.queries.astype(np.float64), data.documents.astype(np.float64)
    length = np.sqrt((documents**2).sum(axis=1).mean())
    labelled, expected = data.labelled.tolist(), 0.0
    for query, rows in zip(queries, data.relevant, strict=True):
        z = at.weight @ query / length + at.bias
        scores = {k: -10 * ((z - documents[k] / length) ** 2).sum() for k in labelled}
        for row in rows:
            wrong = [scores[k] - scores[row] for k in labelled if k not in rows]
            expected += np.log1p(np.exp(wrong).sum()) / len(rows)
    objective = objective_of(data, "euclidean", prior=at)
    value, _ = objective.value_and_gradient(np.zeros(objective.shape))
    assert value == pytest.approx(expected / 8, rel=1e-4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("memory", [None, MEMORIES[0]], ids=["linear", "memory"])
def test_gradient_matches_central_differences(
    similarity: Similarity, memory: MemorySettings | None
) -> None:
    objective = objective_of(dataset(3, spread=1.0), similarity, memory=memory)
    rng, step = np.random.default_rng(5), 2e-3
    at = 0.02 * rng.normal(size=objective.shape)
    _, gradient = objective.value_and_gradient(at)
    for _ in range(5):
        direction = rng.normal(size=at.shape)
        direction /= np.linalg.norm(direction)
        ends = [objective.value_and_gradient(at + sign * step * direction)[0] for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / (2 * step)
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=2e-2, abs=2e-3)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, memory=st.sampled_from([None, MEMORIES[0]]))
def test_similarities_agree_on_unit_vectors(seed: int, memory: MemorySettings | None) -> None:
    data = dataset(seed)
    normalized = EmbeddedDataset(unit(data.queries), unit(data.documents), data.relevant)
    objectives = [
        objective_of(normalized, similarity, memory=memory) for similarity in SIMILARITIES
    ]
    at = 0.2 * np.random.default_rng(seed).normal(size=objectives[0].shape)
    first, *others = (objective.value_and_gradient(at) for objective in objectives)
    for value, gradient in others:
        assert value == pytest.approx(first[0], rel=1e-4)
        np.testing.assert_allclose(gradient, first[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_converting_an_adapter_to_a_map_and_back_changes_nothing(similarity: Similarity) -> None:
    queries = 3 * unit(vectors(0, 5))
    score = LinearScore.of(vectors(1, 9), similarity)
    adapter = LinearAdapter(
        random_map(2).weight, random_map(3).bias, keeps_length=score.keeps_length
    )
    prior = PriorMap.from_adapter(adapter, queries, score)
    again = score.adapter(prior.weight, prior.bias, queries)
    np.testing.assert_allclose(again(queries), adapter(queries), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_prior_for_dot_and_euclidean_uses_unnormalized_vectors(
    similarity: Similarity,
) -> None:
    documents = vectors(7, 50)
    variances, directions = np.linalg.eigh(np.cov(documents.T.astype(np.float64), bias=True))
    gains = (variances / variances.sum() + 1e-3) ** -0.3
    gains /= np.average(gains, weights=np.sqrt(variances))
    expected = (directions * gains) @ directions.T
    prior = spectral_prior(documents, exponent=0.3, similarity=similarity)
    np.testing.assert_allclose(prior, expected, atol=1e-4)


def long_queries(seed: int, n: int = 120) -> EmbeddedDataset:
    """Return queries near four times their document."""
    rng = np.random.default_rng(seed)
    documents = np.random.default_rng(99).normal(size=(n, DIM))
    noise = 0.4 * rng.normal(size=(n, DIM))
    queries = 4 * (documents + noise)
    return EmbeddedDataset(
        queries.astype(np.float32), documents.astype(np.float32), tuple(np.arange(n)[:, None])
    )


def ndcg(data: EmbeddedDataset, adapter: Any, similarity: Similarity) -> float:
    evaluation = evaluate_vectors(data, adapter, metrics=["ndcg@10"], similarity=similarity)
    return evaluation.means["ndcg@10"]


def test_euclidean_training_learns_the_length_of_queries(tmp_path: Path) -> None:
    trainer = AdapterTrainer(similarity="euclidean", strengths=(0.03, 0.003), whitenings=(0.0,))
    result = trainer.fit(long_queries(0))
    fresh = long_queries(1)
    assert ndcg(fresh, result.adapter, "euclidean") > ndcg(fresh, None, "euclidean") + 0.2
    lengths = np.linalg.norm(result.adapter(fresh.queries), axis=1)
    assert lengths.mean() < 0.5 * np.linalg.norm(fresh.queries, axis=1).mean()
    save_adapter(result.adapter, tmp_path)
    np.testing.assert_array_equal(
        load_adapter(tmp_path)(fresh.queries), result.adapter(fresh.queries)
    )


def recurring(seed: int) -> EmbeddedDataset:
    """Return four questions about each of 40 documents that lie elsewhere, of other lengths."""
    world, rng = np.random.default_rng(0), np.random.default_rng(seed)
    asked, documents = world.normal(size=(2, 40, DIM))
    rows = np.repeat(np.arange(40), 4)
    queries = 4 * asked[rows] + rng.normal(size=(160, DIM)) / 2
    return EmbeddedDataset(queries.astype("f4"), documents.astype("f4"), tuple(rows[:, None]))


def test_a_memory_serves_euclidean_distance(tmp_path: Path) -> None:
    trainer = AdapterTrainer(
        similarity="euclidean", seen_share=1, whitenings=(0.0,), strengths=(0.1, 0.01), n_folds=3
    )
    result, fresh = trainer.fit(recurring(1)), recurring(2)
    assert isinstance(result.adapter, KernelAdapter)
    assert not result.adapter.keeps_length
    assert ndcg(fresh, result.adapter, "euclidean") > ndcg(fresh, None, "euclidean") + 0.4
    save_adapter(result.adapter, tmp_path)
    np.testing.assert_array_equal(
        load_adapter(tmp_path)(fresh.queries), result.adapter(fresh.queries)
    )


def test_euclidean_adapter_keeps_query_lengths_if_documents_have_equal_lengths() -> None:
    data = long_queries(0)
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0].astype(np.float32)
    rotated = EmbeddedDataset(data.queries @ rotation, unit(data.documents), data.relevant)
    trainer = AdapterTrainer(similarity="euclidean", strengths=(0.03, 0.003))
    adapter = trainer.fit(rotated).adapter
    assert not adapter.is_identity
    np.testing.assert_allclose(
        np.linalg.norm(adapter(rotated.queries), axis=1),
        np.linalg.norm(rotated.queries, axis=1),
        rtol=1e-4,
    )


def test_cosine_training_ignores_the_length_of_queries() -> None:
    trainer = AdapterTrainer(similarity="cosine", strengths=(0.03, 0.003), whitenings=(0.0,))
    assert trainer.fit(long_queries(0)).adapter.is_identity


def test_unknown_similarity_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"similarity of .*cosine.*got manhattan"):
        AdapterTrainer(similarity="manhattan")  # type: ignore[arg-type]
