"""Test that columns of Arrow and of numpy batches are read alike, and bad rows are refused."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from query_adapters.errors import DimensionMismatchError, InvalidDatasetError, InvalidVectorsError
from query_adapters.pipelines.batches import lists_of, texts_of, vectors_of, with_columns

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
FIXED = pa.array(ROWS, pa.list_(pa.float32(), 2))
TENSOR = pa.fixed_shape_tensor(pa.float32(), [2])


@pytest.mark.parametrize(
    "batch",
    [
        pa.table({"v": pa.array(ROWS)}),
        pa.table({"v": pa.array(ROWS, pa.large_list(pa.float16()))}),
        pa.table({"v": pa.array([[0.0, 0.0], *ROWS], pa.list_(pa.float32(), 2)).slice(1)}),
        pa.table({"v": pa.chunked_array([FIXED.slice(0, 1), FIXED.slice(1)])}),
        pa.table({"v": pa.array([[1, 2], [3, 4], [5, 6]])}),
        pa.table({"v": pa.ExtensionArray.from_storage(TENSOR, FIXED)}),
        {"v": np.array(ROWS)},
        {"v": np.array([*map(np.array, ROWS), None], dtype=object)[:3]},
    ],
    ids=["lists", "half", "slice", "chunks", "whole", "tensors", "matrix", "objects"],
)  # fmt: skip
def test_vectors_of_every_kind_of_column_are_one_matrix(batch: Any) -> None:
    vectors = vectors_of(batch, "v")
    assert vectors.dtype == np.float32
    assert vectors.tolist() == ROWS


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        ([[1.0], [1.0, 2.0]], DimensionMismatchError, "expected 1 dimensions, got 2"),
        ([[1.0], None], InvalidVectorsError, "got null"),
        ([[1.0], [None]], InvalidVectorsError, "got null in a vector"),
        ([[1.0], [float("nan")]], InvalidVectorsError, "NaN or infinity in row 1"),
        (["a", "b"], InvalidVectorsError, "got string"),
        ([["a"], ["b"]], InvalidVectorsError, "got list<"),
        ([{"a": 1}, {"a": 2}], InvalidVectorsError, "got struct<"),
    ],
)
def test_what_is_no_vector_is_refused(column: list[Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        vectors_of(pa.table({"v": column}), "v")


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([np.zeros(1), np.zeros(2)], DimensionMismatchError),
        ([np.zeros(1), None], DimensionMismatchError),
        (["a", "b"], InvalidVectorsError),
    ],
)
def test_what_is_no_vector_is_refused_in_numpy_too(rows: list[Any], error: type) -> None:
    column = np.empty(len(rows), dtype=object)
    column[:] = rows
    with pytest.raises(error, match="'v'"):
        vectors_of({"v": column}, "v")


@pytest.mark.parametrize("batch", [pa.table({"t": ["a", None]}), {"t": np.array(["a", None])}])
def test_a_row_without_a_text_is_refused(batch: Any) -> None:
    with pytest.raises(InvalidDatasetError, match="got NoneType in row 1"):
        texts_of(batch, "t")


def test_lists_are_their_items_and_lengths() -> None:
    rows = [["a"], [], ["b", "c"]]
    column = np.empty(3, dtype=object)
    column[:] = rows
    for batch in (pa.table({"r": rows}), {"r": column}):
        items, lengths = lists_of(batch, "r")
        assert (items.to_pylist(), lengths.tolist()) == (["a", "b", "c"], [1, 0, 2])


@pytest.mark.parametrize("column", [["a", "b"], [["a"], None], [["a"], [None]]])
def test_what_is_no_list_of_ids_is_refused(column: list[Any]) -> None:
    with pytest.raises(InvalidDatasetError, match="'r': expected"):
        lists_of(pa.table({"r": column}), "r")


def test_columns_are_added_and_replaced() -> None:
    table = with_columns(pa.table({"a": [1, 2], "b": [3, 4]}), {"a": np.eye(2), "c": np.ones(2)})
    assert table.column_names == ["a", "b", "c"]
    assert table.column("a").to_pylist() == [[1.0, 0.0], [0.0, 1.0]]
    arrays = with_columns({"a": np.ones(2)}, {"c": pa.array(["x", "y"])})
    assert arrays["c"].tolist() == ["x", "y"]


def test_a_missing_column_and_another_kind_of_batch_are_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="expected a column 'v', got 'a'"):
        vectors_of(pa.table({"a": [1]}), "v")
    with pytest.raises(TypeError, match="batch_format='pyarrow' or 'numpy'"):
        vectors_of([1], "v")
