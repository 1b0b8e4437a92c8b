"""A LangChain embedding model with prefixes before its texts."""

from collections.abc import Iterator
from typing import Any

from langchain_core.embeddings import Embeddings
from pydantic import Field

from langchain_adapter._wrapping import WrappingEmbeddings
from langchain_adapter.embedder import BaseLike, LangChainEmbedder
from query_adapters.embedders.batching import check_at_least_one
from query_adapters.embedders.prepared import PreparedModel, with_prefix


class PreparedEmbeddings(PreparedModel, WrappingEmbeddings):
    """Puts a prefix before each text, by its role, and may shorten the vectors.

    Use it in place of a model that needs prefixes and whose class has no option for them:
    `PreparedEmbeddings(base, query_prefix="query: ", document_prefix="passage: ")`. What a family
    of models expects: `query_adapters.embedders.preset_of(name).prefixes`.

    Args:
        base: The embedding model, or its name; or a LlamaIndex embedding model.
        query_prefix: What stands before queries.
        document_prefix: What stands before documents.
        dimensions: Keep so many numbers of each vector, scaled to length 1 again, for models that
            were trained for it; None for all.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
        ValueError: If `dimensions` is below 1.
    """

    query_prefix: str = Field(default="", frozen=True)
    document_prefix: str = Field(default="", frozen=True)
    dimensions: int | None = Field(default=None, frozen=True)

    def __init__(
        self,
        base: BaseLike,
        *,
        query_prefix: str = "",
        document_prefix: str = "",
        dimensions: int | None = None,
    ) -> None:
        check_at_least_one(dimensions=dimensions)
        super().__init__(
            base,
            query_prefix=query_prefix,
            document_prefix=document_prefix,
            dimensions=dimensions,
        )

    @property
    def unprefixed(self) -> Embeddings:
        """The base."""
        return self.base

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents."""
        return self._cut(self.base.embed_documents(with_prefix(self.document_prefix, texts)))

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of queries, in the base's batches if it has them."""
        embedder = LangChainEmbedder(self.base)
        return self._cut(embedder.embed_queries(with_prefix(self.query_prefix, texts)).tolist())

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self._cut([self.base.embed_query(self.query_prefix + text)])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the same as `embed_documents`, by the base's asynchronous method."""
        prefixed = with_prefix(self.document_prefix, texts)
        return self._cut(await self.base.aembed_documents(prefixed))

    async def aembed_query(self, text: str) -> list[float]:
        """Return the same as `embed_query`, by the base's asynchronous method."""
        return self._cut([await self.base.aembed_query(self.query_prefix + text)])[0]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from super().__repr_args__()
        yield from ((name, getattr(self, name)) for name in ("query_prefix", "document_prefix"))
        yield "dimensions", self.dimensions
