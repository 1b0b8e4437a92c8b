"""Convert arguments of the command line to objects of the package."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from query_adapters.cli import output
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.paths import load_dataset
from query_adapters.data.readers import reading
from query_adapters.data.readers.folders import has_splits
from query_adapters.embedders.cache import EmbeddingCache

VECTORS = "embeddings.sqlite"  # the cache's name in the adapter's folder


def dataset_at(
    path: Path, split: str | None, corpus: Path | None, *, default: str, **options: Any
) -> RetrievalDataset:
    """Return the dataset at the path; stderr says how a table of another tool was understood.

    Args:
        path: Path of a dataset, as in `load_dataset`.
        split: Split of a folder; None for `default`, if the folder has splits.
        corpus: File of documents for rows that name them by id.
        default: The command's default split.
        **options: Format and columns, as in `load_dataset`.
    """
    if split is None and path.is_dir() and has_splits(path):
        split = default
    with _notes_on_stderr():
        return load_dataset(path, split=split, corpus=corpus, **options)


@contextmanager
def _notes_on_stderr() -> Iterator[None]:
    logger, handler = logging.getLogger(reading.__name__), _Notes()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Notes(logging.Handler):
    """Shows what the library notes on stderr, which tests replace; so it is looked up each time."""

    def emit(self, record: logging.LogRecord) -> None:
        output.note(record.getMessage())


def cache_at(path: Path | None, *, adapter: Path | None = None) -> EmbeddingCache:
    """Return the cache in the file, or the one in the adapter's folder."""
    left = None if adapter is None else adapter / VECTORS
    return EmbeddingCache(path or (left if left is not None and left.exists() else None))
