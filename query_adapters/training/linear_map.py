"""The trainable linear map of an adapter, on queries scaled to unit length."""

from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.training.linear_score import COSINE, LinearScore
from query_adapters.training.memory import Memory
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class LinearMap:
    """The trainable part of an adapter: `z = W x + b`.

    x is the query at length 1, followed by the memory features if there is a memory.

    Attributes:
        weight: W, `(dim, n_inputs)`.
        bias: b, `(dim,)`; zero if no bias is learned.
    """

    weight: Vectors
    bias: Vectors

    @classmethod
    def of(cls, weight: Vectors, bias: Vectors | None = None) -> "LinearMap":
        """Return the map with this weight and bias; the bias is zero by default."""
        return cls(weight, np.zeros(len(weight), np.float32) if bias is None else bias)

    @classmethod
    def from_adapter(
        cls, adapter: LinearAdapter, queries: Vectors, score: LinearScore = COSINE
    ) -> "LinearMap":
        """Return the adapter as a map on scaled queries; `queries` give the typical length."""
        return cls.of(adapter.weight, score.bias(adapter, queries))

    def widened(self, n_inputs: int) -> "LinearMap":
        """Return the map with `n_inputs` inputs; the added ones have weight 0."""
        weight = np.zeros((len(self.weight), n_inputs), dtype=np.float32)
        weight[:, : self.weight.shape[1]] = self.weight
        return LinearMap(weight, self.bias)

    def plus(self, other: "LinearMap") -> "LinearMap":
        """Return the sum of both maps."""
        return LinearMap(self.weight + other.weight, self.bias + other.bias)

    def minus(self, other: "LinearMap") -> "LinearMap":
        """Return this map minus the other."""
        return LinearMap(self.weight - other.weight, self.bias - other.bias)

    def times(self, factor: float) -> "LinearMap":
        """Return the map with weight and bias multiplied by `factor`."""
        return LinearMap(np.float32(factor) * self.weight, np.float32(factor) * self.bias)

    def shifted(self, shift: Vectors) -> "LinearMap":
        """Return the map with `shift` `(dim, dim)` added to the weights of the query itself."""
        weight = self.weight.copy()
        weight[:, : shift.shape[1]] += shift
        return LinearMap(weight, self.bias)

    def as_adapter(
        self, queries: Vectors, memory: Memory | None = None, *, score: LinearScore = COSINE
    ) -> QueryAdapter:
        """Return the map as an adapter for unscaled queries.

        Args:
            queries: Training queries; their mean length scales the bias, `(n_queries, dim)`.
            memory: What computes the inputs after the query's own; None for a linear adapter.
            score: The scaling that the map was trained with.
        """
        dim = len(self.weight)
        linear = score.adapter(self.weight[:, :dim], self.bias, queries)
        return linear if memory is None else memory.adapter(linear, self.weight[:, dim:])
