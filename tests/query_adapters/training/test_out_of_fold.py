"""The control tells a map that knows its questions from one that brings up the same documents."""

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer
from query_adapters.training.out_of_fold import HeldOut

DIM = 12


def held_out(dataset: EmbeddedDataset, rows: list[int]) -> HeldOut:
    picked = np.array(rows)
    return HeldOut(
        rows=picked, questions=dataset.select(picked), metric="mrr@5", similarity="cosine"
    )


def corners() -> EmbeddedDataset:
    """Four questions in four directions, each two places off its document."""
    eye = np.eye(4, dtype=np.float32)
    return EmbeddedDataset(eye, eye, tuple(np.array([(row + 2) % 4]) for row in range(4)))


def test_a_map_that_finds_each_answer_gains_on_it_and_not_on_the_control() -> None:
    dataset = corners()
    turn = LinearAdapter(np.roll(np.eye(4), 2, axis=0))
    own, control = held_out(dataset, [0, 1, 2, 3]).gains(turn)
    expected = evaluate_vectors(dataset, turn, metrics=["mrr@5"]).per_query["mrr@5"]
    base = evaluate_vectors(dataset, metrics=["mrr@5"]).per_query["mrr@5"]
    np.testing.assert_allclose(own, expected - base)
    assert own.min() > 0
    assert control.mean() < 0


def test_every_question_is_the_control_of_another_one() -> None:
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(30, DIM)).astype(np.float32)
    dataset = EmbeddedDataset(documents[:20], documents, tuple(np.arange(20)[:, None]))
    ring = held_out(dataset, list(range(20)))._controls
    assert sorted(ring) == list(range(20))
    assert (ring != np.arange(20)).all()


def shuffled(seed: int) -> EmbeddedDataset:
    """Labels dealt at random, all of them to a corner of the documents that can be learned."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(200, DIM))
    documents[:30] += 1.0
    questions = rng.normal(size=(160, DIM))
    labels = tuple(rng.integers(30, size=(160, 1)))
    return EmbeddedDataset(questions.astype(np.float32), documents.astype(np.float32), labels)


def test_a_map_that_always_brings_up_the_same_gains_as_much_on_the_control() -> None:
    corner = LinearAdapter(np.eye(DIM), np.ones(DIM))
    folds = [held_out(shuffled(seed), list(range(160))) for seed in range(20)]
    own, control = np.stack([fold.gains(corner) for fold in folds]).mean(axis=(0, 2))
    assert own > 0.03
    assert own == pytest.approx(control, abs=0.02)


def test_labels_that_only_tell_where_answers_lie_do_not_pass_the_strict_guard() -> None:
    results = [
        AdapterTrainer(strengths=(0.3, 0.03), bias=True, seed=seed).fit(shuffled(seed))
        for seed in range(12)
    ]
    gains = [max(row.overall.mean for row in result.table) for result in results]
    assert np.mean(gains) > 0.01  # there is a gain to be had, and it is none worth having
    assert sum(result.chosen is not None for result in results) <= 1
