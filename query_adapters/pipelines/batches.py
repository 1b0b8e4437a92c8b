"""Batches of rows: Arrow tables, or numpy arrays by column, which Ray Data gives by default."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_adapters.arrays import check_finite
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError, InvalidVectorsError
from query_adapters.typing import Rows, Vectors

Batch = Any
"""A `pyarrow.Table`, or a mapping from column names to numpy arrays; pyarrow has no types."""


def texts_of(batch: Batch, name: str) -> list[str]:
    """Return the texts of a column.

    Raises:
        InvalidDatasetError: If the column is missing, or a row holds no text.
    """
    texts = list(_column(batch, name).tolist())
    wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
    if wrong is not None:
        raise InvalidDatasetError(
            f"column {name!r}: expected a text in every row, got {type(texts[wrong]).__name__} in "
            f"row {wrong} of a batch; drop that row, or name another column"
        )
    return texts


def vectors_of(batch: Batch, name: str) -> Vectors:
    """Return the vectors of a column, `(n_rows, dim)`.

    Lists of any number type are read, of fixed or variable size, and tensors of one axis.

    Raises:
        DimensionMismatchError: If rows differ in length.
        InvalidDatasetError: If the column is missing.
        InvalidVectorsError: If a row holds no vector, or a number is not finite.
    """
    column = _column(batch, name)
    matrix = _stacked(column, name) if isinstance(column, np.ndarray) else _flattened(column, name)
    check_finite(matrix, f"column {name!r} of a batch")
    return matrix


def lists_of(batch: Batch, name: str) -> tuple[Any, Rows]:
    """Return the items of a column of lists as one Arrow array, and the length of each list.

    Raises:
        InvalidDatasetError: If the column is missing, or a row holds no list.
    """
    import pyarrow as pa

    column = _column(batch, name)
    if isinstance(column, np.ndarray):
        column = pa.array([None if row is None else list(row) for row in column])
    if not hasattr(column, "value_lengths") or column.null_count:
        found = "null" if column.null_count else str(column.type)
        raise InvalidDatasetError(
            f"column {name!r}: expected a list in every row, got {found}; drop that row, or name "
            "another column"
        )
    items = column.flatten()
    if items.null_count:
        raise InvalidDatasetError(f"column {name!r}: expected no null in a list, got one; drop it")
    return items, column.value_lengths().to_numpy(zero_copy_only=False)


def with_columns(batch: Batch, columns: Mapping[str, Any]) -> Batch:
    """Return the batch with columns added or replaced.

    Args:
        batch: The batch.
        columns: Numpy arrays, `(n_rows,)` or `(n_rows, n)`, or Arrow arrays.
    """
    if isinstance(batch, Mapping):
        return {**batch, **{name: _as_numpy(column) for name, column in columns.items()}}
    for name, column in columns.items():
        array, place = _as_arrow(column), batch.schema.get_field_index(name)
        is_new = place < 0
        batch = batch.append_column(name, array) if is_new else batch.set_column(place, name, array)
    return batch


def _column(batch: Batch, name: str) -> Any:
    """Return a column as a numpy array or as one Arrow array, without its extension type."""
    names = list(batch) if isinstance(batch, Mapping) else getattr(batch, "column_names", None)
    if names is None or not (isinstance(batch, Mapping) or hasattr(batch, "schema")):
        raise TypeError(
            f"expected a batch of Arrow or numpy, got {type(batch).__name__}; with Ray Data pass "
            "batch_format='pyarrow' or 'numpy'"
        )
    if name not in names:
        raise InvalidDatasetError(
            f"expected a column {name!r}, got {', '.join(map(repr, names))}; name the right one"
        )
    if isinstance(batch, Mapping):
        return np.asarray(batch[name])
    array = batch.column(name).combine_chunks()
    while hasattr(array, "storage"):  # such as tensors
        array = array.storage
    return array


def _stacked(column: NDArray[Any], name: str) -> Vectors:
    if column.dtype == object and len(column):
        lengths = [np.size(row) if row is not None else 0 for row in column]
        _check_lengths(np.array(lengths), name)
        column = np.stack([np.asarray(row) for row in column])
    if column.ndim != 2 or column.dtype.kind not in "fiu":
        raise _no_vectors(name, f"{column.dtype} of shape {column.shape}")
    return np.ascontiguousarray(column, dtype=np.float32)


def _flattened(column: Any, name: str) -> Vectors:
    """Return the lists of an Arrow array as a matrix."""
    if not hasattr(column, "value_lengths") or column.null_count:
        raise _no_vectors(name, "null" if column.null_count else str(column.type))
    lengths = column.value_lengths().to_numpy(zero_copy_only=False)
    _check_lengths(lengths, name)
    values = column.flatten()
    numbers = values.to_numpy(zero_copy_only=False)
    if values.null_count or numbers.dtype.kind not in "fiu":
        raise _no_vectors(name, str(column.type) if not values.null_count else "null in a vector")
    with np.errstate(over="ignore"):
        return np.asarray(numbers.reshape(len(column), -1), dtype=np.float32)


def _check_lengths(lengths: NDArray[np.integer], name: str) -> None:
    differs = lengths != lengths[0] if len(lengths) else lengths
    if differs.any():
        row = int(np.argmax(differs))
        raise DimensionMismatchError(
            f"column {name!r}, row {row} of a batch",
            expected=int(lengths[0]),
            actual=int(lengths[row]),
            remedy="embed all rows with one model",
        )


def _no_vectors(name: str, found: str) -> InvalidVectorsError:
    return InvalidVectorsError(
        f"column {name!r}: expected a list of numbers in every row, got {found}; embed those "
        "rows, drop them, or name another column"
    )


def _as_arrow(column: Any) -> Any:
    import pyarrow as pa

    if not isinstance(column, np.ndarray) or column.ndim == 1:
        return column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(column.reshape(-1)), column.shape[1])


def _as_numpy(column: Any) -> NDArray[Any]:
    if isinstance(column, np.ndarray):
        return column
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values
