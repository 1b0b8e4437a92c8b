"""Test that training scores rank like each similarity and that norms matter only for some."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import load_adapter, save_adapter
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors, exact_search
from query_adapters.training import MEMORIES, AdapterTrainer
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.memory import Memory
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior import spectral_prior
from query_adapters.typing import Similarity, Vectors

DIM = 6
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


def random_map(seed: int) -> LinearMap:
    rng = np.random.default_rng(seed)
    weight = np.eye(DIM) + 0.3 * rng.normal(size=(DIM, DIM))
    return LinearMap(weight.astype(np.float32), (0.2 * rng.normal(size=DIM)).astype(np.float32))


@settings(max_examples=40, deadline=None)
@given(seed=seeds, similarity=st.sampled_from(SIMILARITIES))
def test_scores_rank_documents_as_exact_search_does(seed: int, similarity: Similarity) -> None:
    queries, documents = vectors(seed, 5), vectors(seed + 1, 20)
    score = LinearScore.of(documents, similarity)
    scaled = score.scaled_documents(documents)
    inputs = score.query_lengths(queries) * unit(queries)
    scores = inputs @ scaled.T + score.offsets(scaled)
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
    prior = LinearMap.of(np.eye(DIM, dtype=np.float32))
    objective = SoftmaxObjective(data, prior=prior, strength=1e-9, similarity="euclidean")
    assert objective.value_and_gradient(at)[0] == pytest.approx(expected / 8, rel=1e-4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("with_memory", [False, True])
def test_gradient_matches_central_differences(similarity: Similarity, with_memory: bool) -> None:
    data = dataset(3, spread=1.0)
    memory = Memory.of(data, MEMORIES[0]) if with_memory else None
    n_inputs = DIM + (len(data.queries) if with_memory else 0)
    at = random_map(4).widened(n_inputs)
    objective = SoftmaxObjective(
        data,
        prior=LinearMap.of(np.eye(DIM, dtype=np.float32)).widened(n_inputs),
        strength=0.1,
        with_bias=True,
        memory=memory,
        similarity=similarity,
    )
    _, gradient = objective.value_and_gradient(at)
    rng, step = np.random.default_rng(5), 2e-3
    for _ in range(5):
        direction = rng.normal(size=at.weight.shape).astype(np.float32)
        direction /= np.linalg.norm(direction)
        ends = [
            objective.value_and_gradient(
                LinearMap((at.weight + sign * step * direction).astype(np.float32), at.bias)
            )[0]
            for sign in (1, -1)
        ]
        expected = (ends[0] - ends[1]) / (2 * step)
        assert np.vdot(gradient.weight, direction) == pytest.approx(expected, rel=2e-2, abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_similarities_agree_on_unit_vectors(seed: int) -> None:
    data = dataset(seed)
    normalized = EmbeddedDataset(unit(data.queries), unit(data.documents), data.relevant)
    at, prior = random_map(seed), LinearMap.of(np.eye(DIM, dtype=np.float32))
    values = [
        SoftmaxObjective(
            normalized, prior=prior, strength=0.1, similarity=similarity
        ).value_and_gradient(at)
        for similarity in SIMILARITIES
    ]
    for value, gradient in values[1:]:
        assert value == pytest.approx(values[0][0], rel=1e-4)
        np.testing.assert_allclose(gradient.weight, values[0][1].weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_converting_an_adapter_to_a_map_and_back_changes_nothing(similarity: Similarity) -> None:
    queries = 3 * unit(vectors(0, 5))
    score = LinearScore.of(vectors(1, 9), similarity)
    adapter = LinearAdapter(
        random_map(2).weight, random_map(3).bias, keeps_length=score.keeps_length
    )
    again = LinearMap.from_adapter(adapter, queries, score).as_adapter(queries, score=score)
    np.testing.assert_allclose(again(queries), adapter(queries), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_prior_for_dot_and_euclidean_uses_unnormalized_vectors(
    similarity: Similarity,
) -> None:
    documents = vectors(7, 50)
    scaled = documents / np.sqrt((documents**2).sum(axis=1).mean())
    variances, directions = np.linalg.eigh(np.cov(scaled.T, bias=True))
    gains = (variances + 1e-3) ** -0.3
    expected = (directions * gains / gains.mean()) @ directions.T
    prior = spectral_prior(documents, exponent=0.3, similarity=similarity)
    np.testing.assert_allclose(prior, expected, atol=1e-4)


def long_queries(seed: int, n: int = 120) -> EmbeddedDataset:
    """Return queries near four times their document."""
    rng = np.random.default_rng(seed)
    documents = np.random.default_rng(99).normal(size=(n, DIM))
    noise = 0.1 * rng.normal(size=(n, DIM))
    queries = 4 * (documents + noise)
    return EmbeddedDataset(
        queries.astype(np.float32), documents.astype(np.float32), tuple(np.arange(n)[:, None])
    )


def ndcg(data: EmbeddedDataset, adapter: Any, similarity: Similarity) -> float:
    evaluation = evaluate_vectors(data, adapter, metrics=["ndcg@10"], similarity=similarity)
    return evaluation.means["ndcg@10"]


@pytest.mark.parametrize("memories", [(), MEMORIES[:1]])
def test_euclidean_training_learns_the_length_of_queries(memories: Any, tmp_path: Path) -> None:
    trainer = AdapterTrainer(
        similarity="euclidean", strengths=(0.03, 0.003), memories=memories, whitenings=(0.0,)
    )
    result = trainer.fit(long_queries(0))
    fresh = long_queries(1)
    assert ndcg(fresh, result.adapter, "euclidean") > ndcg(fresh, None, "euclidean") + 0.2
    lengths = np.linalg.norm(result.adapter(fresh.queries), axis=1)
    assert lengths.mean() < 0.5 * np.linalg.norm(fresh.queries, axis=1).mean()
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
