"""Tests of threads: how many fits run at once, and that results do not depend on it."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training import AdapterTrainer, threads
from query_adapters.training.threads import blas_threads_for
from query_adapters.training.workers import Workers
from tests.query_adapters.training.test_guard_modes import problem


def blas_threads(dataset: EmbeddedDataset) -> set[int]:
    """Return the number of BLAS threads for the dataset, where it is 2 without a limit."""
    with threadpool_limits(limits=2, user_api="blas"), blas_threads_for(dataset):
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def asked(n_questions: int, n_labelled: int) -> EmbeddedDataset:
    """Return questions about this number of documents; as many others have no question."""
    rows = tuple(np.array([row % n_labelled]) for row in range(n_questions))
    documents = np.ones((2 * n_labelled, 2), np.float32)
    return EmbeddedDataset(np.ones((n_questions, 2), np.float32), documents, rows)


def test_questions_times_labelled_documents_decide_how_threads_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "SCORES_FOR_THREADS", 60)
    small, large = asked(11, 5), asked(12, 5)
    with threadpool_limits(limits=3, user_api="blas"):
        assert Workers.of(small, None).n_jobs == 3
        assert Workers.of(large, None).n_jobs == 1
    assert blas_threads(small) == {1}
    assert blas_threads(large) == {2}


def test_a_limit_ends_with_its_context() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = [pool["num_threads"] for pool in threadpool_info()]
        with blas_threads_for(asked(2, 2)):
            pass
        assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_the_number_of_threads_does_not_change_the_result() -> None:
    trainer, dataset = AdapterTrainer(strengths=(0.3, 0.03), n_folds=3), problem(signal=1.0)
    results = []
    for n_threads in (1, 5):
        with threadpool_limits(limits=n_threads, user_api="blas"):
            results.append(trainer.fit(dataset))
    one, five = results
    assert one.adapter.fingerprint == five.adapter.fingerprint
    assert one.table == five.table
    assert one.evidence == five.evidence


def test_threads_within_a_fit_do_not_change_the_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, dataset = AdapterTrainer(strengths=(0.1,), n_folds=2), problem(signal=1.0)
    small = trainer.fit(dataset)
    monkeypatch.setattr(threads, "SCORES_FOR_THREADS", 0)
    with threadpool_limits(limits=2, user_api="blas"):
        large = trainer.fit(dataset)
    assert small.chosen is not None
    assert large.chosen is not None
    assert large.chosen.candidate == small.chosen.candidate
    means = [[row.overall.mean for row in result.table] for result in (small, large)]
    np.testing.assert_allclose(means[0], means[1], atol=0.01)
