"""A LlamaIndex embedding model that looks the vector of a text up."""

from collections.abc import Mapping

from llama_index.core.base.embeddings.base import BaseEmbedding
from pydantic import PrivateAttr


class KnownVectors(BaseEmbedding):
    """Returns precomputed vectors, like an embedding cache that always hits."""

    _vectors: Mapping[str, list[float]] = PrivateAttr()  # a field would be serialized at each call

    def __init__(self, vectors: Mapping[str, list[float]]) -> None:
        super().__init__(model_name="known")
        self._vectors = vectors

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._vectors[query]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._vectors[query]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._vectors[text]
