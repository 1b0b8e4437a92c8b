"""Similarities on the scale that the store ranks by, the higher, the more similar."""

import numpy as np

from query_adapters.arrays import unit
from query_adapters.typing import Similarity, Vectors


def similarities(queries: Vectors, documents: Vectors, similarity: Similarity) -> Vectors:
    """Return cosines, dot products or negative distances, `(n_queries, n_documents)`.

    Args:
        queries: Shape `(n_queries, dim)`.
        documents: Shape `(n_documents, dim)`.
        similarity: What the store ranks by.
    """
    if similarity == "cosine":
        queries, documents = unit(queries), unit(documents)
    products: Vectors = queries @ documents.T
    if similarity != "euclidean":
        return products
    squares = np.einsum("ij,ij->i", queries, queries)[:, None]
    squares = squares + np.einsum("ij,ij->i", documents, documents)
    distances: Vectors = np.sqrt(np.maximum(squares - 2 * products, 0))
    return -distances
