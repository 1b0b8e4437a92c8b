"""A LangChain embedding model for a vector store of 8-bit whole numbers or bits."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field, InstanceOf

from langchain_adapter._wrapping import WrappingEmbeddings
from langchain_adapter.embedder import BaseLike, LangChainEmbedder
from query_adapters.stores.stored_form import EncodedModel, StoredForm


class EncodedEmbeddings(EncodedModel, WrappingEmbeddings):
    """Gives queries and documents the form in which a vector store keeps them.

    Put it around the adapted model: `EncodedEmbeddings(adapted, StoredForm(precision="ubinary"))`.

    Args:
        base: The embedding model, or its name; or a LlamaIndex embedding model.
        stored_form: How the store keeps vectors.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
    """

    stored_form: InstanceOf[StoredForm] = Field(exclude=True, frozen=True)

    def __init__(self, base: BaseLike, stored_form: StoredForm) -> None:
        super().__init__(base, stored_form=stored_form)

    @property
    def _inner(self) -> Any:
        return self.base

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents."""
        return self._encoded(self.base.embed_documents(texts))

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of queries, in the base's batches if it has them."""
        return self._encoded(LangChainEmbedder(self.base).embed_queries(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self._encoded([self.base.embed_query(text)])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the same as `embed_documents`, by the base's asynchronous method."""
        return self._encoded(await self.base.aembed_documents(texts))

    async def aembed_query(self, text: str) -> list[float]:
        """Return the same as `embed_query`, by the base's asynchronous method."""
        return self._encoded([await self.base.aembed_query(text)])[0]

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from super().__repr_args__()
        yield "stored_form", self.stored_form.precision
