"""A fine-tuned sentence-transformers model in LangChain (extra: sentence-transformers)."""

from functools import cached_property
from pathlib import Path

from query_adapters._extras import require_extra

require_extra("sentence-transformers")

from langchain_core.embeddings import Embeddings
from sentence_transformers import SentenceTransformer

from query_adapters.embedders import SentenceTransformerEmbedder


class SentenceTransformersEmbeddings(Embeddings):
    """A sentence-transformers model that uses its own prompt and route for each role.

    Args:
        model_name: A hub name or a folder.
        batch_size: Texts at once.
        device: Device to run on.
        trust_remote_code: Whether code that comes with the model may run.
    """

    def __init__(
        self,
        model_name: str | Path,
        *,
        batch_size: int = 32,
        device: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.model_name = str(model_name)
        model = SentenceTransformer(
            self.model_name, device=device, trust_remote_code=trust_remote_code
        )
        self._embedder = SentenceTransformerEmbedder.from_model(
            model, model_name=self.model_name, batch_size=batch_size
        )

    @cached_property
    def identity(self) -> str:
        """Identifier of these vectors; a folder may hold another model later."""
        return self._embedder.identity

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents."""
        vectors: list[list[float]] = self._embedder.embed_documents(texts).tolist()
        return vectors

    def embed_queries(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of questions."""
        vectors: list[list[float]] = self._embedder.embed_queries(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self.embed_queries([text])[0]
