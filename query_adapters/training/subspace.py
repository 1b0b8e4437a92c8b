"""The subspace of weights that a fit can change, which is small if queries or documents are few."""

from dataclasses import dataclass

import numpy as np

from query_adapters.training.linear_map import LinearMap
from query_adapters.typing import Vectors


@dataclass(frozen=True, eq=False)
class Subspace:
    """Orthonormal bases of the span of an objective's documents and of its inputs.

    Scores are dₖᵀ W xᵢ, so the part of W outside both spans changes no score, and at the minimum
    it equals the prior's. A fit of 100 queries then has 100 × 100 coordinates instead of
    dim × dim.

    Attributes:
        documents: S, orthonormal rows, `(n, dim)`; None for the whole space.
        inputs: T, orthonormal rows, `(m, n_inputs)`; None for the whole space.

    Source: Schölkopf, Herbrich, Smola, A Generalized Representer Theorem (2001), section 4.
    """

    documents: Vectors | None
    inputs: Vectors | None

    def project(self, full: LinearMap) -> LinearMap:
        """Return S W Tᵀ and S b: the coordinates of the map in the subspace."""
        return LinearMap(
            self.project_inputs(self.project_documents(full.weight)),
            self.project_documents(full.bias),
        )

    def expand(self, reduced: LinearMap) -> LinearMap:
        """Return Sᵀ W T and Sᵀ b: the map with these coordinates, zero outside the subspace."""
        weight = reduced.weight if self.inputs is None else reduced.weight @ self.inputs
        return LinearMap(self._expand_documents(weight), self._expand_documents(reduced.bias))

    def project_inputs(self, rows: Vectors) -> Vectors:
        """Return the coordinates `(..., m)` of rows `(..., n_inputs)`."""
        return rows if self.inputs is None else rows @ self.inputs.T

    def project_documents(self, columns: Vectors) -> Vectors:
        """Return the coordinates `(n, ...)` of columns `(dim, ...)`."""
        return columns if self.documents is None else self.documents @ columns

    def _expand_documents(self, columns: Vectors) -> Vectors:
        """Return the columns `(dim, ...)` that have these coordinates `(n, ...)`."""
        return columns if self.documents is None else self.documents.T @ columns


def orthonormal_basis(rows: Vectors) -> Vectors | None:
    """Return orthonormal rows with the same span; None if there are at least `dim` rows."""
    if len(rows) >= rows.shape[1]:
        return None
    basis: Vectors = np.linalg.qr(rows.T)[0].T
    return basis
