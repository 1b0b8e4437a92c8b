"""The kernel adapter: a linear map plus a memory of the training questions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.adapters.length import LengthKeepingAdapter
from query_adapters.adapters.linear import LinearAdapter, frozen
from query_adapters.errors import InvalidVectorsError
from query_adapters.typing import Vectors

MOST_SHARPNESS = 80.0  # e^β must stay within float32
TINY = 1e-6  # length below which a centred query counts as zero


def similarity_kernel(cosines: NDArray[Any], sharpness: float) -> NDArray[Any]:
    """Return `(e^(β c) - 1) / (e^β - 1)` of each cosine c, in its precision: 1 at 1, 0 at 0.

    It is a power series in c without negative coefficients, hence a kernel on unit vectors. Without
    the exponential's constant term it is 0 for queries orthogonal to the landmarks.

    Source: Schölkopf, Smola, Learning with Kernels (2002), 4.6 (dot product kernels).
    """
    kernel: NDArray[Any] = np.expm1(np.float32(sharpness) * cosines)
    return kernel / np.float32(np.expm1(sharpness))


@dataclass(frozen=True, eq=False)
class KernelAdapter(LengthKeepingAdapter):
    """The map `z = W q + b + ‖q‖ Vᵀ k(Z, q̃)`, given the length of `q`: `q' = z · ‖q‖ / ‖z‖`.

    q̃ is q at length 1, minus the centre, at length 1 again. The linear part generalizes to unseen
    documents and questions. The memory acts on queries that resemble training questions, and
    vanishes away from them.

    Args:
        linear: W and b.
        landmarks: Z, training questions as q̃, `(n_landmarks, dim_in)`.
        values: V, `(n_landmarks, dim_out)`.
        sharpness: β in (0, 80]; a higher value requires a greater resemblance.
        centre: Subtracted from queries of length 1 before they are compared with the landmarks,
            `(dim_in,)`; None for zero.

    Raises:
        InvalidVectorsError: If the shapes do not fit or a number is not finite.
    """

    kind: ClassVar[str] = "kernel"

    linear: LinearAdapter
    landmarks: Vectors
    values: Vectors
    sharpness: float
    centre: Vectors | None

    def __init__(
        self,
        linear: LinearAdapter,
        landmarks: ArrayLike,
        values: ArrayLike,
        sharpness: float,
        *,
        centre: ArrayLike | None = None,
    ) -> None:
        object.__setattr__(self, "linear", linear)
        object.__setattr__(self, "landmarks", frozen(landmarks, ndim=2, name="landmarks"))
        object.__setattr__(self, "values", frozen(values, ndim=2, name="values"))
        object.__setattr__(self, "sharpness", float(np.float32(sharpness)))
        given = None if centre is None else frozen(centre, ndim=1, name="centre")
        object.__setattr__(self, "centre", given)
        self._check_shapes(sharpness)

    def _check_shapes(self, sharpness: float) -> None:
        n_landmarks = len(self.landmarks)
        expected = (n_landmarks, self.dim_in), (n_landmarks, self.dim_out)
        fits = (self.landmarks.shape, self.values.shape) == expected
        if not fits or not 0 < self.sharpness <= MOST_SHARPNESS:
            raise InvalidVectorsError(
                f"expected landmarks and values of shapes {expected} and a sharpness above 0, at "
                f"most {MOST_SHARPNESS:g}, got {self.landmarks.shape}, {self.values.shape} and "
                f"{sharpness}"
            )
        if self.centre is not None and self.centre.shape != (self.dim_in,):
            raise InvalidVectorsError(
                f"centre: expected shape ({self.dim_in},) like a query, got {self.centre.shape}"
            )

    def check_square(self) -> None:
        """Check that the linear part is square, as refining requires.

        Raises:
            DimensionMismatchError: If it is not.
        """
        self.linear.check_square()

    @property
    def dim_in(self) -> int:  # type: ignore[override]
        """Length of the vectors it maps."""
        return self.linear.dim_in

    @property
    def dim_out(self) -> int:  # type: ignore[override]
        """Length of the mapped vectors."""
        return self.linear.dim_out

    @property
    def keeps_length(self) -> bool:  # type: ignore[override]
        """Whether the result has the length of its query, as in the linear part."""
        return self.linear.keeps_length

    @cached_property
    def is_identity(self) -> bool:
        """Whether the linear part is the identity and the memory is empty."""
        return self.linear.is_identity and not self.values.any()

    def mapped(self, queries: Vectors) -> Vectors:
        """Return z, `(dim_out,)` or `(n_queries, dim_out)`."""
        lengths = np.linalg.norm(queries, axis=-1, keepdims=True)
        mapped: Vectors = self.linear.mapped(queries) + lengths * self.recalled(queries / lengths)
        return mapped

    def recalled(self, units: Vectors) -> Vectors:
        """Return `Vᵀ k(Z, q̃)`, what the memory adds to queries of length 1."""
        compared = units
        if self.centre is not None:
            centred = units - self.centre
            lengths = np.linalg.norm(centred, axis=-1, keepdims=True)
            compared = centred / np.maximum(lengths, TINY)
        kernel = similarity_kernel(compared @ self.landmarks.T, self.sharpness)
        recalled: Vectors = kernel @ self.values
        return recalled

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of the linear part and of the memory, `sharpness` as `(1,)`."""
        centre = {} if self.centre is None else {"centre": self.centre}
        return (
            self.linear.tensors()
            | centre
            | {
                "landmarks": self.landmarks,
                "values": self.values,
                "sharpness": np.array([self.sharpness], dtype=np.float32),
            }
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Return the adapter with the arrays of `tensors()`."""
        return cls(
            LinearAdapter.from_tensors(tensors),
            tensors["landmarks"],
            tensors["values"],
            float(tensors["sharpness"][0]),
            centre=tensors.get("centre"),
        )


RefinableAdapter = LinearAdapter | KernelAdapter
"""The adapters that training can start from."""
