"""A LlamaIndex embedding model that keeps the vectors of another one, apart by role."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, SerializerFunctionWrapHandler
from llama_index.core.callbacks import CallbackManager
from pydantic import SerializationInfo, model_serializer

from llama_index_finetune_plugin._delegation import DocumentDelegation, aquery_vector, query_vector
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder, resolve_base
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import check_name, dim_of, identity_of, model_name_of

STORED = ("cache_path", "embed_batch_size", "num_workers")
STATE = (*STORED, "base_embed_model", "callback_manager")


class CachedEmbedding(DocumentDelegation, BaseEmbedding):
    """Embeds each text once in each role, and keeps the vectors in a SQLite file.

    A query never gets the vector of a document, as it does from a model's `embeddings_cache`, nor
    that of another model or, around an adapted model, of another adapter. Put it around the base,
    so that a new adapter reuses the queries:
    `LinearAdapterEmbedding(CachedEmbedding(base, "vectors.sqlite"), "my_adapter")`.

    Vectors are rounded to single precision, also when they are embedded for the first time. Several
    processes may share the file. The base's own cache and rate limiter apply to texts that are not
    in the file.

    Args:
        base_embed_model: The embedding model, or a string that LlamaIndex resolves to it; or a
            LangChain `Embeddings`.
        cache_path: The file, created with its folders on first use.
        embed_batch_size: Documents per call; the base's if left out.
        callback_manager: As in every embedding model.
        num_workers: Asynchronous calls at once; the base's if left out.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
    """

    base_embed_model: BaseEmbedding = Field(exclude=True, repr=False, frozen=True)
    cache_path: str = Field(frozen=True)
    embeddings_cache: Any | None = Field(default=None, exclude=True, repr=False, frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        cache_path: str | Path,
        *,
        embed_batch_size: int | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
    ) -> None:
        base = resolve_base(base_embed_model)
        size = base.embed_batch_size if embed_batch_size is None else embed_batch_size
        fields: dict[str, Any] = {
            "base_embed_model": base,
            "cache_path": str(cache_path),
            "embed_batch_size": size,
            "model_name": model_name_of(base),
            "callback_manager": callback_manager,
            "num_workers": base.num_workers if num_workers is None else num_workers,
        }
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "CachedEmbedding"

    @property
    def underlying_embeddings(self) -> BaseEmbedding:
        """The base."""
        return self.base_embed_model

    @property
    def identity(self) -> str:
        """The base's."""
        return identity_of(self.base_embed_model)

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the base does not state it."""
        return dim_of(self.base_embed_model)

    def embed_queries(self, texts: list[str]) -> list[Embedding]:
        """Return the vectors of queries; those that are not in the file are embedded."""
        embedder = LlamaIndexEmbedder(self.base_embed_model)
        vectors: list[Embedding] = self._cache.embed_queries(embedder, texts).tolist()
        return vectors

    def _get_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model

        def embed(texts: list[str]) -> list[Embedding]:
            return [query_vector(base, text, wrapper=base) for text in texts]

        vectors = self._cache.embed(LlamaIndexEmbedder(base), "query", embed, [query])
        found: Embedding = vectors[0].tolist()
        return found

    async def _aget_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model

        async def embed(texts: list[str]) -> list[Embedding]:
            return [await aquery_vector(base, text, wrapper=base) for text in texts]

        vectors = await self._cache.aembed(LlamaIndexEmbedder(base), "query", embed, [query])
        found: Embedding = vectors[0].tolist()
        return found

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        embedder = LlamaIndexEmbedder(self.base_embed_model)
        vectors = self._cache.embed(embedder, "document", super()._get_text_embeddings, texts)
        found: list[Embedding] = vectors.tolist()
        return found

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        embedder = LlamaIndexEmbedder(self.base_embed_model)
        embed = super()._aget_text_embeddings
        vectors = await self._cache.aembed(embedder, "document", embed, texts)
        found: list[Embedding] = vectors.tolist()
        return found

    @property
    def _cache(self) -> EmbeddingCache:
        return EmbeddingCache(self.cache_path)

    @model_serializer(mode="wrap")
    def custom_model_dump(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        """Return the fields and the base's identity, without secrets.

        LlamaIndex's ingestion cache uses this as its key.
        """
        base = self.base_embed_model
        fields: dict[str, Any] = handler(self)
        return fields | {
            "class_name": self.class_name(),
            "base_model": model_name_of(base),
            "base_identity": identity_of(base),
        }

    @classmethod
    def from_dict(
        cls,
        data: Mapping[str, Any],
        base_embed_model: BaseLike | None = None,
        **kwargs: Any,
    ) -> Self:
        """Return the model that `to_dict` described, over the given base.

        Args:
            data: What `to_dict` returned.
            base_embed_model: The base; it is not stored, because its secrets would be stored with
                it.
            **kwargs: Arguments of the constructor, which override the stored ones.

        Raises:
            TypeError: If the base is missing.
            AdapterMismatchError: If the base is another model than the stored one.
        """
        if base_embed_model is None:
            raise TypeError(
                "expected base_embed_model=..., got none: the base is not stored, because its "
                "secrets would be stored with it; pass it to from_dict"
            )
        base = resolve_base(base_embed_model)
        check_name(model_name_of(base), data.get("base_model"))
        stored = {name: data[name] for name in STORED if name in data}
        return cls(base, **(stored | kwargs))

    def __getstate__(self) -> dict[str, Any]:
        # on a copy, because LlamaIndex deletes fields that cannot be pickled from the object itself
        return super(CachedEmbedding, self.model_copy()).__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        fields = state["__dict__"]
        type(self).__init__(self, **{name: fields[name] for name in STATE if name in fields})
