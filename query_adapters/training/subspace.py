"""The directions in which a fit can move at all, which are few where questions are."""

from dataclasses import dataclass

import numpy as np

from query_adapters.training.linear_map import LinearMap
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class Span:
    """What the documents and the inputs of an objective span, each with orthonormal rows.

    Scores are dₖᵀ W xᵢ, so what of W lies outside changes none, and at the minimum it is the
    prior's. A fit of 100 questions has 100 × 100 coordinates in there, instead of dim × dim.

    Attributes:
        documents: S, `(n, dim)`; None for every direction.
        inputs: T, `(m, n_inputs)`; None for every direction.

    Source: Schölkopf, Herbrich, Smola, A Generalized Representer Theorem (2001), section 4.
    """

    documents: Vectors | None
    inputs: Vectors | None

    def inward(self, at: LinearMap) -> LinearMap:
        """Return S W Tᵀ and S b: the map in the coordinates of the span."""
        return LinearMap(self.inputs_in(self.documents_in(at.weight)), self.documents_in(at.bias))

    def outward(self, at: LinearMap) -> LinearMap:
        """Return Sᵀ W T and Sᵀ b: the map that does nothing outside of the span."""
        weight = at.weight if self.inputs is None else at.weight @ self.inputs
        return LinearMap(self.documents_out(weight), self.documents_out(at.bias))

    def inputs_in(self, rows: Vectors) -> Vectors:
        """Return the coordinates of rows `(..., n_inputs)`, which are `(..., m)`."""
        return rows if self.inputs is None else rows @ self.inputs.T

    def documents_in(self, columns: Vectors) -> Vectors:
        """Return the coordinates of columns `(dim, ...)`, which are `(n, ...)`."""
        return columns if self.documents is None else self.documents @ columns

    def documents_out(self, columns: Vectors) -> Vectors:
        """Return the columns `(dim, ...)` that have these coordinates `(n, ...)`."""
        return columns if self.documents is None else self.documents.T @ columns


def basis(rows: Vectors) -> Vectors | None:
    """Return orthonormal rows that span the given ones, None if they are not fewer than dims."""
    if len(rows) >= rows.shape[1]:
        return None
    found: Vectors = np.linalg.qr(rows.T)[0].T
    return found
