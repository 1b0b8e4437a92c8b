"""Test that the control detects maps that rank the same documents higher for all queries."""

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer
from query_adapters.training.out_of_fold import HeldOutFold

DIM = 12


def held_out(dataset: EmbeddedDataset, rows: list[int]) -> HeldOutFold:
    picked = np.array(rows)
    return HeldOutFold(
        rows=picked, data=dataset.select(picked), metric="mrr@5", similarity="cosine"
    )


def opposite_documents() -> EmbeddedDataset:
    """Return four orthogonal queries; the relevant document of query i is row i + 2 mod 4."""
    eye = np.eye(4, dtype=np.float32)
    return EmbeddedDataset(eye, eye, tuple(np.array([(row + 2) % 4]) for row in range(4)))


def test_map_that_finds_each_answer_gains_on_answers_but_not_on_controls() -> None:
    dataset = opposite_documents()
    rotation = LinearAdapter(np.roll(np.eye(4), 2, axis=0))
    own, control = held_out(dataset, [0, 1, 2, 3]).gains(rotation)
    expected = evaluate_vectors(dataset, rotation, metrics=["mrr@5"]).per_query["mrr@5"]
    base = evaluate_vectors(dataset, metrics=["mrr@5"]).per_query["mrr@5"]
    np.testing.assert_allclose(own, expected - base)
    assert own.min() > 0
    assert control.mean() < 0


def test_every_query_is_the_control_of_exactly_one_other_query() -> None:
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(30, DIM)).astype(np.float32)
    dataset = EmbeddedDataset(documents[:20], documents, tuple(np.arange(20)[:, None]))
    controls = held_out(dataset, list(range(20)))._control_rows
    assert sorted(controls) == list(range(20))
    assert (controls != np.arange(20)).all()


def random_labels(seed: int) -> EmbeddedDataset:
    """Return a dataset with random labels in one region, which a map can learn to prefer."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(200, DIM))
    documents[:30] += 1.0
    questions = rng.normal(size=(160, DIM))
    labels = tuple(rng.integers(30, size=(160, 1)))
    return EmbeddedDataset(questions.astype(np.float32), documents.astype(np.float32), labels)


def test_map_that_always_prefers_one_region_gains_as_much_on_controls() -> None:
    toward_region = LinearAdapter(np.eye(DIM), np.ones(DIM))
    folds = [held_out(random_labels(seed), list(range(160))) for seed in range(20)]
    own, control = np.stack([fold.gains(toward_region) for fold in folds]).mean(axis=(0, 2))
    assert own > 0.03
    assert own == pytest.approx(control, abs=0.02)


@pytest.mark.slow
def test_random_labels_do_not_pass_the_strict_guard() -> None:
    results = [
        AdapterTrainer(strengths=(0.3, 0.03), bias=True, seed=seed).fit(random_labels(seed))
        for seed in range(12)
    ]
    gains = [max(row.overall.mean for row in result.table) for result in results]
    assert np.mean(gains) > 0.01  # candidates do gain, but not because of the query
    assert sum(result.chosen is not None for result in results) <= 1
