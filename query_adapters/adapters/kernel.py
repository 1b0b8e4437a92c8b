"""The kernel adapter: a linear part, and a memory of the questions it was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.adapters.base import QueryAdapter
from query_adapters.adapters.length import (
    has_length,
    keep_length,
    keep_lengths,
    squared_length,
)
from query_adapters.adapters.linear import LinearAdapter, frozen
from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors

MOST_SHARPNESS = 80.0  # e^β must stay within float32


def similarity_kernel(cosines: NDArray[Any], sharpness: float) -> NDArray[Any]:
    """Return `(e^(β c) - 1) / (e^β - 1)` of each cosine c, in its precision: 1 at 1, 0 at 0.

    A power series in c with no negative coefficient, so a kernel of unit vectors. Without the
    constant term of the exponential it vanishes for questions that have nothing in common
    with the landmarks.

    Source: Schölkopf, Smola, Learning with Kernels (2002), 4.6 (dot product kernels).
    """
    kernel: NDArray[Any] = np.expm1(np.float32(sharpness) * cosines)
    return kernel / np.float32(np.expm1(sharpness))


@dataclass(frozen=True, eq=False)
class KernelAdapter(QueryAdapter):
    """The map `z = W q + b + ‖q‖ Vᵀ k(Z, q)`, given the length of `q`: `q' = z · ‖q‖ / ‖z‖`.

    The linear part carries over to documents and questions never seen. The memory answers
    questions like those already answered, and fades to nothing away from them.

    Args:
        linear: W and b.
        landmarks: Z, training questions at length 1, `(n_landmarks, dim_in)`.
        values: V, `(n_landmarks, dim_out)`.
        sharpness: β in (0, 80]; the higher, the more alike a question must be.

    Raises:
        InvalidVectorsError: If the shapes do not fit or a number is not finite.
    """

    kind: ClassVar[str] = "kernel"

    linear: LinearAdapter
    landmarks: Vectors
    values: Vectors
    sharpness: float

    def __init__(
        self, linear: LinearAdapter, landmarks: ArrayLike, values: ArrayLike, sharpness: float
    ) -> None:
        object.__setattr__(self, "linear", linear)
        object.__setattr__(self, "landmarks", frozen(landmarks, ndim=2, name="landmarks"))
        object.__setattr__(self, "values", frozen(values, ndim=2, name="values"))
        object.__setattr__(self, "sharpness", float(np.float32(sharpness)))
        n_landmarks = len(self.landmarks)
        expected = (n_landmarks, self.dim_in), (n_landmarks, self.dim_out)
        fits = (self.landmarks.shape, self.values.shape) == expected
        if not fits or not 0 < self.sharpness <= MOST_SHARPNESS:
            raise InvalidVectorsError(
                f"expected landmarks and values of shapes {expected} and a sharpness above 0, at "
                f"most {MOST_SHARPNESS:g}, got {self.landmarks.shape}, {self.values.shape} and "
                f"{sharpness}"
            )

    @property
    def dim_in(self) -> int:  # type: ignore[override]
        """Length of the vectors that it takes."""
        return self.linear.dim_in

    @property
    def dim_out(self) -> int:  # type: ignore[override]
        """Length of the vectors that it gives."""
        return self.linear.dim_out

    @cached_property
    def is_identity(self) -> bool:
        """Whether the linear part is the identity and the memory is empty."""
        return self.linear.is_identity and not self.values.any()

    def __call__(self, queries: Vectors) -> Vectors:
        """Return the adapted vectors.

        Args:
            queries: One vector `(dim_in,)`, or one a row `(n_queries, dim_in)`.

        Returns:
            `(dim_out,)` or `(n_queries, dim_out)`, each as long (Euclidean norm) as its query;
            a query without length, or with numbers that are not finite, as it is.

        Raises:
            DimensionMismatchError: If the vectors have another length than `dim_in`.
        """
        queries = np.asarray(queries, dtype=np.float32)
        self.check_dim(queries.shape[-1])
        return self._adapt_one(queries) if queries.ndim == 1 else self._adapt_rows(queries)

    def _adapt_one(self, query: Vectors) -> Vectors:
        squared = squared_length(query)
        if not has_length(squared):
            return self._adapt_rows(query[None]).reshape(-1)
        length = np.float32(sqrt(squared))
        mapped = self.linear.mapped(query) + length * self._recalled(query / length)
        return keep_length(query, mapped, squared=squared)

    def _adapt_rows(self, queries: Vectors) -> Vectors:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            lengths = np.linalg.norm(queries, axis=1, keepdims=True)
            mapped = self.linear.mapped(queries) + lengths * self._recalled(queries / lengths)
        return keep_lengths(queries, mapped)

    def _recalled(self, units: Vectors) -> Vectors:
        """Return what the memory adds to questions of length 1."""
        recalled: Vectors = (
            similarity_kernel(units @ self.landmarks.T, self.sharpness) @ self.values
        )
        return recalled

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return those of the linear part, `landmarks`, `values` and `sharpness` `(1,)`."""
        return self.linear.tensors() | {
            "landmarks": self.landmarks,
            "values": self.values,
            "sharpness": np.array([self.sharpness], dtype=np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Return the adapter that `tensors()` describes."""
        return cls(
            LinearAdapter.from_tensors(tensors),
            tensors["landmarks"],
            tensors["values"],
            float(tensors["sharpness"][0]),
        )
