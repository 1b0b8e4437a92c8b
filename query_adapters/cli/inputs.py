"""Convert arguments of the command line to objects of the package."""

from pathlib import Path

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.paths import read_dataset
from query_adapters.embedders.cache import EmbeddingCache

VECTORS = "embeddings.sqlite"  # the cache's name in the adapter's folder


def dataset_at(
    path: Path, split: str | None, corpus: Path | None, *, default: str
) -> RetrievalDataset:
    """Return the dataset at the path.

    Args:
        path: Path of a dataset, as in `read_dataset`.
        split: Split of a BEIR folder; None for `default`.
        corpus: File of documents for a file of questions.
        default: The command's default split.
    """
    if split is None and path.is_dir():
        split = default
    return read_dataset(path, split=split, corpus=corpus)


def cache_at(path: Path | None, *, adapter: Path | None = None) -> EmbeddingCache:
    """Return the cache in the file, or the one in the adapter's folder."""
    left = None if adapter is None else adapter / VECTORS
    return EmbeddingCache(path or (left if left is not None and left.exists() else None))
