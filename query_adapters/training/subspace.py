"""The subspace of weights that a fit can change, which is small if queries or documents are few."""

import numpy as np

from query_adapters.typing import Vectors


class Subspace:
    """Orthonormal bases of the span of an objective's documents and of its inputs.

    Scores are dₖᵀ A xᵢ, so the part of A outside both spans changes no score, and at the minimum it
    is zero. A fit of 100 queries then has 100 × 100 coordinates instead of dim × n_inputs.

    Args:
        documents: Rows that span the first space, `(n_documents, dim)`.
        inputs: Rows that span the second space, `(n_queries, n_inputs)`.

    Attributes:
        documents: The documents' coordinates, `(n_documents, n)`.
        inputs: The inputs' coordinates, `(n_queries, m)`.

    Source: Schölkopf, Herbrich, Smola, A Generalized Representer Theorem (2001), section 4.
    """

    def __init__(self, documents: Vectors, inputs: Vectors) -> None:
        self._document_basis = orthonormal_basis(documents)
        self._input_basis = orthonormal_basis(inputs)
        self.documents = _coordinates(documents, self._document_basis)
        self.inputs = _coordinates(inputs, self._input_basis)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the coordinates of A, `(n, m)`."""
        return self.documents.shape[1], self.inputs.shape[1]

    def expand(self, coordinates: Vectors) -> Vectors:
        """Return A `(dim, n_inputs)` with these coordinates `(n, m)`, zero outside the spans."""
        expanded = coordinates
        if self._input_basis is not None:
            expanded = expanded @ self._input_basis
        if self._document_basis is not None:
            expanded = self._document_basis.T @ expanded
        return expanded

    def project(self, mapped: Vectors) -> Vectors:
        """Return the coordinates `(n_queries, n)` of vectors `(n_queries, dim)` that are scored."""
        return _coordinates(mapped, self._document_basis)


def orthonormal_basis(rows: Vectors) -> Vectors | None:
    """Return orthonormal rows with the same span; None if there are at least `dim` rows."""
    if len(rows) >= rows.shape[1]:
        return None
    basis: Vectors = np.linalg.qr(rows.T)[0].T
    return basis


def _coordinates(rows: Vectors, basis: Vectors | None) -> Vectors:
    coordinates: Vectors = rows if basis is None else rows @ basis.T
    return np.ascontiguousarray(coordinates)
