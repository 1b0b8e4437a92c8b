"""Test that external embeddings become float32 rows or raise an error that names them."""

import numpy as np
import pytest

from query_adapters.arrays import as_matrix, check_finite
from query_adapters.errors import InvalidVectorsError


def test_lists_become_rows_of_float32() -> None:
    matrix = as_matrix([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], 3)
    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert as_matrix([], 0).shape == (0, 0)


@pytest.mark.parametrize(
    ("embeddings", "lengths"),
    [([[1.0, 2.0], [1.0]], r"got 2 of lengths \[1, 2\]"), ([[], []], r"got 2 of lengths \[0\]"),
     ([[1.0]], r"got 1 of lengths \[1\]"), ([], r"got 0 of lengths \[\]")],
)  # fmt: skip
def test_another_number_or_length_is_refused(embeddings: list[list[float]], lengths: str) -> None:
    with pytest.raises(InvalidVectorsError, match=f"expected 2 vectors of one length, {lengths}"):
        as_matrix(embeddings, 2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_the_first_row_that_is_not_finite_is_named(bad: float) -> None:
    with pytest.raises(InvalidVectorsError, match=r"embedding model: .*infinity in row 1"):
        as_matrix([[1.0, 2.0], [1.0, bad], [bad, 1.0]], 3)
    check_finite(np.ones((2, 2), dtype=np.float32), "rows")
