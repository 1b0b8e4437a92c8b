"""Cache of embeddings on disk, by model, role and text."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.call import Call, Role, usable
from query_adapters.embedders.http_status import status_of
from query_adapters.embedders.vector_file import VectorFile
from query_adapters.errors import ProviderRefusedError
from query_adapters.typing import Vectors

QUERIES_AT_ONCE = (
    64  # most models embed queries one by one, and an interrupted batch is paid for twice
)


class EmbeddingCache:
    """Embeds texts and stores every finished batch in one SQLite file.

    If the process is killed or the provider fails, only the batch in flight is lost. Retries are
    left to the model's own client. The key is the SHA-256 of the model's identity, the role and the
    text, so that a query never gets a document's vector; texts are not stored. Models with equal
    identities share their vectors, see `identity_of`.

    The file is checked before a model is called: that it is a cache, and can take the vectors that
    are missing. Stored vectors that are damaged, or of another length than the model's, are
    embedded again, with a warning.

    Args:
        path: The file, created with its folders on first use; None to keep nothing beyond one call.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._file = None if self.path is None else VectorFile(self.path)

    def embed_queries(
        self, embedder: TextEmbedder, texts: Sequence[str], *, show_progress: bool = False
    ) -> Vectors:
        """Return the vectors of the queries, `(len(texts), dim)`; embeds each uncached text once.

        Raises:
            InvalidVectorsError: If the model's vectors are not finite, or differ in length.
                Finished batches stay in the cache; the one that differs is not stored.
            EmbeddingCacheError: If the file is damaged, locked, not writable or of another program,
                or the disk lacks room.
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
            EmbeddingCacheError: As in `embed_queries`.
            ProviderRefusedError: As in `embed_queries`.
        """
        call = self._started(embedder, role, texts)
        if not call.missing:  # a progress bar that is not shown takes a moment too
            return call.stacked()
        what = f"Embedding {role} texts"
        with tqdm(total=len(call.missing), desc=what, disable=not show_progress) as bar:
            for batch in call.batches():
                with self._failing_well(embedder.model_name, call.finished):
                    given = embed(list(batch.values()))
                self._keep(call.accepted(batch, given))
                call.finish(batch)
                bar.update(len(batch))
        return call.stacked()

    async def aembed(
        self,
        embedder: TextEmbedder,
        role: Role,
        embed: Callable[[list[str]], Awaitable[ArrayLike]],
        texts: Sequence[str],
    ) -> Vectors:
        """Return the same as `embed`, by an asynchronous function; the file is read in a thread."""
        call = await asyncio.to_thread(self._started, embedder, role, texts)
        for batch in call.batches():
            with self._failing_well(embedder.model_name, call.finished):
                given = await embed(list(batch.values()))
            await asyncio.to_thread(self._keep, call.accepted(batch, given))
            call.finish(batch)
        return call.stacked()

    def _started(self, embedder: TextEmbedder, role: Role, texts: Sequence[str]) -> Call:
        """Return the call with what the file holds; the file can take the rest."""
        keys = self._keys(embedder, role, texts)
        call = Call(keys, texts, self._known(keys), role=role, size=_size(embedder, role))
        if call.missing and self._file is not None:
            self._file.check_writable(len(call.missing), call.dim)
        return call

    def _keys(self, embedder: TextEmbedder, role: Role, texts: Sequence[str]) -> list[bytes]:
        # the identity of a model may take a while to compute
        identity = "" if self.path is None else embedder.identity
        return [vector_key(identity, role, text) for text in texts]

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        if self._file is None:
            return {}
        rows = self._file.read(keys)
        return usable(rows, self.path)

    def _keep(self, vectors: Mapping[bytes, Vectors]) -> None:
        if self._file is not None:
            self._file.write(vectors)

    @contextmanager
    def _failing_well(self, model_name: str, finished: str) -> Iterator[None]:
        """Raise ProviderRefusedError for a rejected key; note on other errors what is kept."""
        try:
            yield
        except Exception as error:
            status = status_of(error)
            if status in (401, 403):
                raise ProviderRefusedError(model_name, status) from error
            if self.path is not None:
                error.add_note(f"{finished} texts are kept in {self.path}: run again to go on")
            raise


def vector_key(identity: str, role: Role, text: str) -> bytes:
    """Return the cache key of a text in a role, 32 bytes."""
    return hashlib.sha256("\0".join((identity, role, text)).encode()).digest()


def _size(embedder: TextEmbedder, role: Role) -> int:
    """Return the most texts of a batch."""
    size = embedder.batch_size
    return min(size, QUERIES_AT_ONCE) if role == "query" else size
