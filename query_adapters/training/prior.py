"""The spectral prior: the map that training starts from and is regularized toward."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from query_adapters.training.linear_score import LinearScore
from query_adapters.typing import Similarity, Values, Vectors

EPSILON = 1e-3  # ε as a share of the trace; it bounds the gain of empty directions
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigendecomposition `V Λ Vᵀ` of the documents' covariance, at unit length for cosine.

    Attributes:
        documents: Document vectors, `(n_documents, dim)`; read when the first prior with an
            exponent above 0 is requested.
        similarity: Similarity that the store ranks by.
    """

    documents: Vectors
    similarity: Similarity

    def prior(self, exponent: float) -> Vectors:
        """Return `g V (Λ + ε)^-p Vᵀ`, `(dim, dim)`; see `spectral_prior`."""
        if exponent == 0:
            return np.eye(self.documents.shape[1], dtype=np.float32)
        variances, directions = self._eigen
        variances = np.maximum(variances, 0)
        total = variances.sum()
        if total == 0:  # all documents are equal
            return np.eye(len(variances), dtype=np.float32)
        gains = (variances / total + EPSILON) ** -exponent
        deviations = np.sqrt(variances)
        gains /= gains @ deviations / deviations.sum()
        prior: Vectors = ((directions * gains) @ directions.T).astype(np.float32)
        return prior

    @cached_property
    def _eigen(self) -> tuple[Values, Values]:
        """Λ, `(dim,)`, and V, one direction per column, `(dim, dim)`."""
        variances, directions = np.linalg.eigh(_covariance(self.documents, self.similarity))
        return variances, directions


def spectral_prior(
    documents: Vectors, *, exponent: float, similarity: Similarity = "cosine"
) -> Vectors:
    """Return the partial whitening matrix `g V (Λ + ε)^-p Vᵀ`, `(dim, dim)`.

    `V Λ Vᵀ` is the covariance of the documents, at unit length for cosine, and ε a thousandth of
    its trace. g makes the mean gain 1 over directions weighted by their standard deviation. Applied
    to a query, the matrix shrinks the directions in which documents vary most. It needs no labels.
    With exponent 0 it is the identity.

    Args:
        documents: Vectors of the index to be searched, `(n_documents, dim)`.
        exponent: p, at least 0; 0.5 whitens fully.
        similarity: Similarity that the store ranks by.

    Source: Mu, Viswanath, All-but-the-Top (2018), section 2; here softened to a power of the
        spectrum and applied to queries alone.
    """
    return Spectrum(documents, similarity).prior(exponent)


def _covariance(documents: Vectors, similarity: Similarity) -> Values:
    """Return the covariance of the documents, `(dim, dim)`, computed in blocks."""
    score, dim = LinearScore.of(documents, similarity), documents.shape[1]
    starts = range(0, len(documents), ROWS_AT_ONCE)
    blocks = [documents[start : start + ROWS_AT_ONCE] for start in starts]
    sums = [score.scaled_documents(block).sum(axis=0, dtype=np.float64) for block in blocks]
    mean = (np.sum(sums, axis=0) / len(documents)).astype(np.float32)
    squares = np.zeros((dim, dim))
    for block in blocks:
        centred = score.scaled_documents(block) - mean
        squares += centred.T @ centred
    covariance: Values = squares / len(documents)
    return covariance
