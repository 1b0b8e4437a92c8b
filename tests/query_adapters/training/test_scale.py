"""Test that training does not depend on where the model's vectors lie, only on how they differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import KernelAdapter, LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import MEMORIES, AdapterTrainer, MemorySettings
from query_adapters.training.candidates import Candidate
from query_adapters.training.linear_score import COSINE, LinearScore
from query_adapters.training.prior import spectral_prior
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior
from query_adapters.training.selection import Grid
from query_adapters.training.solver import Precision
from query_adapters.training.temperature import ACCURACY, fitted_temperature
from query_adapters.typing import Similarity, Values, Vectors

DIM = 8
EXACT = Precision(max_iterations=2_000, gradient=1e-7, decrease=1e-12)
METRIC = "ndcg@10"
TEMPERATURES = 2 * ACCURACY  # the logarithms of two fitted temperatures may each be off by one
Change = Callable[[Any], Any]

memories = pytest.mark.parametrize("memory", [None, *MEMORIES], ids=["linear", "memory"])


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def asked(seed: int, *, turn: float = 0.6) -> EmbeddedDataset:
    """Return two questions of length 1 about each of 25 documents; the seed affects the noise.

    Questions lie away from their document in a way that a matrix can learn in part.
    """
    world, rng = np.random.default_rng(0), np.random.default_rng(seed + 1)
    documents = unit(world.normal(size=(25, DIM)) * np.linspace(0.3, 1, DIM))
    matrix = np.eye(DIM) + turn * world.normal(size=(DIM, DIM)) / np.sqrt(DIM)
    rows = np.repeat(np.arange(25), 2)
    queries = unit(documents[rows] @ matrix + 0.5 * rng.normal(size=(50, DIM)) / np.sqrt(DIM))
    return EmbeddedDataset(queries, documents, tuple(rows[:, None]))


def changed(dataset: EmbeddedDataset, change: Change) -> EmbeddedDataset:
    """Return the dataset with all vectors changed in the same way."""
    queries, documents = (
        change(vectors.astype(np.float64)) for vectors in (dataset.queries, dataset.documents)
    )
    return EmbeddedDataset(queries, documents, dataset.relevant)


def squeezed(share: float) -> Change:
    """Return a change that adds a common direction: a cosine c becomes `1 - share² (1 - c)`."""

    def squeeze(vectors: Any) -> Any:
        common = np.full((len(vectors), 1), np.sqrt(1 - share**2))
        return np.concatenate([share * vectors, common], axis=1)

    return squeeze


def rotated(vectors: Any) -> Any:
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(DIM, DIM)))[0]
    return vectors @ turn


def padded(vectors: Any) -> Any:
    return np.pad(vectors, ((0, 0), (0, 5)))


@dataclass(frozen=True)
class Scored:
    """The temperature of a fit, and τ times the score of every new question and document.

    Each question's mean score is subtracted: a score common to all documents ranks nothing.
    """

    temperature: float
    scores: Values


def scored(
    change: Change, memory: MemorySettings | None, *, whitening: float = 0.15, seed: int = 0
) -> Scored:
    """Return the scores of new questions by an adapter fitted at λ = 0.03."""
    train, new = changed(asked(seed), change), changed(asked(seed + 100), change)
    prior = PriorMap.of(spectral_prior(train.documents, exponent=whitening))
    temperature = fitted_temperature(train, prior, COSINE)
    candidate = Candidate(whitening, 0.03, memory)
    grid = Grid(
        priors={whitening: Prior(prior, temperature)},
        candidates=[candidate],
        metric=METRIC,
        with_bias=True,
    )
    adapter = grid.fit(train, candidate, precision=EXACT).as_adapter(train.queries)
    assert isinstance(adapter, LinearAdapter if memory is None else KernelAdapter)
    scores = adapter.mapped(new.queries).astype(np.float64) @ new.documents.T
    return Scored(temperature, temperature * (scores - scores.mean(axis=1, keepdims=True)))


def as_given(vectors: Any) -> Any:
    return vectors


def assert_same_scores(ours: Scored, theirs: Scored) -> None:
    """Assert that scores agree within a fiftieth of their spread, and so rank alike.

    Scores are multiplied by their fit's temperature, so they share its tolerance.
    """
    spread = theirs.scores.std()
    np.testing.assert_allclose(ours.scores, theirs.scores, rtol=TEMPERATURES, atol=0.02 * spread)


@memories
@pytest.mark.parametrize("whitening", [0.0, 0.15])
@pytest.mark.parametrize("share", [0.7, 0.3, 0.1])
def test_cosines_squeezed_toward_1_are_fitted_alike_at_a_greater_temperature(
    share: float, whitening: float, memory: MemorySettings | None
) -> None:
    plain = scored(as_given, memory, whitening=whitening)
    close = scored(squeezed(share), memory, whitening=whitening)
    assert close.temperature == pytest.approx(plain.temperature / share**2, rel=TEMPERATURES)
    assert_same_scores(close, plain)


@memories
@pytest.mark.parametrize("change", [rotated, padded])
def test_rotations_and_empty_dimensions_change_nothing(
    change: Change, memory: MemorySettings | None
) -> None:
    plain, other = scored(as_given, memory), scored(change, memory)
    assert other.temperature == pytest.approx(plain.temperature, rel=0.001)
    assert_same_scores(other, plain)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 99), share=st.floats(0.15, 0.99), change=st.sampled_from([rotated, padded])
)
def test_changes_together_change_nothing_either(seed: int, share: float, change: Change) -> None:
    for memory in (None, *MEMORIES):
        plain = scored(as_given, memory, seed=seed)
        other = scored(lambda vectors: squeezed(share)(change(vectors)), memory, seed=seed)
        assert other.temperature == pytest.approx(plain.temperature / share**2, rel=TEMPERATURES)
        assert_same_scores(other, plain)


def test_the_fit_of_this_test_is_far_from_its_prior() -> None:
    for memory in (None, *MEMORIES):
        fitted = scored(as_given, memory)
        train, new = asked(0), asked(100)
        mapped = new.queries @ spectral_prior(train.documents, exponent=0.15).T
        start = fitted.temperature * mapped @ new.documents.T
        start -= start.mean(axis=1, keepdims=True)
        assert np.abs(fitted.scores - start).max() > 0.5 * fitted.scores.std()


def table_of(change: Change) -> Values:
    """Return the out-of-fold gains of all candidates of the trainer."""
    trainer = AdapterTrainer(strengths=(1.0, 0.03), n_folds=3, guard="off")
    table = trainer.fit(changed(asked(0), change)).table
    assert len(table) == 10
    return np.array([row.overall.mean for row in table])


def test_every_candidate_of_the_trainer_gains_the_same_on_squeezed_vectors() -> None:
    plain = table_of(as_given)
    assert np.ptp(plain) > 0.05
    np.testing.assert_allclose(table_of(squeezed(0.2)), plain, atol=0.01)


@pytest.mark.parametrize("similarity", get_args(Similarity))
@pytest.mark.parametrize("factor", [0.01, 30.0])
@memories
def test_the_unit_of_length_does_not_matter(
    memory: MemorySettings | None, factor: float, similarity: Similarity
) -> None:
    def fitted(dataset: EmbeddedDataset) -> Vectors:
        score = LinearScore.of(dataset.documents, similarity)
        prior = PriorMap.of(np.eye(DIM, dtype=np.float32))
        grid = Grid(
            priors={0.0: Prior(prior, fitted_temperature(dataset, prior, score))},
            candidates=[],
            metric=METRIC,
            with_bias=True,
            similarity=similarity,
        )
        fit = grid.fit(dataset, Candidate(0.0, 0.03, memory), precision=EXACT)
        return fit.as_adapter(dataset.queries)(dataset.queries)

    lengths = np.random.default_rng(1).uniform(0.5, 2, size=(25, 1))
    plain = asked(0)
    documents = (lengths * plain.documents).astype(np.float32)
    plain = EmbeddedDataset(2 * plain.queries, documents, plain.relevant)
    scaled = changed(plain, lambda vectors: factor * vectors)
    expected = fitted(plain)
    assert np.abs(expected - plain.queries).max() > 0.1
    np.testing.assert_allclose(fitted(scaled) / factor, expected, atol=0.02)
