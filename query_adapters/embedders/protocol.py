"""The protocol that the core requires of an embedding model."""

from collections.abc import Sequence
from typing import Protocol

from query_adapters.typing import Vectors


class TextEmbedder(Protocol):
    """An embedding model with separate methods for queries and documents.

    Many models embed a query and a document differently (an instruction, an `input_type`), so the
    role is part of the call and of every cache key.
    """

    @property
    def identity(self) -> str:
        """Identifier of the vectors: equal only for models with equal vectors."""

    @property
    def model_name(self) -> str:
        """The model's name, as its framework or provider knows it."""

    @property
    def batch_size(self) -> int:
        """Preferred number of texts per call."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of queries, `(len(texts), dim)`."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`."""
