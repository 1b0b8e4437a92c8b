"""An embedding model of this package in LangChain, by name or as an object."""

from functools import partial
from typing import Any, Self

from langchain_core.embeddings import Embeddings

from query_adapters.embedders import TextEmbedder
from query_adapters.embedders.prepared import NamedModel
from query_adapters.embedders.resolve import resolved


class NamedEmbeddings(NamedModel, Embeddings):
    """A model that `resolve_embedder` knows, such as "voyage/voyage-4", as a LangChain model.

    Roles, batches, limits, retries and checks are the model's own. Asynchronous methods run in a
    thread.

    Args:
        model: The model's name, as in `resolve_embedder`, or a `TextEmbedder`.
        **options: As in `resolve_embedder`, for a name.

    Raises:
        TypeError: If there are options beside an object. Other errors are `resolve_embedder`'s.
    """

    def __init__(self, model: str | TextEmbedder, **options: Any) -> None:
        self.embedder: TextEmbedder = resolved(model, options)
        self._made_from = (model, options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes it: by the name again, or around the object."""
        model, options = self._made_from
        return partial(type(self), model, **options), ()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return the model itself: its connections cannot be copied, and it does not change."""
        return self

    @property
    def model_name(self) -> str:
        """The model's."""
        return self.embedder.model_name

    @property
    def chunk_size(self) -> int:
        """Texts per call, as the model prefers."""
        return self.embedder.batch_size

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return the vectors of documents."""
        vectors: list[list[float]] = self.embedder.embed_documents(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a query."""
        return self.embed_queries([text])[0]
