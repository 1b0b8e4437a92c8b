"""Read vectors from a namespace of a Pinecone index."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.source import RawBlock, Record, batches, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {
    "cosine": "cosine",
    "dotproduct": "dot",
    "euclidean": "euclidean",
}
MOST = 100  # ids of one page, and of one request, whose address they are part of
UNLISTED = {400, 404, 405, 501}  # what an index answers that does not list its ids
SEPARATOR = "#"
_listed: WeakKeyDictionary[Any, dict[str | None, dict[str, str]]] = WeakKeyDictionary()


@dataclass(frozen=True, kw_only=True)
class PineconeSource:
    """A namespace of a serverless index; ids are listed page by page, and rows fetched by id.

    Args:
        index: The client's `Index`.
        namespace: The namespace; None for the default one.
        text_key: The metadata key of texts.
        has_prefixes: Whether ids have the form "document#id", as those of LlamaIndex; the part
            after the last "#" is then the id.
    """

    index: Any
    namespace: str | None = None
    text_key: str = "text"
    has_prefixes: bool = False

    @property
    def similarity(self) -> Similarity | None:
        """What the index ranks by; None if the server does not state it."""
        metric = getattr(self.index.describe_index_stats(), "metric", None)
        return SIMILARITIES.get(str(metric))

    def count(self) -> int:
        """Return the number of vectors, which lags behind writes by some seconds."""
        counts = self.index.describe_index_stats().namespaces
        own = counts.get(self.namespace or "") or counts.get(self.namespace or "__default__")
        return 0 if own is None else int(own.vector_count)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows, at most 100 a block.

        Raises:
            UnreadableStoreError: If the index does not list its ids, as those based on pods.
        """
        size = min(batch_size, MOST)
        pages = self._pages(size) if ids is None else batches(self._stored(ids), size)
        for keys in pages:
            found = self._fetch(keys)
            yield [self._id_of(key) for key in found], [row.values for row in found.values()]

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and metadata by id."""
        found: dict[str, Record] = {}
        for keys in batches(self._known(ids), MOST):
            for key, row in self._fetch(keys).items():
                metadata = dict(row.metadata or {})
                text = str(metadata.pop(self.text_key, ""))
                found[self._id_of(key)] = Record(text, metadata)
        return found

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; rows without a text are left out."""
        return texts_of(self.records(ids))

    def _pages(self, size: int) -> Iterator[list[str]]:
        pages = self.index.list(limit=size, **self._where)
        try:
            for page in pages:  # of ids; from pinecone 9 on of entries
                yield [getattr(entry, "id", entry) for entry in page]
        except Exception as error:  # its class has moved between versions of the client
            if getattr(error, "status", None) not in UNLISTED:
                raise
            raise UnreadableStoreError(
                "Pinecone index that does not list its ids",
                expected="a serverless index",
                remedy="pass the vectors as blocks of (ids, vectors), or leave the store out, and "
                "documents are embedded again",
            ) from error

    def _fetch(self, keys: Sequence[str]) -> dict[str, Any]:
        return dict(self.index.fetch(ids=list(keys), **self._where).vectors) if keys else {}

    def _stored(self, ids: Sequence[str]) -> list[str]:
        """Return the ids as the index holds them; it is asked for all where they have prefixes."""
        if not self.has_prefixes or not ids:
            return list(ids)
        wanted = set(ids)
        return [key for page in self._pages(MOST) for key in page if self._id_of(key) in wanted]

    def _known(self, ids: Sequence[str]) -> list[str]:
        """Return the same out of the last listing, which is renewed for an id that it lacks.

        A retriever asks for a few ids with each question.
        """
        if not self.has_prefixes:
            return list(ids)
        namespaces = _listed.setdefault(self.index, {})
        kept = namespaces.get(self.namespace, {})
        if any(key not in kept for key in ids):  # replaced when complete: other threads read it
            kept = {self._id_of(key): key for page in self._pages(MOST) for key in page}
            namespaces[self.namespace] = kept
        return [kept[key] for key in ids if key in kept]

    def _id_of(self, key: str) -> str:
        return key.rpartition(SEPARATOR)[2] if self.has_prefixes else key

    @property
    def _where(self) -> dict[str, str]:
        return {"namespace": self.namespace} if self.namespace else {}
