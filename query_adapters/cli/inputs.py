"""Convert arguments of the command line to objects of the package."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from query_adapters.data.chunked import ChunkedDataset, embed_chunked, load_chunked
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset
from query_adapters.data.paths import load_dataset
from query_adapters.data.readers import reading
from query_adapters.data.readers.folders import has_splits
from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.lexical.collecting import TextBlock
from query_adapters.stores import StoredVectors
from query_adapters.typing import Texts

VECTORS = "embeddings.sqlite"  # the cache's name in the adapter's folder


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """A dataset with the documents that are searched.

    Attributes:
        texts: The dataset; with --units, its labels name units.
        chunked: The chunks of the units; None without --units.
    """

    texts: RetrievalDataset
    chunked: ChunkedDataset | None = None

    @property
    def chunks(self) -> Texts | None:
        """Texts of the chunks by id; None without --units."""
        return None if self.chunked is None else self.chunked.chunks

    @property
    def documents(self) -> Texts:
        """Texts of what is searched, by id."""
        return self.texts.corpus if self.chunked is None else self.chunked.chunks

    def embedded(self, embedder: TextEmbedder, **options: Any) -> EmbeddedDataset:
        """Return the vectors; options as in `embed_dataset`."""
        if self.chunked is None:
            return embed_dataset(self.texts, embedder, **options)
        return embed_chunked(self.chunked, embedder, **options)


def searched_at(
    path: Path, split: str | None, corpus: Path | None, units: str | None, *, default: str
) -> Searched:
    """Return the dataset at the path with its chunks; arguments as in `dataset_at`.

    Args:
        path: Path of a dataset.
        split: Split of a folder.
        corpus: File of documents; with `units`, of chunks.
        units: The units that labels name, as in `load_chunked`; None for documents.
        default: The command's default split.
    """
    if units is None:
        return Searched(texts=dataset_at(path, split, corpus, default=default))
    with _notes_on_stderr():
        chunked = load_chunked(path, units, split=_split(path, split, default), corpus=corpus)
    return Searched(texts=chunked.questions, chunked=chunked)


def stored_chunks(
    dataset: ChunkedDataset | None,
    embedder: TextEmbedder,
    cache: EmbeddingCache,
    *,
    show_progress: bool,
) -> StoredVectors | None:
    """Return the vectors of the chunks with their units; None without --units."""
    if dataset is None:
        return None
    texts = list(dataset.chunks.values())
    vectors = cache.embed_documents(embedder, texts, show_progress=show_progress)
    return StoredVectors(tuple(dataset.chunks), vectors, units=dataset.units)


def block_of(texts: Texts) -> TextBlock:
    """Return the texts as one block."""
    return list(texts), list(texts.values())


def _split(path: Path, split: str | None, default: str) -> str | None:
    return default if split is None and path.is_dir() and has_splits(path) else split


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
    with _notes_on_stderr():
        return load_dataset(path, split=_split(path, split, default), corpus=corpus, **options)


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
        typer.echo(record.getMessage(), err=True)


def cache_at(path: Path | None, *, adapter: Path | None = None) -> EmbeddingCache:
    """Return the cache in the file, or the one in the adapter's folder."""
    left = None if adapter is None else adapter / VECTORS
    return EmbeddingCache(path or (left if left is not None and left.exists() else None))
