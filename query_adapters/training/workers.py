"""Run independent fits in threads, in processes, or on a cluster behind joblib."""

import logging
import multiprocessing
import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.util import Finalize
from numbers import Integral
from typing import Any, Generic, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from joblib.parallel import get_active_backend
from threadpoolctl import threadpool_limits

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.device import device_of
from query_adapters.errors import WorkerDiedError
from query_adapters.evaluation.metrics import METRICS
from query_adapters.training.threads import blas_threads, is_small

Shared = TypeVar("Shared")
Job = TypeVar("Job")
Result = TypeVar("Result")
N_RETRIES = 2
DEATHS = (BrokenExecutor, CancelledError)  # of a process; of a Dask worker that held vectors
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where independent fits run, and with how many BLAS threads each.

    Attributes:
        n_jobs: joblib's number of workers; None for that of the active `joblib.parallel_config`.
        backend: joblib's backend; None for the active one, by default processes.
        blas_threads: Most BLAS threads of each fit; None for no limit.
    """

    n_jobs: int | None = 1
    backend: str | None = None
    blas_threads: int | None = 1

    @classmethod
    def of(cls, dataset: EmbeddedDataset, n_jobs: int | None, *, device: str = "cpu") -> "Workers":
        """Return the workers for fits on the dataset.

        With a number, or within a `joblib.parallel_config`, joblib decides where they run, with
        one BLAS thread each, so that results do not depend on the number. Otherwise they run in
        threads of this process, as many as BLAS may use; of a large dataset, or on another device
        than the CPU, one fit at a time runs, with all BLAS threads.
        """
        if n_jobs is not None or _is_configured():
            return cls(n_jobs=n_jobs)
        if device_of(device) is None and is_small(dataset):
            return cls(n_jobs=blas_threads(), backend="threading")
        return cls(blas_threads=None)

    def limited(self) -> AbstractContextManager[object]:
        """Return a context in which this process keeps to the number of BLAS threads."""
        return nullcontext() if self.blas_threads is None else _blas_limit(self.blas_threads)

    def map(
        self, task: Callable[[Shared, Job], Result], shared: Shared, jobs: Sequence[Job]
    ) -> Generator[Result, None, None]:
        """Yield the task's result for each job, in order, as they arrive.

        Arrays in `shared` of 1 MB and more are written once, and worker processes map them into
        memory; Dask sends them to each worker once. If a worker dies, the jobs without a result
        start again, at most twice. Workers stop if the iterator is closed or the program
        is interrupted.

        Args:
            task: A function of a module; `shared` is not changed by it.
            shared: What all jobs need.
            jobs: What differs.

        Raises:
            WorkerDiedError: If a worker dies a third time.
        """
        _stop_workers_with(os.getpid())
        n_done, n_deaths = 0, 0
        prepared: _Task[Job, Result] = _Task(task, shared, self.blas_threads)
        while n_done < len(jobs):
            try:
                with closing(self._results(prepared, jobs[n_done:])) as results:
                    for result in results:
                        n_done += 1
                        yield result
            except DEATHS as error:
                n_deaths += 1
                if n_deaths > N_RETRIES:
                    raise _died(n_deaths, n_left=len(jobs) - n_done) from error
                logger.warning("a worker died; %d fits start again", len(jobs) - n_done)

    def _results(
        self, task: "_Task[Job, Result]", jobs: Sequence[Job]
    ) -> Generator[Result, None, None]:
        active, _ = get_active_backend()
        streams = self.backend is not None or active.supports_return_generator
        parallel = Parallel(
            n_jobs=self.n_jobs,
            backend=self.backend,
            batch_size=1,  # a fit takes long enough
            return_as="generator" if streams else "list",
        )
        yield from parallel(delayed(_run)(task, job) for job in jobs)


SERIAL = Workers()
"""One fit after another, in this process."""


@dataclass(frozen=True, eq=False)
class _Task(Generic[Job, Result]):
    """A function with what all its calls share, ready to be sent to other processes."""

    function: Callable[..., Result]
    shared: object
    blas_threads: int | None
    metrics: dict[str, Any] = field(default_factory=METRICS.copy)  # also those of the user

    def __sizeof__(self) -> int:
        """Return a size above which Dask sends an argument to each worker once, not per call."""
        return 1_000_000


@lru_cache(maxsize=1)
def _stop_workers_with(pid: int) -> None:  # a fork is another process
    """Let idle workers end with this process, if `multiprocessing` has started it.

    Such a process waits for its own children before joblib could stop them: for five minutes.
    """
    if multiprocessing.parent_process() is not None:
        Finalize(None, _stop_workers, exitpriority=0)


def _stop_workers() -> None:
    get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def _died(n_deaths: int, *, n_left: int) -> WorkerDiedError:
    return WorkerDiedError(
        f"n_jobs: expected worker processes that finish their fits, got {n_deaths} that died "
        f"(fits left: {n_left}); the system may be out of memory: use a smaller n_jobs, or "
        "n_jobs=1 for no other process"
    )


def _run(task: _Task[Job, Result], job: Job) -> Result:
    METRICS.update(task.metrics)
    with nullcontext() if task.blas_threads is None else _blas_limit(task.blas_threads):
        return task.function(task.shared, job)


def _blas_limit(n_threads: int) -> AbstractContextManager[object]:
    limit: AbstractContextManager[object] = threadpool_limits(limits=n_threads, user_api="blas")
    return limit


def is_number_of_jobs(given: object) -> bool:
    """Return whether joblib takes it as a number of workers."""
    is_whole = isinstance(given, Integral) and not isinstance(given, bool)
    return given is None or (is_whole and given != 0)


def _is_configured() -> bool:
    """Return whether a `joblib.parallel_config` says where to run."""
    backend, n_jobs = get_active_backend()
    return n_jobs is not None or backend.default_n_jobs != 1
