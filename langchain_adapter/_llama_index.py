"""A LlamaIndex embedding model as a LangChain `Embeddings`."""

from langchain_core.embeddings import Embeddings
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import resolve_embed_model

from query_adapters.embedders.identity import dim_of, identity_of, model_name_of

QUERIES = "query_embeddings"
"""A cache's collection of queries; "embeddings" is keyed by text alone and holds documents."""


class LlamaIndexEmbeddings(Embeddings):
    """A LangChain embedding model with the vectors and the identity of a LlamaIndex one.

    Args:
        embed_model: The model, or a string that LlamaIndex resolves to one.
    """

    def __init__(self, embed_model: BaseEmbedding | str) -> None:
        self.embed_model: BaseEmbedding = (  # resolving a model instance would change it
            resolve_embed_model(embed_model) if isinstance(embed_model, str) else embed_model
        )

    @property
    def identity(self) -> str:
        """The LlamaIndex model's."""
        return identity_of(self.embed_model)

    @property
    def model_name(self) -> str:
        """The LlamaIndex model's."""
        return model_name_of(self.embed_model)

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None if the LlamaIndex model does not state it."""
        return dim_of(self.embed_model)

    @property
    def chunk_size(self) -> int:
        """The LlamaIndex model's `embed_batch_size`."""
        return self.embed_model.embed_batch_size

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents, in the model's own batches."""
        return self.embed_model.get_text_embedding_batch(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the same as `embed_documents`, by the model's asynchronous method."""
        return await self.embed_model.aget_text_embedding_batch(texts)

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query; cached vectors of documents are not used."""
        cache = self.embed_model.embeddings_cache
        if cache is None:
            return self.embed_model.get_query_embedding(text)
        key = f"{self.identity} {text}"
        found = cache.get(key=key, collection=QUERIES)
        if found is None:
            found = {"embedding": self._uncached.get_query_embedding(text)}
            cache.put(key=key, val=found, collection=QUERIES)
        vector: list[float] = found["embedding"]
        return vector

    async def aembed_query(self, text: str) -> list[float]:
        """Return the same as `embed_query`, by the model's asynchronous method."""
        cache = self.embed_model.embeddings_cache
        if cache is None:
            return await self.embed_model.aget_query_embedding(text)
        key = f"{self.identity} {text}"
        found = await cache.aget(key=key, collection=QUERIES)
        if found is None:
            found = {"embedding": await self._uncached.aget_query_embedding(text)}
            await cache.aput(key=key, val=found, collection=QUERIES)
        vector: list[float] = found["embedding"]
        return vector

    @property
    def _uncached(self) -> BaseEmbedding:
        return self.embed_model.model_copy(update={"embeddings_cache": None})
