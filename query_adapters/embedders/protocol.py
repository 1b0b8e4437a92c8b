"""The one thing the core asks of an embedding model."""

from collections.abc import Sequence
from typing import Protocol

from query_adapters.typing import Vectors


class TextEmbedder(Protocol):
    """An embedding model that knows the role of a text.

    Many models embed a question and a document differently (an instruction, an `input_type`),
    so the role is part of the call, and of every cache key.
    """

    @property
    def identity(self) -> str:
        """What tells this model's vectors from any other's: equal only if the vectors are."""

    @property
    def model_name(self) -> str:
        """The model's name, as its framework or provider knows it."""

    @property
    def batch_size(self) -> int:
        """How many texts the model likes to get at once."""

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`."""

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`."""
