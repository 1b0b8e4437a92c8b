"""Parquet files as rows that are read block by block; their footers are read at once."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from query_adapters.errors import DimensionMismatchError, InvalidDatasetError, InvalidVectorsError
from query_adapters.files.foreign import refusing
from query_adapters.pipelines.footers import READ_AHEAD, Source, files_of, footer_of


@dataclass(frozen=True)
class Block:
    """Some consecutive rows of one file: what is read, written and resumed at once.

    Attributes:
        number: Its number in the whole input, from 0.
        file: Number of its file.
        start: Its first row in the file.
        n_rows: Number of rows, at least 1.
    """

    number: int
    file: int
    start: int
    n_rows: int


class ParquetRows:
    """The rows of Parquet files, in the order of the files' names.

    Args:
        source: The files. Of a folder, those at any depth that end in `.parquet`, without names
            that begin with "_" or ".". Files without rows are left out.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        InvalidDatasetError: If there is no Parquet file or no row, or a file is damaged.
    """

    def __init__(self, source: Source) -> None:
        self.root, paths = files_of(source)
        footers = (footer_of(path) for path in paths)
        self.footers = [footer for footer in footers if footer.n_rows]
        if not self.footers:
            raise InvalidDatasetError(
                f"{self.root}: expected Parquet files with rows, got {len(paths)} without any; "
                "check the path"
            )

    @property
    def n_rows(self) -> int:
        """Number of rows in all files."""
        return sum(footer.n_rows for footer in self.footers)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the first file with rows."""
        return list(self.footers[0].types)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that identify the files by their names and footers."""
        names = [footer.path.relative_to(self.root).as_posix() for footer in self.footers]
        digests = [footer.digest for footer in self.footers]
        return hashlib.sha256("\0".join([*names, *digests]).encode()).hexdigest()[:16]

    def blocks(self, n_rows: int) -> list[Block]:
        """Return blocks of at most `n_rows` rows, each of one file, that cover all rows."""
        places = [
            (number, start)
            for number, footer in enumerate(self.footers)
            for start in range(0, footer.n_rows, n_rows)
        ]
        return [
            Block(number, file, start, min(n_rows, self.footers[file].n_rows - start))
            for number, (file, start) in enumerate(places)
        ]

    def read(self, block: Block, columns: Sequence[str], *, batch_rows: int) -> Iterator[Any]:
        """Yield the rows of a block as Arrow tables of about `batch_rows` rows."""
        import pyarrow as pa
        from pyarrow import parquet

        footer = self.footers[block.file]
        groups, before = _overlapping(footer.group_rows, block)
        with (
            refusing(str(footer.path), "the Parquet file that it was", error=InvalidDatasetError),
            # by default, memory would hold all row groups at once
            parquet.ParquetFile(footer.path, buffer_size=READ_AHEAD, pre_buffer=False) as file,
        ):
            parts = file.iter_batches(batch_rows, row_groups=groups, columns=list(columns))
            held: list[Any] = []
            for part in _within(parts, before, block.n_rows):
                held.append(part)
                if sum(map(len, held)) >= batch_rows:
                    yield pa.Table.from_batches(held)
                    held = []
            if held:
                yield pa.Table.from_batches(held)

    def check_columns(self, names: Sequence[str]) -> None:
        """Check that every file has the columns, of one type; lists may be of any kind.

        Raises:
            InvalidDatasetError: If not.
        """
        for footer in self.footers:
            for name in names:
                if name not in footer.types:
                    raise InvalidDatasetError(
                        f"{footer.path}: expected a column {name!r}, got "
                        f"{', '.join(map(repr, footer.types))}; name the right one"
                    )
        self.check_same_types(
            [name for name in names if "list<" not in self.footers[0].types[name]]
        )

    def check_same_types(self, names: Sequence[str]) -> None:
        """Check that the columns have one type in all files.

        Raises:
            InvalidDatasetError: If not.
        """
        first = self.footers[0]
        for footer in self.footers:
            for name in names:
                if footer.types[name] != first.types[name]:
                    raise InvalidDatasetError(
                        f"{footer.path}: expected column {name!r} of type {first.types[name]}, as "
                        f"in {first.path.name}, got {footer.types[name]}; write both files again "
                        "with one type, such as vectors of one model"
                    )

    def dim(self, name: str) -> int:
        """Return the length of the vectors of a column, from the footers of all files.

        Raises:
            DimensionMismatchError: If row groups differ in it.
            InvalidDatasetError: If the column is missing.
            InvalidVectorsError: If the column holds no vectors, or rows of several lengths.
        """
        self.check_columns([name])
        found: tuple[int, str] | None = None
        for place, n_rows, n_values, kind in self._groups(name):
            if ("list<" not in kind and "tensor" not in kind) or n_values % n_rows:
                raise InvalidVectorsError(
                    f"{place}: expected vectors of one length in column {name!r}, got {n_values} "
                    f"values of type {kind} in {n_rows} rows; embed all rows with one model"
                )
            dim = n_values // n_rows
            if found is not None and dim != found[0]:
                raise DimensionMismatchError(
                    f"{place}, column {name!r}",
                    expected=found[0],
                    actual=dim,
                    remedy=f"embed all rows with one model; {found[1]} has other vectors",
                )
            found = found or (dim, place)
        return 0 if found is None else found[0]

    def _groups(self, name: str) -> Iterator[tuple[str, int, int, str]]:
        """Yield place, rows, values of the column and its type of each row group with rows."""
        for footer in self.footers:
            values = footer.n_values[name]
            for group, (n_rows, n_values) in enumerate(zip(footer.group_rows, values, strict=True)):
                if n_rows:
                    place = f"{footer.path.name}, row group {group}"
                    yield place, n_rows, n_values, footer.types[name]


def _overlapping(group_rows: Sequence[int], block: Block) -> tuple[list[int], int]:
    """Return the row groups that a block lies in, and how many of their rows are before it."""
    ends = pairwise(accumulate(group_rows, initial=0))
    stop = block.start + block.n_rows
    groups = [
        (n, start) for n, (start, end) in enumerate(ends) if start < stop and end > block.start
    ]
    return [number for number, _ in groups], block.start - groups[0][1]


def _within(parts: Iterator[Any], before: int, n_rows: int) -> Iterator[Any]:
    """Yield the record batches without the rows before and after the wanted ones."""
    for part in parts:
        wanted = part.slice(before, n_rows)
        before, n_rows = max(0, before - len(part)), n_rows - len(wanted)
        if len(wanted):
            yield wanted
        if not n_rows:
            return
