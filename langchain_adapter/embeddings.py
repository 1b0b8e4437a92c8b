"""A base embedding model with an adapter on its queries, as LangChain calls one."""

from collections.abc import Iterator
from types import EllipsisType
from typing import Any, ClassVar

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.stores import BaseStore, ByteStore
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from langchain_adapter.embedder import BaseLike, resolve_base
from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.serving import (
    AdapterLike,
    adapted,
    adapted_identity,
    check_fits,
    check_probe,
    from_arrays,
    probe_of,
    read,
)
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.embedders.cache import vector_key
from query_adapters.embedders.identity import dim_of, identity_of, innermost, model_name_of


class AdapterEmbeddings(BaseModel, Embeddings):
    """The base's document vectors, bit for bit, and its query vectors through an adapter.

    A vector store filled with the base is searched as it is, once it is opened with
    `AdapterEmbeddings(base, "folder")` as its embedding.

    Args:
        base: The embedding model that the store was filled with. A LlamaIndex embedding model, or
            a string that LlamaIndex resolves to one, does as well.
        adapter: The adapter, with or without its record, or its folder; None for the base as
            it is.
        check_model: Whether the adapter's record must name this base.
        query_cache: A store of bytes for query vectors, as `CacheBackedEmbeddings` takes one for
            documents; they are kept as the base gives them, so that a new adapter finds them.

    Raises:
        AdapterMismatchError: If the adapter was trained on another model.
        DimensionMismatchError: If the base tells its dimension and it is another one; where it
            does not, the first query finds out.
        AdapterFileError: If the folder does not hold a whole adapter.
        TypeError: If base or adapter is of a type that is not supported.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    adapter_kind: ClassVar[str | None] = None

    base: Embeddings = Field(exclude=True, frozen=True)
    check_model: bool = True
    query_cache: InstanceOf[BaseStore[str, bytes]] | None = Field(default=None, exclude=True)
    saved_adapter: InstanceOf[SavedAdapter] | None = Field(default=None, exclude=True, frozen=True)

    def __init__(
        self,
        base: BaseLike,
        adapter: AdapterLike | None,
        *,
        check_model: bool = True,
        query_cache: ByteStore | None = None,
    ) -> None:
        fields: dict[str, Any] = {
            "base": resolve_base(base),
            "check_model": check_model,
            "query_cache": query_cache,
        }
        super().__init__(**fields)
        self.adapter = adapter

    @property
    def adapter(self) -> QueryAdapter | None:
        """The adapter in use, None for the base as it is.

        Assigning another one (anything the constructor takes) checks it first and swaps it in
        one step: a query under way in another thread gets the old map or the new one.
        """
        saved = self.saved_adapter
        return None if saved is None else saved.adapter

    @adapter.setter
    def adapter(self, adapter: AdapterLike | None) -> None:
        saved = read(adapter)
        if saved is not None:
            name = model_name_of(self.base) if self.check_model else None
            check_fits(saved, kind=self.adapter_kind, model_name=name, dim=dim_of(self.base))
        self.__dict__["saved_adapter"] = saved

    @property
    def dim(self) -> int | None:
        """Length of the query vectors, None if neither adapter nor base tells it."""
        adapter = self.adapter
        return dim_of(self.base) if adapter is None else adapter.dim_out

    @property
    def identity(self) -> str:
        """What tells these vectors from any other model's; the base's where they are its own."""
        return adapted_identity(self.base, self.adapter)

    @property
    def model_name(self) -> str:
        """The base's name, and that there is an adapter on it."""
        return f"Adapter for {model_name_of(self.base)}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return what the base returns."""
        return self.base.embed_documents(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return what the base returns."""
        return await self.base.aembed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the adapted vector of a query."""
        return adapted(self.adapter, self._base_vector(text))

    async def aembed_query(self, text: str) -> list[float]:
        """Return the adapted vector of a query, by the base's asynchronous method."""
        vector = await self._abase_vector(text)
        return adapted(self.adapter, vector)

    def verify(self) -> None:
        """Check that the base embeds the adapter's probe question as it did in training.

        Costs one query, past every cache.

        Raises:
            AdapterMismatchError: If the vector is another one, or there is no probe.
            DimensionMismatchError: If its length is another one.
        """
        text, expected = probe_of(self.saved_adapter)
        vector = innermost(self.base).embed_query(text)
        check_probe(vector, expected, model_name=model_name_of(self.base))

    def _base_vector(self, text: str) -> list[float]:
        if self.query_cache is None:
            return self.base.embed_query(text)
        key = self._key(text)
        (found,) = self.query_cache.mget([key])
        if found is not None:
            return _from_bytes(found)
        vector = self.base.embed_query(text)
        self.query_cache.mset([(key, _to_bytes(vector))])
        return vector

    async def _abase_vector(self, text: str) -> list[float]:
        if self.query_cache is None:
            return await self.base.aembed_query(text)
        key = self._key(text)
        (found,) = await self.query_cache.amget([key])
        if found is not None:
            return _from_bytes(found)
        vector = await self.base.aembed_query(text)
        await self.query_cache.amset([(key, _to_bytes(vector))])
        return vector

    def _key(self, text: str) -> str:
        return f"query-{vector_key(identity_of(self.base), 'query', text).hex()}"

    def __repr_args__(self) -> Iterator[tuple[str, str]]:
        adapter = self.adapter
        yield "base", f"{type(self.base).__name__}:{model_name_of(self.base)}"
        yield "adapter", "None" if adapter is None else f"{adapter.kind}:{adapter.fingerprint}"


class LinearAdapterEmbeddings(AdapterEmbeddings):
    """An `AdapterEmbeddings` for linear adapters only, also from plain arrays.

    Args:
        base: As in `AdapterEmbeddings`.
        adapter: As in `AdapterEmbeddings`.
        weight: The matrix instead of an adapter, `(dim_out, dim_in)`.
        bias: Its bias, `(dim_out,)`, or None.
        check_model: As in `AdapterEmbeddings`.
        query_cache: As in `AdapterEmbeddings`.
    """

    adapter_kind: ClassVar[str | None] = LinearAdapter.kind

    def __init__(
        self,
        base: BaseLike,
        adapter: AdapterLike | EllipsisType | None = ...,
        *,
        weight: ArrayLike | None = None,
        bias: ArrayLike | None = None,
        check_model: bool = True,
        query_cache: ByteStore | None = None,
    ) -> None:
        given = from_arrays(adapter, weight, bias)
        if isinstance(given, EllipsisType):
            raise TypeError("expected an adapter or a weight, got neither; pass one")
        super().__init__(base, given, check_model=check_model, query_cache=query_cache)


def _to_bytes(vector: list[float]) -> bytes:
    return np.array(vector, dtype="<f8").tobytes()


def _from_bytes(stored: bytes) -> list[float]:
    vector: list[float] = np.frombuffer(stored, dtype="<f8").tolist()
    return vector
