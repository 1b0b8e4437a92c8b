"""The common part of both frameworks' test models: computed vectors and a log of calls."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from query_adapters.adapters import QueryAdapter

DIM = 8
NAME = "fake/tiny-embedder"
SECRET = "sk-do-not-tell"  # noqa: S105

Vector = Callable[[str], list[float]]
Call = tuple[str, tuple[str, ...]]


def hashed(text: str, dim: int) -> list[float]:
    """Return normally distributed numbers that depend only on the text."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    vector: list[float] = np.random.default_rng(seed).normal(size=dim).tolist()
    return vector


def mapped(adapter: QueryAdapter, vector: list[float]) -> list[float]:
    """Return the adapted vector as a list."""
    result: list[float] = adapter(np.array(vector, dtype=np.float32)).tolist()
    return result


class Recorder:
    """A mixin that makes an embedding model record its calls.

    Each role can have a function that computes the vector of a text. Otherwise the vector depends
    on a hash of the model's settings, the role and the text.
    """

    dimensions: int | None
    width: int
    instruction: str
    _calls: list[Call]
    _functions: dict[str, Vector]

    @property
    def calls(self) -> list[Call]:
        """Return every call with its texts, in order."""
        return self._calls

    @property
    def queries(self) -> list[str]:
        """Return the texts that were embedded as queries."""
        return [t for call, texts in self._calls if call.endswith("query") for t in texts]

    @property
    def documents(self) -> list[str]:
        """Return the texts that were embedded as documents."""
        return [t for call, texts in self._calls if not call.endswith("query") for t in texts]

    def vector(self, role: str, text: str) -> list[float]:
        """Return the vector of a text as a "query" or as a "document"."""
        if role in self._functions:
            return self._functions[role](text)
        size = self.width if self.dimensions is None else self.dimensions
        return hashed(f"{self._name()}|{self.instruction}|{role}|{text}", size)

    def _name(self) -> str:
        raise NotImplementedError

    def _embed(self, call: str, role: str, *texts: str) -> list[list[float]]:
        vectors = [self.vector(role, text) for text in texts]
        self._calls.append((call, texts))
        return vectors


def functions(query: Vector | None, document: Vector | None) -> dict[str, Any]:
    """Return the functions that are not None, by role."""
    given = {"query": query, "document": document}
    return {role: function for role, function in given.items() if function is not None}
