"""Rows that a contract suite stores, and what a reader must return of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from query_adapters.stores.source import RawBlock

DIM = 8


class Row(NamedTuple):
    """What a suite stores.

    Attributes:
        key: The id.
        vector: The vector, not of length 1; None where a suite tests vectors that are missing.
        text: The text.
    """

    key: str
    vector: Sequence[float] | None
    text: str


def row_of(key: str, number: int, *, dim: int = DIM) -> Row:
    """Return a row with random numbers that float32 holds exactly."""
    numbers = np.random.default_rng(number).normal(size=dim) * (1 + number % 3)
    return Row(key, np.asarray(numbers, dtype=np.float32).tolist(), f"text of {key}")


def unit_row(row: Row) -> Row:
    """Return the row with its vector at length 1."""
    return row._replace(vector=(np.array(row.vector) / np.linalg.norm(row.vector or 1)).tolist())


def check_blocks(
    blocks: Sequence[RawBlock], expected: Sequence[Row], *, most: int, tolerance: float
) -> None:
    """Check that the blocks hold these rows once each, and at most `most` in one block."""
    found: dict[str, Sequence[float]] = {}
    for ids, vectors in blocks:
        assert len(ids) <= most, f"expected at most {most} rows in a block, got {len(ids)}"
        block = np.asarray(vectors, dtype=np.float32)
        assert block.shape[:1] == (len(ids),), f"{len(ids)} ids with vectors {block.shape}"
        assert not found.keys() & set(ids), "a row was read twice"
        found.update(zip(ids, block.tolist(), strict=True))
    assert sorted(found) == sorted(row.key for row in expected)
    for key, vector, _ in expected:
        assert vector is not None
        np.testing.assert_allclose(
            found[key], vector, rtol=tolerance, atol=tolerance, err_msg=f"the vector of {key!r}"
        )
