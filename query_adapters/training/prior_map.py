"""The map that training starts from, on queries scaled as `LinearScore` scales them."""

from dataclasses import dataclass, replace

import numpy as np

from query_adapters.adapters import KernelAdapter, LinearAdapter, QueryAdapter
from query_adapters.arrays import unit
from query_adapters.training.linear_score import COSINE, LinearScore
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class PriorMap:
    """The map `z = W u + b` of scaled queries u, plus the memory of an adapter to refine.

    Attributes:
        weight: W, `(dim_out, dim_in)`.
        bias: b, `(dim_out,)`.
        memory: The adapter whose memory is added; None without one.
    """

    weight: Vectors
    bias: Vectors
    memory: KernelAdapter | None = None

    @classmethod
    def of(cls, weight: Vectors, bias: Vectors | None = None) -> "PriorMap":
        """Return the linear map with this weight and bias; the bias is zero by default."""
        return cls(weight, np.zeros(len(weight), np.float32) if bias is None else bias)

    @classmethod
    def from_adapter(
        cls, adapter: QueryAdapter, queries: Vectors, score: LinearScore = COSINE
    ) -> "PriorMap":
        """Return the adapter as a map on scaled queries; `queries` give the typical length.

        Raises:
            TypeError: If it is neither a LinearAdapter nor a KernelAdapter.
        """
        if isinstance(adapter, KernelAdapter):
            return replace(cls.from_adapter(adapter.linear, queries, score), memory=adapter)
        if not isinstance(adapter, LinearAdapter):
            raise TypeError(f"expected a linear or a kernel adapter, got {adapter.kind}")
        return cls.of(adapter.weight, score.bias(adapter, queries))

    def __call__(self, scaled: Vectors) -> Vectors:
        """Return z, `(n_queries, dim_out)`."""
        mapped: Vectors = scaled @ self.weight.T + self.bias
        if self.memory is not None:
            lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
            mapped += lengths * self.memory.recalled(unit(scaled))
        return mapped

    def shifted(self, shift: Vectors) -> "PriorMap":
        """Return the map with `shift` `(dim_out, dim_in)` added to W."""
        return replace(self, weight=self.weight + shift)

    def with_memory(self, linear: LinearAdapter) -> QueryAdapter:
        """Return the linear adapter with this map's memory added."""
        if self.memory is None:
            return linear
        old = self.memory
        return KernelAdapter(linear, old.landmarks, old.values, old.sharpness, centre=old.centre)
