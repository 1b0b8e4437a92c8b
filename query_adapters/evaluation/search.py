"""Exact search: every document is scored, in blocks of questions that fit in memory."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from query_adapters.typing import Rows, Vectors

Similarity = Literal["cosine", "dot", "euclidean"]
SCORES_AT_ONCE = 16_000_000  # numbers in one block of scores: 64 MB


def exact_search(
    queries: Vectors, documents: Vectors, *, k: int, similarity: Similarity = "cosine"
) -> Rows:
    """Return the rows of the k most similar documents, best first, `(n_queries, min(k, n))`.

    Equal scores are ordered by row, the lower first.

    Args:
        queries: Shape `(n_queries, dim)`.
        documents: Shape `(n_documents, dim)`.
        k: How many documents a question, at least 1.
        similarity: "cosine", "dot", or "euclidean" (nearest first).
    """
    if similarity == "cosine":
        queries, documents = unit(queries), unit(documents)
    offset = -0.5 * np.einsum("ij,ij->i", documents, documents)
    k = min(k, len(documents))
    found = np.empty((len(queries), k), dtype=np.int64)
    for block in _blocks(len(queries), SCORES_AT_ONCE // len(documents) + 1):
        scores = queries[block] @ documents.T
        if similarity == "euclidean":
            scores += offset
        found[block] = _top(scores, k)
    return found


def unit(vectors: Vectors) -> Vectors:
    """Return the vectors at length 1; zero vectors stay zero."""
    norms: Vectors = np.linalg.norm(vectors, axis=-1, keepdims=True)
    norms[norms == 0] = 1
    return vectors / norms


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))


def _top(scores: Vectors, k: int) -> Rows:
    """Return the columns of the k highest scores of each row; ties go to the lower column."""
    if k < scores.shape[1]:
        threshold = np.partition(scores, -k, axis=1)[:, -k, None]
        above = scores > threshold
        room = k - above.sum(axis=1, keepdims=True)
        tied = scores == threshold
        chosen = above | (tied & (tied.cumsum(axis=1) <= room))
        columns = np.nonzero(chosen)[1].reshape(len(scores), k)
    else:
        columns = np.broadcast_to(np.arange(k), scores.shape)
    kept = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-kept, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)
