"""How many threads fits use: one each in parallel fits of small problems, all in one large fit."""

from contextlib import AbstractContextManager, nullcontext
from os import cpu_count

from threadpoolctl import threadpool_info, threadpool_limits

from query_adapters.data.embedded import EmbeddedDataset

SCORES_FOR_THREADS = 10_000_000  # questions times vectors of labelled documents


def blas_threads_for(dataset: EmbeddedDataset) -> AbstractContextManager[object]:
    """Return a context with one BLAS thread if the dataset is small, else without a limit."""
    return threadpool_limits(limits=1, user_api="blas") if is_small(dataset) else nullcontext()


def blas_threads() -> int:
    """Return how many threads BLAS may use; the number of cores if BLAS does not say.

    It is less than one per core where the environment (`OMP_NUM_THREADS`) or a pool of processes
    limits it.
    """
    pools = (pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
    return max(pools, default=cpu_count() or 1)


def is_small(dataset: EmbeddedDataset) -> bool:
    """Return whether a fit on the dataset is too small for several BLAS threads."""
    return len(dataset.queries) * len(dataset.labelled_rows.rows) < SCORES_FOR_THREADS
