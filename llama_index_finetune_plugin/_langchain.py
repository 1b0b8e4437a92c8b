"""A LangChain embedding model as a LlamaIndex `BaseEmbedding`."""

from typing import Any

from langchain_core.embeddings import Embeddings
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field
from llama_index.core.constants import DEFAULT_EMBED_BATCH_SIZE

from query_adapters.embedders.identity import dim_of, identity_of, model_name_of

MOST_AT_ONCE = 2048  # LlamaIndex's limit


class LangChainEmbedding(BaseEmbedding):
    """A LlamaIndex embedding model with the vectors and the identity of a LangChain one.

    Args:
        langchain_embeddings: The model.
        **options: As in every LlamaIndex embedding model; the batch size is the model's
            `chunk_size`, if it has one.
    """

    langchain_embeddings: Any = Field(exclude=True, repr=False, frozen=True)

    def __init__(self, langchain_embeddings: Embeddings, **options: Any) -> None:
        chunk_size = getattr(langchain_embeddings, "chunk_size", None)
        size = (
            min(chunk_size, MOST_AT_ONCE)
            if isinstance(chunk_size, int)
            else DEFAULT_EMBED_BATCH_SIZE
        )
        fields: dict[str, Any] = {
            "langchain_embeddings": langchain_embeddings,
            "model_name": model_name_of(langchain_embeddings),
            "embed_batch_size": size,
        }
        super().__init__(**(fields | options))

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which the class is reported."""
        return "LangChainEmbedding"

    @property
    def identity(self) -> str:
        """The LangChain model's."""
        return identity_of(self.langchain_embeddings)

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the LangChain model does not state it."""
        return dim_of(self.langchain_embeddings)

    def _get_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = self.langchain_embeddings.embed_query(query)
        return vector

    async def _aget_query_embedding(self, query: str) -> Embedding:
        vector: Embedding = await self.langchain_embeddings.aembed_query(query)
        return vector

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = self.langchain_embeddings.embed_documents(texts)
        return vectors

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = await self.langchain_embeddings.aembed_documents(texts)
        return vectors
