"""A LlamaIndex embedding model with prefixes before its texts."""

from typing import ClassVar

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager

from llama_index_finetune_plugin._delegation import aquery_vector, query_vector
from llama_index_finetune_plugin._wrapping import WrappingEmbedding
from llama_index_finetune_plugin.embedder import BaseLike, LlamaIndexEmbedder
from query_adapters.embedders.batching import check_at_least_one
from query_adapters.embedders.prepared import PreparedModel, with_prefix


class PreparedEmbedding(PreparedModel, WrappingEmbedding):
    """Puts a prefix before each text, by its role, and may shorten the vectors.

    Use it in place of a model that needs prefixes and whose class has no option for them:
    `PreparedEmbedding(base, query_prefix="query: ", document_prefix="passage: ")`. What a family of
    models expects: `query_adapters.embedders.preset_of(name).prefixes`.

    Args:
        base_embed_model: The embedding model, or its name; or a LangChain `Embeddings`.
        query_prefix: What stands before queries.
        document_prefix: What stands before documents.
        dimensions: Keep so many numbers of each vector, scaled to length 1 again, for models that
            were trained for it; None for all.
        embed_batch_size: Documents per call; the base's if left out.
        callback_manager: As in every embedding model.
        num_workers: Asynchronous calls at once; the base's if left out.

    Raises:
        TypeError: If it is neither an embedding model of one of the frameworks nor a string.
        ValueError: If `dimensions` is below 1.
    """

    own_fields: ClassVar[tuple[str, ...]] = ("query_prefix", "document_prefix", "dimensions")

    query_prefix: str = Field(default="", frozen=True)
    document_prefix: str = Field(default="", frozen=True)
    dimensions: int | None = Field(default=None, frozen=True)

    def __init__(
        self,
        base_embed_model: BaseLike,
        *,
        query_prefix: str = "",
        document_prefix: str = "",
        dimensions: int | None = None,
        embed_batch_size: int | None = None,
        callback_manager: CallbackManager | None = None,
        num_workers: int | None = None,
    ) -> None:
        check_at_least_one(dimensions=dimensions)
        super().__init__(
            base_embed_model,
            embed_batch_size=embed_batch_size,
            callback_manager=callback_manager,
            num_workers=num_workers,
            query_prefix=query_prefix,
            document_prefix=document_prefix,
            dimensions=dimensions,
        )

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is stored and reported."""
        return "PreparedEmbedding"

    @property
    def unprefixed(self) -> BaseEmbedding:
        """The base."""
        return self.base_embed_model

    def embed_queries(self, texts: list[str]) -> list[Embedding]:
        """Return the vectors of queries, in the base's batches if it has them."""
        embedder = LlamaIndexEmbedder(self.base_embed_model)
        return self._cut(embedder.embed_queries(with_prefix(self.query_prefix, texts)).tolist())

    def _get_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model
        return self._cut([query_vector(base, self.query_prefix + query, wrapper=base)])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        base = self.base_embed_model
        return self._cut([await aquery_vector(base, self.query_prefix + query, wrapper=base)])[0]

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._cut([super()._get_text_embedding(self.document_prefix + text)])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return self._cut([await super()._aget_text_embedding(self.document_prefix + text)])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self._cut(super()._get_text_embeddings(with_prefix(self.document_prefix, texts)))

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        prefixed = with_prefix(self.document_prefix, texts)
        return self._cut(await super()._aget_text_embeddings(prefixed))
