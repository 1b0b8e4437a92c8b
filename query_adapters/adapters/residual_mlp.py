"""The residual adapter: a linear part, and a small network that starts by adding nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.adapters.extended import ExtendedAdapter
from query_adapters.adapters.linear import LinearAdapter, frozen
from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class ResidualMLPAdapter(ExtendedAdapter):
    """The map `z = W q + b + W₂ max(0, W₁ q + ‖q‖ b₁)`, given the length of `q`.

    What the network adds depends on the direction of q alone, and scales with its length.

    Args:
        linear: W and b; the identity for a plain residual network.
        hidden_weight: W₁, `(n_hidden, dim_in)`.
        hidden_bias: b₁, `(n_hidden,)`.
        output_weight: W₂, `(dim_out, n_hidden)`; zero for a network that adds nothing.

    Raises:
        InvalidVectorsError: If the shapes do not fit or a number is not finite.

    Source: He et al., Deep Residual Learning for Image Recognition (2016), 3.1, for one layer.
    """

    kind: ClassVar[str] = "residual_mlp"

    linear: LinearAdapter
    hidden_weight: Vectors
    hidden_bias: Vectors
    output_weight: Vectors

    def __init__(
        self,
        linear: LinearAdapter,
        hidden_weight: ArrayLike,
        hidden_bias: ArrayLike,
        output_weight: ArrayLike,
    ) -> None:
        object.__setattr__(self, "linear", linear)
        for name, array, ndim in (
            ("hidden_weight", hidden_weight, 2),
            ("hidden_bias", hidden_bias, 1),
            ("output_weight", output_weight, 2),
        ):
            object.__setattr__(self, name, frozen(array, ndim=ndim, name=name))
        n_hidden = len(self.hidden_bias)
        expected = (n_hidden, self.dim_in), (self.dim_out, n_hidden)
        if (self.hidden_weight.shape, self.output_weight.shape) != expected:
            raise InvalidVectorsError(
                f"expected hidden and output weights of shapes {expected} for {n_hidden} hidden "
                f"biases, got {self.hidden_weight.shape} and {self.output_weight.shape}"
            )

    @classmethod
    def identity(cls, dim: int, *, n_hidden: int) -> Self:
        """Return the adapter that changes nothing, with so many hidden units."""
        silent = np.zeros((n_hidden, dim), np.float32)
        return cls(LinearAdapter.identity(dim), silent, silent[:, 0], silent.T)

    @cached_property
    def is_identity(self) -> bool:
        """Whether the linear part is the identity and the network adds nothing."""
        return self.linear.is_identity and not self.output_weight.any()

    def mapped(self, queries: Vectors) -> Vectors:
        """Return z, `(dim_out,)` or `(n_queries, dim_out)`."""
        lengths = np.linalg.norm(queries, axis=-1, keepdims=True)
        hidden = queries @ self.hidden_weight.T + lengths * self.hidden_bias
        mapped: Vectors = self.linear.mapped(queries)
        mapped += np.maximum(hidden, 0) @ self.output_weight.T
        return mapped

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return those of the linear part, `hidden_weight`, `hidden_bias`, `output_weight`."""
        return self.linear.tensors() | {
            "hidden_weight": self.hidden_weight,
            "hidden_bias": self.hidden_bias,
            "output_weight": self.output_weight,
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Return the adapter that `tensors()` describes."""
        return cls(
            LinearAdapter.from_tensors(tensors),
            tensors["hidden_weight"],
            tensors["hidden_bias"],
            tensors["output_weight"],
        )
