"""Validate the vectors of any store, block by block."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.stores.source import RawBlock, VectorSource
from query_adapters.typing import Vectors


def read_blocks(
    source: VectorSource,
    *,
    name: str,
    ids: Sequence[str] | None = None,
    batch_size: int = 1_000,
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield checked blocks of (ids, their vectors `(n, dim)`), `n` from 1 to `batch_size`.

    Args:
        source: The store.
        name: Name of the store in messages.
        ids: The rows wanted, in any order; ids that the store lacks are not yielded. None for
            every row.
        batch_size: Rows per block, at least 1; bounds the memory used.

    Raises:
        InvalidVectorsError: If the store is empty, lost rows while it was read, or holds a
            vector that is missing, not flat or not finite.
        DimensionMismatchError: If vectors differ in length.
        ValueError: If `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    wanted = None if ids is None else list(dict.fromkeys(ids))
    announced = source.count() if wanted is None else 0
    n_read = 0
    if announced != 0 or wanted:
        with closing(source.read(wanted, batch_size)) as raw:
            for keys, block in _checked(raw, name):
                n_read += len(block)
                yield keys, block
    if wanted is None and n_read < max(announced or 0, 1):
        raise InvalidVectorsError(_too_few(name, announced or 0, n_read))


def _checked(raw: Iterable[RawBlock], name: str) -> Iterator[tuple[list[str], Vectors]]:
    dim = None
    for keys, rows in raw:
        if len(keys) == 0:
            continue
        block = _block(name, keys, rows)
        dim = dim or block.shape[1]
        if block.shape[1] != dim:
            raise _mixed(name, keys[0], expected=dim, actual=block.shape[1])
        yield list(keys), block


def _too_few(name: str, announced: int, n_read: int) -> str:
    if not announced and not n_read:
        return f"{name}: expected at least one stored vector, got an empty store; add documents"
    return (
        f"{name}: expected the {announced} vectors that it announced, got {n_read}; "
        "rows went while it was read: read it again when nothing writes to it"
    )


def _block(name: str, keys: Sequence[str], rows: Sequence[Any] | ArrayLike) -> Vectors:
    """Return the rows as float32 `(len(keys), dim)`."""
    try:
        with np.errstate(over="ignore"):  # values beyond float32 become infinite and are refused
            block: Vectors = np.ascontiguousarray(rows, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):  # a row is missing or odd, or a number too large
        raise _odd_row(name, keys, rows) from None
    if block.ndim != 2 or block.shape[0] != len(keys) or block.shape[1] == 0:
        raise InvalidVectorsError(
            f"{name}: expected one flat vector an id, got {len(keys)} ids and shape {block.shape}"
        )
    if not np.isfinite(block).all():
        row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise InvalidVectorsError(
            f"{name}: expected finite numbers, got NaN or infinity in the vector of {keys[row]!r}; "
            "embed that document again"
        )
    return block


def _odd_row(name: str, keys: Sequence[str], rows: Any) -> InvalidVectorsError:
    """Return an error that names the first vector whose length differs from the previous one."""
    expected = 0
    for key, row in zip(keys, rows, strict=False):
        if not _is_flat(row):
            return InvalidVectorsError(
                f"{name}: expected a vector for {key!r}, got {type(row).__name__}; embed that "
                "document again, or delete it"
            )
        if expected and len(row) != expected:
            return _mixed(name, key, expected=expected, actual=len(row))
        expected = len(row)
    return InvalidVectorsError(f"{name}: expected rows of numbers, got {type(rows).__name__}")


def _is_flat(row: Any) -> bool:
    try:
        return row is not None and np.ndim(row) == 1
    except ValueError:  # lists of several lengths
        return False


def _mixed(name: str, key: str, *, expected: int, actual: int) -> DimensionMismatchError:
    return DimensionMismatchError(
        f"{name}: stored vector of {key!r}",
        expected=expected,
        actual=actual,
        remedy="keep the vectors of one embedding model in a store",
    )
