"""Checks of the vectors and labels of a dataset."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import check_finite
from query_adapters.data.units import check_units
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.typing import Vectors


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
    for query, (rows, grades) in enumerate(zip(dataset.relevant, dataset.grades, strict=True)):
        in_range = len(rows) > 0 and rows.min() >= 0 and rows.max() < dataset.n_units
        graded = len(rows) == len(grades) and bool((grades > 0).all())
        if not in_range or not graded or len(np.unique(rows)) != len(rows):
            raise InvalidVectorsError(
                f"query {query}: expected distinct relevant rows below "
                f"{dataset.n_units}, each with a grade above 0; got rows {rows} and "
                f"grades {grades}"
            )
    weights = dataset.weights
    is_weight = np.isfinite(weights) & (weights >= 0)
    if weights.shape != (len(dataset.queries),) or not is_weight.all():
        raise InvalidVectorsError(
            f"weights: expected a finite number from 0 for each of {len(dataset.queries)} queries, "
            f"got {weights}"
        )
    if not weights.any():
        raise InvalidVectorsError("weights: expected one above 0, got 0 for every query")


def matrix_of(vectors: ArrayLike, what: str) -> Vectors:
    """Return a read-only float32 view of finite rows."""
    matrix = np.ascontiguousarray(vectors, dtype=np.float32).view()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InvalidVectorsError(f"{what}: expected shape (n, dim), got {matrix.shape}")
    check_finite(matrix, what)
    matrix.setflags(write=False)
    return matrix
