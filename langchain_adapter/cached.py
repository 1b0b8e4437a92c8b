"""A LangChain embedding model that keeps the vectors of another one, apart by role."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_adapter._wrapping import WrappingEmbeddings
from langchain_adapter.embedder import BaseLike, LangChainEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import dim_of, identity_of


class CachedEmbeddings(WrappingEmbeddings):
    """Embeds each text once in each role, and keeps the vectors in a SQLite file.

    A query never gets the vector of a document, nor that of another model or, around an adapted
    model, of another adapter. Put it around the base, so that a new adapter reuses the queries:
    `LinearAdapterEmbeddings(CachedEmbeddings(base, "vectors.sqlite"), "my_adapter")`.

    Vectors are rounded to single precision, also when they are embedded for the first time. Several
    processes may share the file.

    Args:
        base: The embedding model. A LlamaIndex embedding model, or a string that LlamaIndex
            resolves to one, is accepted too.
        cache_path: The file, created with its folders on first use.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
    """

    cache_path: Path = Field(frozen=True)

    def __init__(self, base: BaseLike, cache_path: str | Path) -> None:
        super().__init__(base, cache_path=Path(cache_path))

    @property
    def underlying_embeddings(self) -> Embeddings:
        """The base, under the name that LangChain's own cache has for it."""
        return self.base

    @property
    def identity(self) -> str:
        """The base's."""
        return identity_of(self.base)

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the base does not state it."""
        return dim_of(self.base)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents; those that are not in the file are embedded."""
        embedder = LangChainEmbedder(self.base)
        vectors: list[list[float]] = self._cache.embed_documents(embedder, texts).tolist()
        return vectors

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of queries; those that are not in the file are embedded."""
        embedder = LangChainEmbedder(self.base)
        vectors: list[list[float]] = self._cache.embed_queries(embedder, texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self.embed_queries([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the same as `embed_documents`, by the base's asynchronous method."""
        embedder, embed = LangChainEmbedder(self.base), self.base.aembed_documents
        vectors = await self._cache.aembed(embedder, "document", embed, texts)
        found: list[list[float]] = vectors.tolist()
        return found

    async def aembed_query(self, text: str) -> list[float]:
        """Return the same as `embed_query`, by the base's asynchronous method."""

        async def embed(texts: list[str]) -> list[list[float]]:
            return [await self.base.aembed_query(text) for text in texts]

        vectors = await self._cache.aembed(LangChainEmbedder(self.base), "query", embed, [text])
        found: list[float] = vectors[0].tolist()
        return found

    @property
    def _cache(self) -> EmbeddingCache:
        return EmbeddingCache(self.cache_path)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from super().__repr_args__()
        yield "cache_path", str(self.cache_path)
