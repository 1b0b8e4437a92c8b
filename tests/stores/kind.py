"""A common test interface to fill, search and reopen the vector stores of both frameworks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.stores.place import Place


@dataclass(frozen=True)
class Chunk:
    """A text to store, with its id and metadata."""

    key: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StoreKind(ABC):
    """A store of one kind.

    Attributes:
        similarity: The similarity by which it ranks.
        unit: Whether it normalizes vectors to length 1.
        tolerance: Maximum rounding error of a stored vector.
        filters: Whether it filters by metadata.
        snapshot: Whether a read returns what was stored when it began.
        deletes: Whether entries can be deleted.
        returns_texts: Whether it returns the texts of its entries by id.
        evaluator_options: Arguments of `RetrieverEvaluator` besides the retriever.
    """

    similarity: str
    unit: bool = False
    tolerance: float = 1e-6
    filters: bool = True
    snapshot: bool = False
    deletes: bool = True
    returns_texts: bool = True
    evaluator_options: Mapping[str, Any] = field(default_factory=dict)

    @abstractmethod
    def fill(self, place: Place, chunks: Sequence[Chunk], model: Any) -> Any:
        """Return a new store with these chunks, embedded by the model."""

    @abstractmethod
    def reopen(self, store: Any, place: Place, model: Any) -> Any:
        """Close the store, open it with another model, and return it."""

    @abstractmethod
    def close(self, store: Any) -> None:
        """Close the store's client, so that another client can open the files."""

    @abstractmethod
    def remove(self, store: Any) -> None:
        """Close the store and delete data that another test would find."""

    @abstractmethod
    def delete(self, store: Any, keys: Sequence[str]) -> None:
        """Delete entries by id."""

    @abstractmethod
    def retriever(self, store: Any, k: int, *, only_even: bool = False) -> Any:
        """Return a retriever; `only_even` restricts it to entries whose `kind` is "even"."""

    @abstractmethod
    def search(self, retriever: Any, question: str) -> list[str]:
        """Return the ids that the retriever finds."""

    @abstractmethod
    def embedded_text(self, chunk: Chunk) -> str:
        """Return the text that the framework embeds for a chunk."""


@dataclass
class OpenStore:
    """An open store with the chunks that it contains."""

    kind: StoreKind
    place: Place
    store: Any
    chunks: tuple[Chunk, ...]

    def reopen(self, model: Any) -> Any:
        """Reopen the store with another model and return it."""
        self.store = self.kind.reopen(self.store, self.place, model)
        return self.store

    def retriever(self, k: int, *, only_even: bool = False) -> Any:
        """Return a retriever of the store."""
        return self.kind.retriever(self.store, k, only_even=only_even)

    def search(self, question: str, *, only_even: bool = False) -> list[str]:
        """Return the ids of the top five results."""
        return self.kind.search(self.retriever(5, only_even=only_even), question)
