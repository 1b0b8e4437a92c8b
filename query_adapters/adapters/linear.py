"""The linear adapter: a matrix and an optional bias."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.adapters.length import LengthKeepingAdapter
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class LinearAdapter(LengthKeepingAdapter):
    """The map `z = W q + b`, given the length of `q`: `q' = z · ‖q‖ / ‖z‖`.

    Args:
        weight: W, shape `(dim_out, dim_in)`.
        bias: b, shape `(dim_out,)`, or None for no bias.
        keeps_length: Whether the result has the length of q; False for q' = z.

    Raises:
        InvalidVectorsError: If the shapes do not fit or a number is not finite.

    Example:
        >>> adapter = LinearAdapter(weight=[[0.0, 1.0], [1.0, 0.0]])
        >>> adapter(np.array([3.0, 4.0], dtype=np.float32)).tolist()
        [4.0, 3.0]
    """

    kind: ClassVar[str] = "linear"

    weight: Vectors
    bias: Vectors | None = None
    keeps_length: bool = True

    def __init__(
        self, weight: ArrayLike, bias: ArrayLike | None = None, *, keeps_length: bool = True
    ) -> None:
        object.__setattr__(self, "weight", frozen(weight, ndim=2, name="weight"))
        object.__setattr__(
            self, "bias", None if bias is None else frozen(bias, ndim=1, name="bias")
        )
        object.__setattr__(self, "keeps_length", keeps_length)
        if self.bias is not None and self.bias.shape != (self.dim_out,):
            raise InvalidVectorsError(
                f"bias: expected shape ({self.dim_out},) as weight has {self.dim_out} rows, "
                f"got {self.bias.shape}"
            )

    @classmethod
    def identity(cls, dim: int) -> Self:
        """Return the identity adapter."""
        return cls(np.eye(dim, dtype=np.float32))

    @property
    def dim_in(self) -> int:  # type: ignore[override]
        """Length of the vectors it maps."""
        return int(self.weight.shape[1])

    @property
    def dim_out(self) -> int:  # type: ignore[override]
        """Length of the mapped vectors."""
        return int(self.weight.shape[0])

    @property
    def _is_square(self) -> bool:
        return self.dim_in == self.dim_out

    @cached_property
    def is_identity(self) -> bool:
        """Whether W is the identity matrix and there is no bias."""
        unbiased = self.bias is None or not self.bias.any()
        return self._is_square and unbiased and bool((self.weight == np.eye(self.dim_in)).all())

    def check_square(self) -> None:
        """Check that the matrix is square, as refining requires.

        Raises:
            DimensionMismatchError: If it does not.
        """
        if not self._is_square:
            raise DimensionMismatchError(
                "vectors that the adapter to refine gives",
                expected=self.dim_in,
                actual=self.dim_out,
                remedy="start from an adapter with a square matrix",
            )

    def mapped(self, queries: Vectors) -> Vectors:
        """Return `W q + b`, `(dim_out,)` or `(n_queries, dim_out)`."""
        mapped: Vectors = queries.dot(self.weight.T)
        if self.bias is not None:
            mapped += self.bias
        return mapped

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return `weight`, `bias` if there is one, and `free_length` if lengths are not kept."""
        tensors = {"weight": self.weight} | ({} if self.bias is None else {"bias": self.bias})
        if not self.keeps_length:
            tensors["free_length"] = np.ones(1, dtype=np.float32)
        return tensors

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Return the adapter with the arrays of `tensors()`."""
        keeps_length = "free_length" not in tensors
        return cls(tensors["weight"], tensors.get("bias"), keeps_length=keeps_length)


def frozen(array: ArrayLike, *, ndim: int, name: str) -> Vectors:
    """Return a read-only float32 copy.

    Raises:
        InvalidVectorsError: If it has another number of axes, is empty or not finite.
    """
    frozen = np.array(array, dtype=np.float32, order="C")
    if frozen.ndim != ndim or 0 in frozen.shape:
        raise InvalidVectorsError(f"{name}: expected {ndim} dimensions, got shape {frozen.shape}")
    if not np.isfinite(frozen).all():
        raise InvalidVectorsError(f"{name}: expected finite numbers, got NaN or infinity")
    frozen.setflags(write=False)
    return frozen
