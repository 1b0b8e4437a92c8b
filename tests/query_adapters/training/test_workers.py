"""Tests of workers: the same results everywhere, shared vectors, deaths, interruption, nesting."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joblib import parallel_config
from threadpoolctl import threadpool_info, threadpool_limits

from query_adapters.errors import WorkerDiedError
from query_adapters.evaluation import METRICS
from query_adapters.evaluation.metrics import ndcg
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.training.workers import N_RETRIES, Workers
from tests.query_adapters.training.test_guard_modes import problem

DATASET = problem(signal=1.0)
OTHER_INDEX = problem(signal=1.0, seed=1).documents
PROCESSES = Workers(n_jobs=2)


def trained(n_jobs: int | None, *, metric: str = "ndcg@10") -> TrainingResult:
    trainer = AdapterTrainer(
        strengths=(0.3, 0.03), n_folds=2, metric=metric, n_jobs=n_jobs, show_progress=True
    )
    return trainer.fit(DATASET, served=OTHER_INDEX)


def assert_same(one: TrainingResult, other: TrainingResult) -> None:
    assert one.adapter.fingerprint == other.adapter.fingerprint
    assert one.table == other.table
    assert one.evidence == other.evidence
    assert one.served_whitening == other.served_whitening


@pytest.mark.slow
def test_the_result_is_the_same_bit_for_bit_wherever_fits_run() -> None:
    serial = trained(1)
    assert serial.chosen is not None
    assert_same(serial, trained(2))
    assert_same(serial, trained(None))
    with parallel_config(backend="threading", n_jobs=3):
        assert_same(serial, trained(None))


@pytest.mark.slow
def test_a_metric_of_the_user_is_known_in_worker_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(METRICS, "half", lambda judged, k: ndcg(judged, k) / 2)
    own, known = trained(2, metric="half@10"), trained(1)
    assert own.expected_gain is not None
    assert known.expected_gain is not None
    assert own.expected_gain.mean == pytest.approx(known.expected_gain.mean / 2)


@pytest.mark.parametrize("given", [0, "2", 1.5, True])
def test_a_number_of_jobs_that_joblib_would_not_take_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=f"expected n_jobs of None or .*, got {given!r}"):
        AdapterTrainer(n_jobs=given)


def thread_of(_: object, seconds: float) -> tuple[float, int]:
    time.sleep(seconds)
    return seconds, threading.get_ident()


def test_results_come_in_the_order_of_the_jobs_and_a_configuration_of_joblib_applies() -> None:
    jobs, here = [0.2, 0.0, 0.1, 0.0], threading.get_ident()
    with parallel_config(backend="threading", n_jobs=2):
        found = list(Workers.of(DATASET, None).map(thread_of, None, jobs))
    assert [seconds for seconds, _ in found] == jobs
    assert here not in {thread for _, thread in found}
    assert {thread for _, thread in Workers().map(thread_of, None, jobs)} == {here}


def inspected(array: Any, _: int) -> tuple[str, set[int], int]:
    pools = threadpool_info()
    threads = {pool["num_threads"] for pool in pools if pool["user_api"] == "blas"}
    return type(array).__name__, threads, Workers.of(DATASET, None).n_jobs or 0


@pytest.mark.slow
def test_processes_share_vectors_and_use_one_thread_each_also_when_nested(
    tmp_path: Path,
) -> None:
    vectors = np.zeros((1_000, 300), dtype=np.float32)
    with parallel_config(temp_folder=str(tmp_path)):
        found = list(PROCESSES.map(inspected, vectors, range(4)))
    assert found == [("memmap", {1}, 1)] * 4
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def failing(array: Any, job: int) -> int:
    if job == 1:
        raise ValueError("no such job")
    return job


@pytest.mark.slow
def test_an_error_of_a_fit_ends_the_run_and_leaves_no_file(tmp_path: Path) -> None:
    vectors = np.zeros((1_000, 300), dtype=np.float32)
    results = PROCESSES.map(failing, vectors, range(4))
    with parallel_config(temp_folder=str(tmp_path)), pytest.raises(ValueError, match="no such job"):
        list(results)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def dying(folder: Path, job: int) -> int:
    """Note the job, and end the process the first time that it is job 2, always if it is 9."""
    n_before = len(list(folder.glob(f"{job}-*")))
    (folder / f"{job}-{n_before}").touch()
    if job == 9 or (job == 2 and n_before == 0):
        os._exit(1)
    return 10 * job


@pytest.mark.slow
def test_fits_of_a_worker_that_dies_start_again(tmp_path: Path) -> None:
    assert list(PROCESSES.map(dying, tmp_path, range(6))) == [0, 10, 20, 30, 40, 50]
    assert len(list(tmp_path.glob("2-*"))) == 2


def lost_once(folder: Path, job: int) -> int:
    if job == 1 and not (folder / "lost").exists():
        (folder / "lost").touch()
        raise CancelledError
    return 10 * job


def test_fits_whose_vectors_are_lost_with_a_node_of_a_cluster_start_again(tmp_path: Path) -> None:
    assert list(Workers().map(lost_once, tmp_path, range(3))) == [0, 10, 20]


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(WorkerDiedError, match=r"got 3 that died \(fits left: 1\).*smaller n_jobs"):
        list(PROCESSES.map(dying, tmp_path, [0, 9]))
    assert len(list(tmp_path.glob("9-*"))) == 1 + N_RETRIES


INTERRUPTED = """
import sys, time
from pathlib import Path
from query_adapters.training.workers import Workers
def task(folder, job):
    import os, pathlib
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(100)
list(Workers(n_jobs=2).map(task, sys.argv[1], range(4)))
"""


def until(holds: Any, *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(holds())


def pids_in(folder: Path) -> Sequence[int]:
    return [int(path.name) for path in folder.iterdir()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_an_interruption_stops_the_workers(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 - this interpreter, with the code above
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert until(lambda: len(pids_in(tmp_path)) == 2, seconds=60)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0
    assert until(lambda: not any(map(is_running, pids_in(tmp_path))), seconds=10)


@pytest.mark.slow
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_process_that_trains_ends_with_its_workers(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=map_in_processes)
    process.start()
    process.join(timeout=60)
    assert process.exitcode == 0


def map_in_processes() -> None:
    assert list(PROCESSES.map(divmod, 7, [2, 3])) == [(3, 1), (2, 1)]


def test_the_threads_of_this_process_are_those_that_blas_may_use() -> None:
    with threadpool_limits(limits=4, user_api="blas"):
        assert Workers.of(DATASET, None) == Workers(n_jobs=4, backend="threading")
    assert Workers.of(DATASET, 3) == Workers(n_jobs=3)
