"""Similarities on the scale that the store ranks by, the higher, the more similar."""

from collections.abc import Iterator

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
    return next(similarity_blocks(queries, documents, similarity, size=len(queries)))


def similarity_blocks(
    queries: Vectors, documents: Vectors, similarity: Similarity, *, size: int
) -> Iterator[Vectors]:
    """Yield the similarities of `size` queries at a time; arguments as in `similarities`."""
    if similarity == "cosine":
        queries, documents = unit(queries), unit(documents)
    lengths = np.einsum("ij,ij->i", documents, documents) if similarity == "euclidean" else None
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        products: Vectors = block @ documents.T
        yield products if lengths is None else _negative_distances(block, lengths, products)


def _negative_distances(queries: Vectors, lengths: Vectors, products: Vectors) -> Vectors:
    """Return minus the Euclidean distances, from squared document lengths and dot products."""
    squares = np.einsum("ij,ij->i", queries, queries)[:, None] + lengths
    distances: Vectors = np.sqrt(np.maximum(squares - 2 * products, 0))
    return -distances
