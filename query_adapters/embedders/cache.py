"""Cache of embeddings on disk, by model, role and text."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from query_adapters.arrays import as_numbers, check_finite
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidVectorsError,
    ProviderRefusedError,
)
from query_adapters.providers.failures import unreadable_answers_of
from query_adapters.typing import Vectors

Role = Literal["query", "document"]
SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
QUERIES_AT_ONCE = (
    64  # most models embed queries one by one, and an interrupted batch is paid for twice
)
LOOKED_UP_AT_ONCE = 500  # SQLite's limit on parameters of one statement is 999 in old builds


class EmbeddingCache:
    """Embeds texts and stores every finished batch in one SQLite file.

    If the process is killed or the provider fails, only the batch in flight is lost. Retries are
    left to the model's own client. The key is the SHA-256 of the model's identity, the role and the
    text, so that a query never gets a document's vector; texts are not stored. Models with equal
    identities share their vectors, see `identity_of`.

    Args:
        path: The file, created with its folders on first use; None to keep nothing beyond one call.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)

    def embed_queries(
        self, embedder: TextEmbedder, texts: Sequence[str], *, show_progress: bool = False
    ) -> Vectors:
        """Return the vectors of the queries, `(len(texts), dim)`; embeds each uncached text once.

        Raises:
            InvalidVectorsError: If the model's vectors are not finite, or differ in length.
                Finished batches stay in the cache.
            ProviderRefusedError: If the model's provider rejects the key. Other errors of its
                client are raised unchanged, with a note on the finished batches.
        """
        return self.embed(embedder, "query", embedder.embed_queries, texts, show_progress)

    def embed_documents(
        self, embedder: TextEmbedder, texts: Sequence[str], *, show_progress: bool = False
    ) -> Vectors:
        """Return the vectors of the documents; otherwise as `embed_queries`."""
        return self.embed(embedder, "document", embedder.embed_documents, texts, show_progress)

    def embed(
        self,
        embedder: TextEmbedder,
        role: Role,
        embed: Callable[[list[str]], ArrayLike],
        texts: Sequence[str],
        show_progress: bool = False,
    ) -> Vectors:
        """Return the vectors of the texts in a role, `(len(texts), dim)`.

        Args:
            embedder: The model, whose identity is part of the keys.
            role: "query" or "document".
            embed: Embeds a batch of texts that the cache lacks.
            texts: The texts.
            show_progress: Whether to show a progress bar.

        Raises:
            InvalidVectorsError: As in `embed_queries`.
            ProviderRefusedError: As in `embed_queries`.
        """
        keys = self._keys(embedder, role, texts)
        with self._open() as connection:
            known = _look_up(connection, keys)
            batches = _missing(keys, texts, known, size=_size(embedder, role))
            total = len(known) + sum(map(len, batches))
            what = f"Embedding {role} texts"
            with tqdm(total=total - len(known), desc=what, disable=not show_progress) as bar:
                for batch in batches:
                    with self._failing_well(embedder.model_name, f"{len(known)} of {total} {role}"):
                        given = embed(list(batch.values()))
                    fresh = _fresh(batch, given, role)
                    _store(connection, fresh)
                    known |= fresh
                    bar.update(len(batch))
        return _stacked([known[key] for key in keys], role)

    async def aembed(
        self,
        embedder: TextEmbedder,
        role: Role,
        embed: Callable[[list[str]], Awaitable[ArrayLike]],
        texts: Sequence[str],
    ) -> Vectors:
        """Return the same as `embed`, by an asynchronous function; the file is read in a thread."""
        keys = self._keys(embedder, role, texts)
        known = await asyncio.to_thread(self._known, keys)
        batches = _missing(keys, texts, known, size=_size(embedder, role))
        total = len(known) + sum(map(len, batches))
        for batch in batches:
            with self._failing_well(embedder.model_name, f"{len(known)} of {total} {role}"):
                given = await embed(list(batch.values()))
            fresh = _fresh(batch, given, role)
            await asyncio.to_thread(self._keep, fresh)
            known |= fresh
        return _stacked([known[key] for key in keys], role)

    def _keys(self, embedder: TextEmbedder, role: Role, texts: Sequence[str]) -> list[bytes]:
        # the identity of a model may take a while to compute
        identity = "" if self.path is None else embedder.identity
        return [vector_key(identity, role, text) for text in texts]

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        with self._open() as connection:
            return _look_up(connection, keys)

    def _keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        with self._open() as connection:
            _store(connection, vectors)

    @contextmanager
    def _failing_well(self, model_name: str, finished: str) -> Iterator[None]:
        """Raise ProviderRefusedError for a rejected key; note on other errors what is kept."""
        try:
            with unreadable_answers_of(model_name):
                yield
        except ProviderRefusedError:
            raise
        except Exception as error:
            if self.path is not None:
                error.add_note(f"{finished} texts are kept in {self.path}: run again to go on")
            raise

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path or ":memory:", timeout=60)
        try:
            connection.execute(SCHEMA)
            yield connection
        finally:
            connection.close()


def vector_key(identity: str, role: Role, text: str) -> bytes:
    """Return the cache key of a text in a role, 32 bytes."""
    return hashlib.sha256("\0".join((identity, role, text)).encode()).digest()


def _size(embedder: TextEmbedder, role: Role) -> int:
    """Return the most texts of a batch."""
    size = embedder.batch_size
    return min(size, QUERIES_AT_ONCE) if role == "query" else size


def _missing(
    keys: Sequence[bytes], texts: Sequence[str], known: Collection[bytes], *, size: int
) -> list[dict[bytes, str]]:
    """Return batches of the texts that are not known, each text once."""
    missing = [(k, t) for k, t in dict(zip(keys, texts, strict=True)).items() if k not in known]
    return [dict(missing[start : start + size]) for start in range(0, len(missing), size)]


def _fresh(batch: Mapping[bytes, str], given: ArrayLike, role: Role) -> dict[bytes, Vectors]:
    return dict(zip(batch, _checked(given, len(batch), role), strict=True))


def _look_up(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
    known: dict[bytes, Vectors] = {}
    for start in range(0, len(keys), LOOKED_UP_AT_ONCE):
        asked = keys[start : start + LOOKED_UP_AT_ONCE]
        marks = ",".join("?" * len(asked))
        statement = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608
        for key, vector in connection.execute(statement, asked):
            known[key] = np.frombuffer(vector, dtype="<f4")
    return known


def _store(connection: sqlite3.Connection, vectors: Mapping[bytes, Vectors]) -> None:
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
            [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()],
        )


def _checked(given: ArrayLike, n_texts: int, role: Role) -> Vectors:
    vectors = as_numbers(given, f"{role} vectors")
    if vectors.ndim != 2 or len(vectors) != n_texts:
        raise InvalidVectorsError(
            f"{role} vectors: expected shape ({n_texts}, dim), got {vectors.shape}; "
            "the embedding model must give one vector a text"
        )
    check_finite(vectors, f"{role} vectors of the batch")
    return vectors


def _stacked(vectors: Sequence[Vectors], role: Role) -> Vectors:
    dims = {len(vector) for vector in vectors}
    if len(dims) > 1:
        raise DimensionMismatchError(
            f"{role} vectors of one model",
            expected=len(vectors[0]),
            actual=next(len(v) for v in vectors if len(v) != len(vectors[0])),
            remedy="the model changed under the same name: use another cache file",
        )
    return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)
