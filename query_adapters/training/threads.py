"""Limit BLAS to one thread for small problems, which more threads slow down."""

from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import threadpool_limits

from query_adapters.data.embedded import EmbeddedDataset

SCORES_FOR_THREADS = 10_000_000  # questions times labelled documents


def blas_threads_for(dataset: EmbeddedDataset) -> AbstractContextManager[object]:
    """Return a context with one BLAS thread if the dataset is small, else without a limit."""
    is_small = len(dataset.queries) * len(dataset.labelled) < SCORES_FOR_THREADS
    return threadpool_limits(limits=1, user_api="blas") if is_small else nullcontext()
