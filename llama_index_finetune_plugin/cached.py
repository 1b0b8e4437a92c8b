"""A LlamaIndex embedding model that keeps the vectors of another one, apart by role."""

from pathlib import Path
from typing import ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager

from llama_index_finetune_plugin._delegation import aquery_vector, query_vector
from llama_index_finetune_plugin._wrapping import WrappingEmbedding
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.embedders.identity import dim_of, identity_of


class CachedEmbedding(WrappingEmbedding):
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

    own_fields: ClassVar[tuple[str, ...]] = ("cache_path",)

    cache_path: str = Field(frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        cache_path: str | Path,
        *,
        embed_batch_size: int | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(
            base_embed_model,
            embed_batch_size=embed_batch_size,
            callback_manager=callback_manager,
            num_workers=num_workers,
            cache_path=str(cache_path),
        )

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
