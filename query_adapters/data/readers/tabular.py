"""Rows of CSV, Excel, Parquet and Arrow files."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from query_adapters._extras import require_extra
from query_adapters.data.lines import read_lines
from query_adapters.data.readers.table import Row
from query_adapters.errors import InvalidDatasetError

DELIMITERS = ("\t", ",", ";")  # Excel writes semicolons in many countries


def read_csv(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a CSV or TSV file with a header; the header decides the delimiter.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If it is not UTF-8, or a row is longer than the header.
    """
    lines = (line for _, line in read_lines(path))
    first = next(lines, "")
    delimiter = max(DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        place = f"{path}:{rows.line_num + 2}"
        try:
            cells = next(rows, None)
        except csv.Error as exc:
            raise InvalidDatasetError(
                f"{place}: expected columns of CSV, got {exc}; is a quote open? Texts longer than "
                f"{csv.field_size_limit():,} characters need a JSONL file"
            ) from exc
        if cells is None:
            return
        if cells:
            yield place, _row(header, cells, place)


def read_excel(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of the first sheet of an Excel workbook with a header (extra: excel).

    Raises:
        MissingExtraError: If openpyxl is not installed.
        InvalidDatasetError: If it is no workbook.
    """
    require_extra("excel")
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, InvalidFileException) as exc:
        raise InvalidDatasetError(f"{path}: expected an Excel workbook, got {exc}") from exc
    try:
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = [str(name) if name is not None else "" for name in next(rows, ())]
        for number, cells in enumerate(rows, start=2):
            place = f"{path}: row {number}"
            if any(cell is not None for cell in cells):
                yield place, _row(header, cells, place)
    finally:
        book.close()


def read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a Parquet file (extra: parquet).

    Raises:
        MissingExtraError: If pyarrow is not installed.
        InvalidDatasetError: If it is no Parquet file.
    """
    require_extra("parquet")
    from pyarrow import ArrowInvalid, parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield from _numbered(file.iter_batches(), path)
    except ArrowInvalid as exc:
        raise InvalidDatasetError(f"{path}: expected a Parquet file, got {exc}") from exc


def read_arrow(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of an Arrow stream, as Hugging Face's `save_to_disk` writes (extra: parquet).

    Raises:
        MissingExtraError: If pyarrow is not installed.
        InvalidDatasetError: If it is no Arrow stream.
    """
    require_extra("parquet")
    from pyarrow import ArrowInvalid, ipc

    try:
        with path.open("rb") as file, ipc.open_stream(file) as batches:
            yield from _numbered(batches, path)
    except ArrowInvalid as exc:
        raise InvalidDatasetError(f"{path}: expected an Arrow stream, got {exc}") from exc


def _numbered(batches: Any, path: Path) -> Iterator[tuple[str, Row]]:
    rows = (row for batch in batches for row in batch.to_pylist())
    for number, row in enumerate(rows, start=1):
        yield f"{path}: row {number}", row


def _row(header: Sequence[str], cells: Sequence[Any], place: str) -> Row:
    if any(cell not in (None, "") for cell in cells[len(header) :]):
        raise InvalidDatasetError(
            f"{place}: expected {len(header)} columns as in the header, got {len(cells)}; "
            "quote texts that hold the delimiter"
        )
    return dict(zip(header, cells, strict=False))
