"""Where training starts from, and what it is pulled back to."""

import numpy as np

from query_adapters.evaluation.search import unit
from query_adapters.typing import Vectors

EPSILON = 1e-3  # added to each variance of unit vectors, so that empty directions stay tame


def spectral_prior(documents: Vectors, *, exponent: float) -> Vectors:
    """Return the matrix `V (Λ + ε)^-p Vᵀ` at mean trace 1, shape `(dim, dim)`.

    `V Λ Vᵀ` is the covariance of the documents at unit length. Applied to a question it turns
    down the directions in which all documents differ anyway; no label is needed. With
    exponent 0 it is the identity.

    Args:
        documents: Vectors of the index that will be searched, `(n_documents, dim)`.
        exponent: p, at least 0; 0.5 whitens fully.

    Source: Mu, Viswanath, All-but-the-Top (2018), section 2, softened to a power of the
        spectrum and put on the query side alone.
    """
    dim = documents.shape[1]
    if exponent == 0:
        return np.eye(dim, dtype=np.float32)
    centred = unit(documents) - unit(documents).mean(axis=0)
    covariance = (centred.T @ centred).astype(np.float64) / len(documents)
    variances, directions = np.linalg.eigh(covariance)
    gains = (np.maximum(variances, 0) + EPSILON) ** -exponent
    prior: Vectors = ((directions * (gains / gains.mean())) @ directions.T).astype(np.float32)
    return prior
