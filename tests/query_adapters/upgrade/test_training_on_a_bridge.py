"""Tests of training on questions of one model and documents of another, from a bridge."""

from pathlib import Path

import numpy as np
import pytest

from query_adapters import EmbeddedDataset, LinearAdapter, load_adapter, save_adapter
from query_adapters.errors import DimensionMismatchError
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer, TrainingResult, memories_of
from query_adapters.upgrade.bridge import fit_bridge

DIM_OLD, DIM_NEW, N = 12, 20, 150
RNG = np.random.default_rng(0)
DOCUMENTS = RNG.normal(size=(N, DIM_OLD)).astype(np.float32)
INTO_NEW = np.linalg.qr(RNG.normal(size=(DIM_NEW, DIM_NEW)))[0][:DIM_OLD].astype(np.float32)
ASKED = np.linalg.qr(RNG.normal(size=(DIM_OLD, DIM_OLD)))[0].astype(np.float32)
BRIDGE = fit_bridge(DOCUMENTS @ INTO_NEW, DOCUMENTS).adapter


def dataset(seed: int = 1) -> EmbeddedDataset:
    """Return questions that the new model embeds turned away from their documents."""
    noise = np.random.default_rng(seed).normal(size=(N, DIM_NEW)).astype(np.float32)
    queries = DOCUMENTS @ ASKED @ INTO_NEW + 0.3 * noise
    relevant = tuple(np.array([row]) for row in range(N))
    return EmbeddedDataset(queries, DOCUMENTS, relevant, of_two_models=True)


def trained(*, memory: bool) -> TrainingResult:
    trainer = AdapterTrainer(memories=memories_of(memory), strengths=(0.1, 0.01))
    return trainer.fit(dataset(), start=BRIDGE)


@pytest.mark.parametrize("memory", [False, True])
def test_training_from_a_bridge_gains_on_new_questions_and_can_be_saved(
    memory: bool, tmp_path: Path
) -> None:
    result = trained(memory=memory)
    adapter = result.adapter
    assert result.decision == "adapter"
    assert (adapter.dim_in, adapter.dim_out) == (DIM_NEW, DIM_OLD)
    scores = [evaluate_vectors(dataset(seed=2), one).means["ndcg@10"] for one in (BRIDGE, adapter)]
    assert scores[1] > scores[0] + 0.2
    loaded = load_adapter(save_adapter(adapter, tmp_path / "adapter"))
    queries = dataset(seed=2).queries
    np.testing.assert_array_equal(loaded(queries), adapter(queries))
    assert loaded(queries[0]).shape == (DIM_OLD,)


def test_the_gain_of_each_question_adds_up_to_the_gain_of_all() -> None:
    evidence = trained(memory=False).evidence
    assert evidence is not None
    assert evidence.per_question.shape == (N,)
    assert evidence.per_question.mean() == pytest.approx(evidence.gain.mean)


@pytest.mark.parametrize(
    "start",
    [None, LinearAdapter.identity(DIM_NEW), LinearAdapter.identity(DIM_OLD)],
    ids=["none", "into another space", "from another space"],
)
def test_a_start_that_does_not_fit_both_models_is_refused(start: LinearAdapter | None) -> None:
    with pytest.raises(DimensionMismatchError):
        AdapterTrainer().fit(dataset(), start=start)


def test_vectors_of_one_model_still_need_one_length() -> None:
    with pytest.raises(DimensionMismatchError, match="document vectors"):
        EmbeddedDataset(dataset().queries, DOCUMENTS, dataset().relevant)


def test_selected_questions_are_still_of_two_models() -> None:
    assert dataset().select(np.arange(3)).of_two_models
