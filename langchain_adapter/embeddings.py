"""A LangChain embedding model that applies an adapter to a base model's queries."""

from collections.abc import Iterator
from types import EllipsisType
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings
from langchain_core.stores import BaseStore, ByteStore
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, InstanceOf

from langchain_adapter.embedder import BaseLike, resolve_base
from query_adapters.adapters.serving import AdapterLike, adapted, from_arrays
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.deployment.adapted_model import AdaptedModel
from query_adapters.deployment.refreshing import FollowedAdapter, checked_refresh
from query_adapters.embedders.cache import vector_key
from query_adapters.embedders.identity import identity_of, innermost, model_name_of


class AdapterEmbeddings(AdaptedModel, BaseModel, Embeddings):
    """Serves the base's document vectors unchanged and its query vectors through an adapter.

    Search a vector store that was filled with the base, unchanged: open it with
    `AdapterEmbeddings(base, "folder")` as its embedding.

    Args:
        base: The embedding model that the store was filled with. A LlamaIndex embedding model, or a
            string that LlamaIndex resolves to one, is accepted too.
        adapter: An adapter, a SavedAdapter, an adapter's folder or a `registry://`, `hf://` or
            `mlflow:` URI; None for the base without an adapter.
        check_model: Whether to refuse an adapter whose record names another base.
        document_model: The model that embeds documents, by default the base. An adapter of
            `ModelUpgradeEngine`, whose store another model has filled, refuses documents without
            it.
        query_cache: A ByteStore for query vectors, as `CacheBackedEmbeddings` uses one for
            documents. Vectors are stored before the adapter is applied, so that a new adapter
            reuses them.
        refresh_s: Seconds after which a thread in the background looks at the folder or URI again,
            and again, to serve what has changed and fits; None to serve what was read.

    Raises:
        AdapterMismatchError: If the adapter was trained on another model.
        DimensionMismatchError: If the base states another dimension; if it states none, the first
            query raises it.
        AdapterFileError: If the folder does not hold a complete adapter.
        TypeError: If base or adapter has an unsupported type.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    base: Embeddings = Field(exclude=True, frozen=True)
    check_model: bool = True
    document_model: Embeddings | None = Field(default=None, exclude=True, frozen=True)
    query_cache: InstanceOf[BaseStore[str, bytes]] | None = Field(default=None, exclude=True)
    saved_adapter: InstanceOf[SavedAdapter] | None = Field(default=None, exclude=True, frozen=True)
    adapter_path: str | None = Field(default=None, frozen=True)
    refresh_s: float | None = Field(default=None, exclude=True, repr=False, frozen=True)
    followed: InstanceOf[FollowedAdapter] | None = Field(default=None, exclude=True, frozen=True)

    def __init__(
        self,
        base: BaseLike,
        adapter: AdapterLike | None,
        *,
        check_model: bool = True,
        document_model: BaseLike | None = None,
        query_cache: ByteStore | None = None,
        refresh_s: float | None = None,
    ) -> None:
        fields: dict[str, Any] = {
            "base": resolve_base(base),
            "check_model": check_model,
            "document_model": None if document_model is None else resolve_base(document_model),
            "query_cache": query_cache,
            "refresh_s": refresh_s,
        }
        super().__init__(**fields)
        self.adapter = checked_refresh(adapter, refresh_s)

    @property
    def model_name(self) -> str:
        """The base's name, marked as adapted."""
        return f"Adapter for {model_name_of(self.base)}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents by `document_model`, or by the base."""
        model: Embeddings = self._document_base
        return model.embed_documents(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents by `document_model`, or by the base."""
        model: Embeddings = self._document_base
        return await model.aembed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the adapted vector of a query."""
        return adapted(self.adapter, self._base_vector(text))

    async def aembed_query(self, text: str) -> list[float]:
        """Return the adapted vector of a query, by the base's asynchronous method."""
        vector = await self._abase_vector(text)
        return adapted(self.adapter, vector)

    @property
    def _base(self) -> Embeddings:
        return self.base

    def _embed_probe(self, text: str) -> list[float]:
        vector: list[float] = innermost(self.base).embed_query(text)
        return vector

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
    """An `AdapterEmbeddings` that also takes a linear adapter as plain arrays.

    It serves whatever `finetune()` saved, a memory included.

    Args:
        base: As in `AdapterEmbeddings`.
        adapter: As in `AdapterEmbeddings`.
        weight: The matrix instead of an adapter, `(dim_out, dim_in)`.
        bias: Its bias, `(dim_out,)`, or None.
        check_model: As in `AdapterEmbeddings`.
        document_model: As in `AdapterEmbeddings`.
        query_cache: As in `AdapterEmbeddings`.
        refresh_s: As in `AdapterEmbeddings`.
    """

    def __init__(
        self,
        base: BaseLike,
        adapter: AdapterLike | EllipsisType | None = ...,
        *,
        weight: ArrayLike | None = None,
        bias: ArrayLike | None = None,
        check_model: bool = True,
        document_model: BaseLike | None = None,
        query_cache: ByteStore | None = None,
        refresh_s: float | None = None,
    ) -> None:
        given = from_arrays(adapter, weight, bias)
        if isinstance(given, EllipsisType):
            raise TypeError("expected an adapter or a weight, got neither; pass one")
        super().__init__(
            base,
            given,
            check_model=check_model,
            document_model=document_model,
            query_cache=query_cache,
            refresh_s=refresh_s,
        )


def _to_bytes(vector: list[float]) -> bytes:
    return np.array(vector, dtype="<f8").tobytes()


def _from_bytes(stored: bytes) -> list[float]:
    vector: list[float] = np.frombuffer(stored, dtype="<f8").tolist()
    return vector
