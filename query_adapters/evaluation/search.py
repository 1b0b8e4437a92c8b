"""Exact search over all documents, in blocks of queries that fit in memory."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from query_adapters.arrays import unit
from query_adapters.data.units import UnitRows, Units
from query_adapters.device import Device, device_of, group_maxima, host
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.evaluation.top_columns import ordered_columns, top_columns
from query_adapters.typing import Rows, Run, Similarity, Vectors

SCORES_AT_ONCE = 16_000_000  # scores in one block: 64 MB
SETTLED = 1e-9  # rounding of cosines in double precision is far smaller
LENGTHS = 1e-100, 1e100  # squares of lengths between these neither overflow nor underflow

Doubles = NDArray[np.float64]


def exact_search(
    queries: Vectors,
    documents: Vectors,
    *,
    k: int,
    similarity: Similarity = "cosine",
    units: Rows | None = None,
    device: str = "cpu",
) -> Rows:
    """Return the rows of the k most similar documents, best first, `(n_queries, min(k, n))`.

    Ties are ordered by ascending row.

    Args:
        queries: Shape `(n_queries, dim)`.
        documents: Shape `(n_documents, dim)`.
        k: Documents per query, at least 1.
        similarity: "cosine", "dot", or "euclidean" (nearest first).
        units: The unit of each document, `(n_documents,)`, numbered from 0 without gaps. Then
            numbers of units are returned, ranked by their best document.
        device: "cpu" for numpy, else a device of torch, as in `device_of`. Scores are in single
            precision on both, so documents whose scores are equal up to rounding may change places.

    Raises:
        MissingExtraError: If torch is not installed, for another device than "cpu".
        ValueError: If there is no such device.
    """
    pool = None if units is None else UnitRows.of(units)
    k = min(k, len(documents) if pool is None else len(pool.starts) - 1)
    opened = device_of(device)
    if opened is not None:
        return _found_on(opened, queries, documents, k, similarity, units)
    if similarity == "cosine":
        queries, documents = unit(queries), unit(documents)
    found = np.empty((len(queries), k), dtype=np.int64)
    for block in blocks_of(len(queries), SCORES_AT_ONCE // len(documents) + 1):
        scores = scores_of(queries[block], documents, similarity)
        found[block] = top_columns(scores if pool is None else pooled(scores, pool), k)
    return found


def _found_on(
    device: Device,
    queries: Vectors,
    documents: Vectors,
    k: int,
    similarity: Similarity,
    units: Rows | None,
) -> Rows:
    """Return the k best documents or units, searched on the device."""
    rows, asked = (
        device.rows(np.asarray(vectors, dtype=np.float32)) for vectors in (documents, queries)
    )
    squares = rows.squares()
    unit_of = None if units is None else device.here(units)

    def work(block: slice) -> Rows:
        scores = rows.product(asked[block])
        if similarity == "cosine":  # the length of the query does not change the ranking
            scores /= squares.sqrt().where(squares > 0, 1)
        if similarity == "euclidean":
            scores -= 0.5 * squares
        if unit_of is not None:
            scores = group_maxima(scores, unit_of)
        hits = scores >= scores.topk(k, dim=1).values[:, -1:]
        found, columns = hits.nonzero(as_tuple=True)
        best = host(scores[found, columns])
        return ordered_columns(host(found), host(columns), best, n_rows=len(scores), k=k)

    found = np.empty((len(queries), k), dtype=np.int64)
    for block, columns in device.in_blocks(len(queries), len(documents), work):
        found[block] = columns
    return found


def scores_of(queries: Vectors, documents: Vectors, similarity: Similarity) -> Vectors:
    """Return the score of each query and document, `(n_queries, n_documents)`.

    For "cosine" the vectors must have length 1. For "euclidean" the scores rank by distance: half
    the squared length of the document is subtracted from the product.
    """
    scores = queries @ documents.T
    if similarity == "euclidean":
        scores -= 0.5 * np.einsum("ij,ij->i", documents, documents)
    return scores


def pooled(scores: Vectors, pool: UnitRows) -> Vectors:
    """Return the highest score of each unit's documents, `(n_queries, n_units)`.

    Args:
        scores: Scores of the documents, `(n_queries, n_documents)`.
        pool: The documents of each unit.
    """
    best: Vectors = np.maximum.reduceat(scores[:, pool.rows], pool.starts[:-1], axis=1)
    return best


def search_run(
    queries: Mapping[str, Vectors],
    document_ids: Sequence[str],
    documents: Vectors,
    *,
    k: int,
    similarity: Similarity = "cosine",
    units: Units | None = None,
) -> Run:
    """Return the ids of the k most similar documents of each query, best first.

    Args:
        queries: Vectors `(dim,)` by query id.
        document_ids: Ids of the rows of `documents`.
        documents: Shape `(n_documents, dim)`.
        k: Documents per query, at least 1.
        similarity: As in `exact_search`.
        units: The units of the documents, if units are ranked instead.

    Raises:
        DimensionMismatchError: If vectors of queries and documents differ in length.
        InvalidVectorsError: If a query's vector is not finite.
    """
    asked = np.stack(list(queries.values()))
    _check_dims(asked, documents)
    finite = np.isfinite(asked).all(axis=1)
    if not finite.all():
        raise InvalidVectorsError(
            f"query vectors: expected finite numbers, got NaN or infinity in {(~finite).sum()} of "
            f"{len(asked)}, such as that of {list(queries)[int(np.argmin(finite))]!r}; embed "
            "them again, or leave them out"
        )
    unit_of = None if units is None else units.unit_of
    found = exact_search(asked, documents, k=k, similarity=similarity, units=unit_of).tolist()
    ids = document_ids if units is None else units.ids
    ranked = ([ids[row] for row in rows] for rows in found)
    return dict(zip(queries, ranked, strict=True))


def settled_run(
    queries: Mapping[str, Sequence[float]],
    document_ids: Sequence[str],
    documents: Doubles,
    *,
    k: int,
) -> dict[str, list[str]]:
    """Return the k most similar documents by cosine, where rounding cannot change the result.

    Queries are left out if rounding or the order of the store decides their result: two of the k +
        1 best scores are equal, or a vector is zero.

    Args:
        queries: Vectors `(dim,)` by query, in double precision.
        document_ids: Ids of the rows of `documents`.
        documents: Shape `(n_documents, dim)`.
        k: Documents per query, at least 1.

    Raises:
        DimensionMismatchError: If vectors of queries and documents differ in length.
    """
    asked = np.array(list(queries.values()), dtype=np.float64)
    _check_dims(asked, documents)
    directions = _directions(documents)
    if not directions.any(axis=1).all():
        return {}
    asked, keys = _directions(asked), list(queries)
    found: dict[str, list[str]] = {}
    for block in blocks_of(len(asked), SCORES_AT_ONCE // len(documents) + 1):
        best, settled = _settled(asked[block] @ directions.T, k)
        ranked = zip(keys[block], best.tolist(), settled, strict=True)
        found |= {key: [document_ids[row] for row in rows] for key, rows, sure in ranked if sure}
    return found


def _directions(vectors: Doubles) -> Doubles:
    """Return the vectors scaled to length 1; to 0 if the length is 0, too small or too large."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    measured = (LENGTHS[0] < lengths) & (lengths < LENGTHS[1])
    directions: Doubles = np.where(measured, vectors, 0) / np.where(measured, lengths, 1)
    return directions


def _settled(scores: Doubles, k: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Return the columns of the k highest scores of each row, and whether they are unambiguous."""
    best = top_columns(scores, min(k + 1, scores.shape[1]))
    gaps = -np.diff(np.take_along_axis(scores, best, axis=1), axis=1)
    settled: NDArray[np.bool_] = np.all(gaps > SETTLED, axis=1)
    return best[:, :k], settled


def _check_dims(queries: NDArray[np.floating], documents: NDArray[np.floating]) -> None:
    if queries.shape[1] != documents.shape[1]:
        raise DimensionMismatchError(
            "document vectors",
            expected=queries.shape[1],
            actual=documents.shape[1],
            remedy="embed questions with the model that the index was built with",
        )


def blocks_of(n: int, size: int) -> Iterator[slice]:
    """Return the slices of at most `size` rows that cover n rows."""
    return (slice(start, start + size) for start in range(0, n, size))
