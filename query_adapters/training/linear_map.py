"""The trainable part of an adapter, before it is put on queries of any length."""

from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.training.linear_score import COSINE, Geometry
from query_adapters.training.memory import Memory
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class LinearMap:
    """The trainable part of an adapter: `z = W x + b`.

    x is the question at length 1, followed by the memory's features where there is a memory.

    Attributes:
        weight: W, `(dim, n_inputs)`.
        bias: b, `(dim,)`, zero where no bias is learned.
    """

    weight: Vectors
    bias: Vectors

    @classmethod
    def of(cls, weight: Vectors, bias: Vectors | None = None) -> "LinearMap":
        """Return the map with the given weight and bias, zero if left out."""
        return cls(weight, np.zeros(len(weight), np.float32) if bias is None else bias)

    @classmethod
    def from_adapter(
        cls, adapter: LinearAdapter, queries: Vectors, geometry: Geometry = COSINE
    ) -> "LinearMap":
        """Return what the adapter does to questions as long as these."""
        return cls.of(adapter.weight, geometry.bias(adapter, queries))

    def widened(self, n_inputs: int) -> "LinearMap":
        """Return the map that takes so many inputs and leaves the further ones aside."""
        weight = np.zeros((len(self.weight), n_inputs), dtype=np.float32)
        weight[:, : self.weight.shape[1]] = self.weight
        return LinearMap(weight, self.bias)

    def plus(self, other: "LinearMap") -> "LinearMap":
        """Return the map that does what both do together."""
        return LinearMap(self.weight + other.weight, self.bias + other.bias)

    def minus(self, other: "LinearMap") -> "LinearMap":
        """Return what this map does beyond the other."""
        return LinearMap(self.weight - other.weight, self.bias - other.bias)

    def times(self, factor: float) -> "LinearMap":
        """Return the map that does so many times as much."""
        return LinearMap(np.float32(factor) * self.weight, np.float32(factor) * self.bias)

    def shifted(self, shift: Vectors) -> "LinearMap":
        """Return the map with `shift` `(dim, dim)` added to what it does to the question."""
        weight = self.weight.copy()
        weight[:, : shift.shape[1]] += shift
        return LinearMap(weight, self.bias)

    def as_adapter(
        self, queries: Vectors, memory: Memory | None = None, *, geometry: Geometry = COSINE
    ) -> QueryAdapter:
        """Return the adapter that does the same to questions as long as these, on average."""
        dim = len(self.weight)
        linear = geometry.adapter(self.weight[:, :dim], self.bias, queries)
        return linear if memory is None else memory.adapter(linear, self.weight[:, dim:])
