"""Small Parquet files for the tests of pipelines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from query_adapters.typing import Vectors


def write(path: Path, columns: Mapping[str, Any], *, group_rows: int = 1 << 20) -> Path:
    """Write the columns, matrices as lists of fixed size, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: as_lists(column) for name, column in columns.items()}
    parquet.write_table(pa.table(arrays), path, row_group_size=group_rows)
    return path


def as_lists(matrix: Any) -> Any:
    if not isinstance(matrix, np.ndarray) or matrix.ndim != 2:
        return matrix
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def drawn(n: int, dim: int, *, seed: int = 0) -> Vectors:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def write_texts(folder: Path, counts: Sequence[int]) -> Path:
    """Write a file of ids and texts for each count, and return the folder."""
    first = 0
    for number, count in enumerate(counts):
        names = [str(first + row) for row in range(count)]
        texts = {"id": names, "text": [f"text {name}" for name in names]}
        write(folder / f"{number}.parquet", texts, group_rows=3)
        first += count
    return folder


def content(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all files in the order of their names."""
    tables = [parquet.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    rows: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist()
    return rows
