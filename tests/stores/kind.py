"""A vector store of either framework, as tests of both fill it, search it and open it again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.stores.place import Place


@dataclass(frozen=True)
class Chunk:
    """A text that is stored, with its id."""

    key: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StoreKind(ABC):
    """A store of one kind.

    Attributes:
        similarity: What it ranks by.
        unit: Whether it normalizes vectors to length 1.
        tolerance: How far it rounds.
        filters: Whether it filters by metadata.
        snapshot: Whether a read returns what was stored when it began.
        deletes: Whether entries can be deleted.
        returns_texts: Whether it returns the texts of its entries by id.
        evaluator_options: What `RetrieverEvaluator` needs besides the retriever.
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
        """Return a new store with these chunks, embedded with the model."""

    @abstractmethod
    def reopen(self, store: Any, place: Place, model: Any) -> Any:
        """Close the store and return it, opened again with another model."""

    @abstractmethod
    def close(self, store: Any) -> None:
        """Release files that only one client may hold."""

    @abstractmethod
    def remove(self, store: Any) -> None:
        """Close the store; delete what another test would find."""

    @abstractmethod
    def delete(self, store: Any, keys: Sequence[str]) -> None:
        """Delete entries by id."""

    @abstractmethod
    def retriever(self, store: Any, k: int, *, only_even: bool = False) -> Any:
        """Return a retriever, if wanted only of entries whose `kind` is "even"."""

    @abstractmethod
    def search(self, retriever: Any, question: str) -> list[str]:
        """Return the ids that the retriever finds."""

    @abstractmethod
    def embedded_text(self, chunk: Chunk) -> str:
        """Return the text by which the framework embeds a chunk."""


@dataclass
class OpenStore:
    """A store, and what it was filled with."""

    kind: StoreKind
    place: Place
    store: Any
    chunks: tuple[Chunk, ...]

    def reopen(self, model: Any) -> Any:
        """Open the store again with another model, and return it."""
        self.store = self.kind.reopen(self.store, self.place, model)
        return self.store

    def retriever(self, k: int, *, only_even: bool = False) -> Any:
        """Return a retriever of the store."""
        return self.kind.retriever(self.store, k, only_even=only_even)

    def search(self, question: str, *, only_even: bool = False) -> list[str]:
        """Return the five ids that are found."""
        return self.kind.search(self.retriever(5, only_even=only_even), question)
