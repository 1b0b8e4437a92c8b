"""The base class of all adapters."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from query_adapters.errors import DimensionMismatchError
from query_adapters.typing import Vectors


class QueryAdapter(ABC):
    """A learned, immutable map on query vectors; document vectors are never mapped.

    Attributes:
        kind: Name of the kind in stored adapters, unique per class.
        dim_in: Length of the vectors it maps.
        dim_out: Length of the mapped vectors.
    """

    kind: ClassVar[str]
    dim_in: int
    dim_out: int

    @abstractmethod
    def __call__(self, queries: Vectors) -> Vectors:
        """Return the adapted vectors, `(dim_out,)` or `(n_queries, dim_out)`."""

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return the arrays that define the adapter, by name."""

    @classmethod
    @abstractmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Return the adapter with the arrays of `tensors()`."""

    @property
    @abstractmethod
    def is_identity(self) -> bool:
        """Whether the adapter changes no vector."""

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify the kind and the weights."""
        digest = hashlib.sha256(self.kind.encode())
        for name, tensor in sorted(self.tensors().items()):
            digest.update(f"{name}{tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor, dtype="<f4").tobytes())
        return digest.hexdigest()[:16]

    def check_dim(self, dim: int) -> None:
        """Check that the adapter maps vectors of length `dim`.

        Raises:
            DimensionMismatchError: If it does not.
        """
        if dim != self.dim_in:
            raise DimensionMismatchError(
                f"{type(self).__name__} on query vectors",
                expected=self.dim_in,
                actual=dim,
                remedy="use the embedding model that the adapter was trained on",
            )
