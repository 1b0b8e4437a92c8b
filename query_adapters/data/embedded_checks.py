"""Checks of the vectors and labels of a dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import check_finite
from query_adapters.data.units import check_units
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.typing import Rows, Values, Vectors


def check_parts(dataset: Any) -> None:
    """Check that the parts of an EmbeddedDataset fit together.

    Raises:
        InvalidVectorsError: If rows, units, weights and questions do not match.
        DimensionMismatchError: If questions and documents differ in length.
    """
    if not dataset.of_two_models and dataset.queries.shape[1] != dataset.documents.shape[1]:
        raise DimensionMismatchError(
            "document vectors",
            expected=dataset.queries.shape[1],
            actual=dataset.documents.shape[1],
            remedy="embed questions with the model that the index was built with",
        )
    counts = [len(dataset.relevant), len(dataset.grades), len(dataset.query_groups)]
    if counts != [len(dataset.queries)] * 3:
        raise InvalidVectorsError(
            f"expected relevant rows, grades and a group for each of {len(dataset.queries)} "
            f"queries, got {counts[0]}, {counts[1]} and {counts[2]}"
        )
    if dataset.units is not None:
        check_units(dataset.units, len(dataset.documents), n_units=dataset.n_units)
    _check_judgements(dataset.relevant, dataset.grades, dataset.n_units)
    weights = dataset.weights
    is_weight = np.isfinite(weights) & (weights >= 0)
    if weights.shape != (len(dataset.queries),) or not is_weight.all():
        raise InvalidVectorsError(
            f"weights: expected a finite number from 0 for each of {len(dataset.queries)} queries, "
            f"got {weights}"
        )
    if not weights.any():
        raise InvalidVectorsError("weights: expected one above 0, got 0 for every query")


def _check_judgements(relevant: Sequence[Rows], grades: Sequence[Values], n_units: int) -> None:
    if _are_judgements(relevant, grades, n_units):  # of all queries at once, which is faster
        return
    for query, (rows, own) in enumerate(zip(relevant, grades, strict=True)):
        if not _are_judgements([rows], [own], n_units):
            raise InvalidVectorsError(
                f"query {query}: expected distinct relevant rows below {n_units}, each with a "
                f"grade above 0; got rows {rows} and grades {own}"
            )


def _are_judgements(relevant: Sequence[Rows], grades: Sequence[Values], n_units: int) -> bool:
    """Return whether each query has distinct relevant rows, each with a grade above 0."""
    shapes = [rows.shape for rows in relevant]
    if shapes != [own.shape for own in grades]:
        return False
    if not all(len(shape) == 1 and shape[0] for shape in shapes):
        return False
    rows = np.concatenate(relevant)
    queries = np.repeat(np.arange(len(shapes)), np.concatenate(shapes))
    is_distinct = len(np.unique(queries * n_units + rows)) == len(rows)
    in_range = rows.min() >= 0 and rows.max() < n_units
    return bool(in_range and is_distinct and (np.concatenate(grades) > 0).all())


def matrix_of(vectors: ArrayLike, what: str) -> Vectors:
    """Return a read-only float32 view of finite rows."""
    matrix = np.ascontiguousarray(vectors, dtype=np.float32).view()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InvalidVectorsError(f"{what}: expected shape (n, dim), got {matrix.shape}")
    check_finite(matrix, what)
    matrix.setflags(write=False)
    return matrix
