"""A LangChain embedding model as the core knows one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from langchain_core.embeddings import Embeddings

from query_adapters.identity import identity_of, innermost, model_name_of
from query_adapters.matrix import as_matrix
from query_adapters.typing import Vectors

BATCH_SIZE = 64  # below what providers take in one call
CONCURRENCY = 8


class LangChainEmbedder:
    """A `TextEmbedder` over a LangChain embedding model.

    Documents go in batches of the model's own `chunk_size`, or of 64. LangChain has no batches
    for queries: they go one by one, or several at once to a model that talks to a server.

    Args:
        embeddings: The model.
        max_concurrency: Queries under way at once, each in a thread. If left out, 8 for a model
            with an asynchronous method of its own, which is a client of some server, and 1 for
            any other, which may not stand two threads.

    Raises:
        TypeError: If it is no LangChain embedding model.
        ValueError: If the concurrency is below 1.
    """

    def __init__(self, embeddings: Embeddings, *, max_concurrency: int | None = None) -> None:
        if not isinstance(embeddings, Embeddings):
            raise TypeError(
                "expected a LangChain embedding model (langchain_core Embeddings), got "
                f"{type(embeddings).__name__}"
            )
        if max_concurrency is not None and max_concurrency < 1:
            raise ValueError(f"max_concurrency: expected at least 1, got {max_concurrency}")
        self.embeddings = embeddings
        self.max_concurrency = max_concurrency or _concurrency_of(embeddings)

    @property
    def identity(self) -> str:
        """What tells this model's vectors from any other's, without a secret."""
        return identity_of(self.embeddings)

    @property
    def model_name(self) -> str:
        """The model's name, as its class tells it."""
        return model_name_of(self.embeddings)

    @property
    def batch_size(self) -> int:
        """The model's `chunk_size`, 64 where it has none."""
        size = getattr(self.embeddings, "chunk_size", None)
        return size if isinstance(size, int) and size > 0 else BATCH_SIZE

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of documents, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite, or differ in number or length.
        """
        batches = [texts[i : i + self.batch_size] for i in range(0, len(texts), self.batch_size)]
        embedded = [self.embeddings.embed_documents(list(batch)) for batch in batches]
        return as_matrix([vector for batch in embedded for vector in batch], len(texts))

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of questions, `(len(texts), dim)`.

        Raises:
            InvalidVectorsError: If they are not finite, or differ in number or length.
        """
        embed = self.embeddings.embed_query
        if self.max_concurrency == 1:
            return as_matrix([embed(text) for text in texts], len(texts))
        with ThreadPoolExecutor(self.max_concurrency) as pool:
            return as_matrix(list(pool.map(embed, texts)), len(texts))


def _concurrency_of(embeddings: Embeddings) -> int:
    has_async = type(innermost(embeddings)).aembed_query is not Embeddings.aembed_query
    return CONCURRENCY if has_async else 1
