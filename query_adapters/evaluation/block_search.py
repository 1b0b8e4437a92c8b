"""Exact search over documents that are read in blocks, of which memory holds one at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

from query_adapters.arrays import check_finite, unit
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.evaluation.search import SCORES_AT_ONCE, blocks_of, scores_of
from query_adapters.evaluation.top_columns import top_columns
from query_adapters.typing import Rows, Similarity, Vectors

DocumentBlocks = Iterable[Vectors]
"""Blocks `(n, dim)` of document vectors that every `for` reads from the start."""


class VectorBlocks:
    """Blocks of one matrix, such as `numpy.load(path, mmap_mode="r")`."""

    def __init__(self, vectors: Vectors, *, rows: int = 65_536) -> None:
        """Remember the matrix, `(n_documents, dim)`, and the number of documents in a block.

        Raises:
            ValueError: If `rows` is below 1.
        """
        if rows < 1:
            raise ValueError(f"rows: expected at least 1, got {rows}")
        self._vectors, self._rows = vectors, rows

    def __iter__(self) -> Iterator[Vectors]:
        for block in blocks_of(len(self._vectors), self._rows):
            yield np.asarray(self._vectors[block], dtype=np.float32)


def search_blocks(
    queries: Vectors, documents: DocumentBlocks, *, k: int, similarity: Similarity = "cosine"
) -> tuple[Rows, int]:
    """Return the rows of the k most similar documents, best first, and the number of documents.

    Rows, `(n_queries, min(k, n_documents))`, are counted over all blocks. They equal those of
    `exact_search` up to the rounding of scores; ties are ordered by ascending row.

    Args:
        queries: Shape `(n_queries, dim)`.
        documents: Blocks of documents, read once.
        k: Documents per query, at least 1.
        similarity: "cosine", "dot", or "euclidean" (nearest first).

    Raises:
        DimensionMismatchError: If documents are not as long as the queries.
        InvalidVectorsError: If there are no documents, or a number is not finite.
    """
    best = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    n_documents = 0
    for documents_block in documents:
        _check(documents_block, queries.shape[1], n_documents)
        found = _found(queries, documents_block, k, similarity)
        best = _merged(best, (found[0], found[1] + n_documents), k)
        n_documents += len(documents_block)
    if not n_documents:
        raise InvalidVectorsError(
            "documents: expected blocks of vectors, got none; pass a list, or an object that "
            "reads the blocks from the start each time it is iterated over"
        )
    return best[1], n_documents


def _found(
    queries: Vectors, documents: Vectors, k: int, similarity: Similarity
) -> tuple[Vectors, Rows]:
    """Return scores and rows of the best documents of one block, each `(n_queries, at most k)`."""
    if similarity == "cosine":
        queries, documents = unit(queries), unit(documents)
    k = min(k, len(documents))
    best, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    for block in blocks_of(len(queries), SCORES_AT_ONCE // len(documents) + 1):
        scores = scores_of(queries[block], documents, similarity)
        rows[block] = top_columns(scores, k)
        best[block] = np.take_along_axis(scores, rows[block], axis=1)
    return best, rows


def _merged(
    earlier: tuple[Vectors, Rows], later: tuple[Vectors, Rows], k: int
) -> tuple[Vectors, Rows]:
    """Return the k best of both; a stable sort keeps the lower row first where scores are equal."""
    scores = np.concatenate([earlier[0], later[0]], axis=1)
    rows = np.concatenate([earlier[1], later[1]], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _check(block: Vectors, dim: int, first: int) -> None:
    if block.ndim != 2 or not len(block):
        raise InvalidVectorsError(
            f"documents from row {first} on: expected a block (n, {dim}), got shape {block.shape}"
        )
    if block.shape[1] != dim:
        raise DimensionMismatchError(
            f"documents from row {first} on",
            expected=dim,
            actual=block.shape[1],
            remedy="embed questions with the model that the index was built with",
        )
    check_finite(block, f"documents from row {first} on")
