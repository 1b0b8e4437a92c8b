"""Parquet files and their footers, which are read before any work.

A footer states rows, types, sizes and statistics of every column. It tells what a run would refuse
later, and identifies the content.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.foreign import refusing
from query_adapters.files.reading import check_regular

READ_AHEAD = 1 << 20  # bytes of a column that are held, where Parquet would read it as a whole
HIDDEN = ("_", ".")  # how names begin that Arrow and Spark, too, do not take for data

Source = str | Path | Sequence[str | Path]
"""A Parquet file, a folder of them, or several files."""


@dataclass(frozen=True)
class Footer:
    """What the end of a Parquet file says about it.

    Attributes:
        path: The file.
        group_rows: Rows of each row group.
        types: Arrow type of each column, by name, as text.
        n_values: Values of each column in each row group; of a vector one per number.
        digest: SHA-256 of the footer, which holds the places of all columns and their statistics.
    """

    path: Path
    group_rows: tuple[int, ...]
    types: dict[str, str]
    n_values: dict[str, tuple[int, ...]]
    digest: str

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(self.group_rows)


def files_of(source: Source) -> tuple[Path, list[Path]]:
    """Return the folder that the files lie in, and the files.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        InvalidDatasetError: If a folder holds no Parquet file.
    """
    if not isinstance(source, str | Path):
        paths = [Path(path).absolute() for path in source]
        missing = [path for path in paths if not path.is_file()]
        root = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path()
    else:
        root = Path(source).absolute()
        paths = _within_folder(root) if root.is_dir() else [root]
        missing = [] if root.exists() else [root]
        root = root if root.is_dir() else root.parent
    if missing:
        raise FileNotFoundError(f"no Parquet file or folder at {missing[0]}")
    if not paths:
        raise InvalidDatasetError(f"{source}: expected .parquet files, found none; check the path")
    return root, paths


def _within_folder(folder: Path) -> list[Path]:
    found = folder.rglob("*.parquet")
    parts = ((path, path.relative_to(folder).parts) for path in found if path.is_file())
    return sorted(path for path, names in parts if not any(n.startswith(HIDDEN) for n in names))


def footer_of(path: Path) -> Footer:
    """Return the footer of a file.

    Raises:
        InvalidDatasetError: If it is no Parquet file.
    """
    from pyarrow import parquet

    check_regular(path, error=InvalidDatasetError)
    with (
        refusing(str(path), "a Parquet file", error=InvalidDatasetError),
        parquet.ParquetFile(path, buffer_size=READ_AHEAD, pre_buffer=False) as file,
    ):
        metadata, schema = file.metadata, file.schema_arrow
        _check_columns(file)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        leaves = [metadata.schema.column(number).path for number in range(metadata.num_columns)]
        return Footer(
            path,
            tuple(group.num_rows for group in groups),
            {field.name: str(field.type) for field in schema},
            {
                name: tuple(_n_values(group, leaves, name) for group in groups)
                for name in schema.names
            },
            _digest(path),
        )


def _check_columns(file: Any) -> None:
    """Check that the columns' metadata can be read.

    `RowGroupMetaData.column` ends the process where it cannot; reading a row raises an error.
    """
    for number in range(file.metadata.num_row_groups):
        next(file.iter_batches(1, row_groups=[number]), None)


def _n_values(group: Any, leaves: Sequence[str], name: str) -> int:
    inside = [n for n, leaf in enumerate(leaves) if leaf == name or leaf.startswith(f"{name}.")]
    return sum(group.column(number).num_values for number in inside)


def _digest(path: Path) -> str:
    """Return the SHA-256 of a Parquet file's footer, which ends with its length and a mark."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, 2)
        return hashlib.sha256(file.read(length)).hexdigest()
