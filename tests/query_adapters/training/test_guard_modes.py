"""Tests of which adapters each guard keeps."""

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import AdapterTrainer
from query_adapters.training.guard import max_t_p_value

DIM = 12


def problem(*, signal: float, n_documents: int = 60, seed: int = 0) -> EmbeddedDataset:
    """Return two questions per document: its rotation scaled by `signal`, plus noise."""
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(np.random.default_rng(99).normal(size=(DIM, DIM)))[0]
    documents = rng.normal(size=(n_documents, DIM))
    rows = np.repeat(np.arange(n_documents), 2)
    questions = signal * documents[rows] @ mixing + rng.normal(size=(2 * n_documents, DIM))
    return EmbeddedDataset(
        questions.astype(np.float32),
        documents.astype(np.float32),
        tuple(np.array([row]) for row in rows),
    )


def kept(guard: str, signal: float, seeds: int = 12) -> int:
    trainer = AdapterTrainer(guard=guard, strengths=(1.0, 0.1), n_folds=3)  # type: ignore[arg-type]
    results = [trainer.fit(problem(signal=signal, seed=seed)) for seed in range(seeds)]
    return sum(result.chosen is not None for result in results)


@pytest.mark.slow
def test_a_clear_gain_passes_every_guard() -> None:
    assert [kept(guard, 2.0, seeds=3) for guard in ("strict", "expected", "off")] == [3, 3, 3]


@pytest.mark.slow
def test_without_a_signal_the_strict_guard_keeps_the_base_and_off_never_does() -> None:
    strict, expected, off = (kept(guard, 0.0) for guard in ("strict", "expected", "off"))
    assert strict <= 1
    assert strict <= expected < off
    assert off == 12


def test_another_guard_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a guard of .*'strict'.*got lenient"):
        AdapterTrainer(guard="lenient")  # type: ignore[arg-type]


def test_the_guard_counts_questions_of_one_document_as_one() -> None:
    dataset = problem(signal=0.3, seed=1)
    trainer = AdapterTrainer(guard="off", strengths=(1.0, 0.1), n_folds=3)
    result = trainer.fit(dataset)
    assert result.chosen is not None
    gains = [row.differences - row.controls for row in result.table]
    by_document, by_question = (
        max_t_p_value(gains, result.table.index(result.chosen), groups=groups)
        for groups in (np.concatenate(dataset.relevant), np.arange(len(dataset.queries)))
    )
    assert result.p_value == by_document != by_question
