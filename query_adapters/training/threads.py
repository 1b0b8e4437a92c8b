"""How many threads fits use: one each in parallel fits of small problems, all in one large fit."""

from contextlib import AbstractContextManager, nullcontext
from os import cpu_count

from threadpoolctl import threadpool_limits

from query_adapters.data.embedded import EmbeddedDataset

SCORES_FOR_THREADS = 10_000_000  # questions times vectors of labelled documents


def blas_threads_for(dataset: EmbeddedDataset) -> AbstractContextManager[object]:
    """Return a context with one BLAS thread if the dataset is small, else without a limit."""
    return threadpool_limits(limits=1, user_api="blas") if _is_small(dataset) else nullcontext()


def workers_for(dataset: EmbeddedDataset) -> int:
    """Return how many fits run at once: one per core if the dataset is small, else one."""
    return cpu_count() or 1 if _is_small(dataset) else 1


def _is_small(dataset: EmbeddedDataset) -> bool:
    return len(dataset.queries) * len(dataset.labelled_rows.rows) < SCORES_FOR_THREADS
