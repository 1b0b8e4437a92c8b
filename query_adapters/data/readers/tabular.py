"""Rows of CSV, Excel, Parquet and Arrow files."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZipFile

from query_adapters._extras import require_extra
from query_adapters.data.lines import read_lines
from query_adapters.data.readers.table import Row
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.foreign import refusing
from query_adapters.files.json_reading import MAX_DEPTH, is_deep
from query_adapters.files.reading import STREAM_BYTES, WHOLE_BYTES, check_size, open_file

ROWS_AT_ONCE = 1024  # a few bytes of Parquet may stand for any number of long texts
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
    header = _cells(csv.reader([first], delimiter=delimiter), f"{path}:1") or []
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while (cells := _cells(rows, place := f"{path}:{rows.line_num + 2}")) is not None:
        if cells:
            yield place, _row(header, cells, place)


def _cells(rows: Iterator[list[str]], place: str) -> list[str] | None:
    """Return the next row, None at the end."""
    try:
        return next(rows, None)
    except csv.Error as exc:
        raise InvalidDatasetError(
            f"{place}: expected columns of CSV, got {exc}; is a quote open? Texts longer than "
            f"{csv.field_size_limit():,} characters need a JSONL file"
        ) from exc


def read_excel(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of the first sheet of an Excel workbook with a header (extra: excel).

    Raises:
        MissingExtraError: If openpyxl is not installed.
        InvalidDatasetError: If it is no workbook.
    """
    require_extra("excel")
    import openpyxl

    with (
        refusing(str(path), "an Excel workbook", error=InvalidDatasetError),
        open_file(path, error=InvalidDatasetError, limit=WHOLE_BYTES) as file,
    ):
        _check_unpacked(path, file)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # a sheet may claim a billion cells
        rows = sheet.iter_rows(values_only=True)
        header = [str(name) if name is not None else "" for name in next(rows, ())]
        for number, cells in enumerate(rows, start=2):
            place = f"{path}: row {number}"
            if any(cell is not None for cell in cells):
                yield place, _row(header, cells, place)
        book.close()


def _check_unpacked(path: Path, file: BinaryIO) -> None:
    """Check the size that a packed file states for its content, and reading does not exceed."""
    size = sum(part.file_size for part in ZipFile(file).infolist())
    check_size(f"{path}: its unpacked content", size, error=InvalidDatasetError, limit=WHOLE_BYTES)
    file.seek(0)


def read_parquet(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a Parquet file (extra: parquet).

    Raises:
        MissingExtraError: If pyarrow is not installed.
        InvalidDatasetError: If it is no Parquet file.
    """
    require_extra("parquet")
    from pyarrow import parquet

    with (
        refusing(str(path), "a Parquet file", error=InvalidDatasetError),
        open_file(path, error=InvalidDatasetError, limit=STREAM_BYTES) as file,
        parquet.ParquetFile(file) as content,
    ):
        yield from _numbered(content.iter_batches(batch_size=ROWS_AT_ONCE), path)


def read_arrow(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the rows of an Arrow stream, as Hugging Face's `save_to_disk` writes (extra: parquet).

    Raises:
        MissingExtraError: If pyarrow is not installed.
        InvalidDatasetError: If it is no Arrow stream.
    """
    require_extra("parquet")
    from pyarrow import ipc

    with (
        refusing(str(path), "an Arrow stream", error=InvalidDatasetError),
        open_file(path, error=InvalidDatasetError, limit=STREAM_BYTES) as file,
        ipc.open_stream(file) as batches,
    ):
        yield from _numbered(batches, path)


def _numbered(batches: Any, path: Path) -> Iterator[tuple[str, Row]]:
    number, size = 0, 0
    for batch in batches:
        batch.validate(full=True)  # offsets may point anywhere
        size += batch.nbytes
        what = f"{path}: its unpacked content"
        check_size(what, size, error=InvalidDatasetError, limit=STREAM_BYTES)
        for row in batch.to_pylist():
            number += 1
            place = f"{path}: row {number}"
            if is_deep(row):
                raise InvalidDatasetError(f"{place}: expected at most {MAX_DEPTH} levels, got more")
            yield place, row


def _row(header: Sequence[str], cells: Sequence[Any], place: str) -> Row:
    if any(cell not in (None, "") for cell in cells[len(header) :]):
        raise InvalidDatasetError(
            f"{place}: expected {len(header)} columns as in the header, got {len(cells)}; "
            "quote texts that hold the delimiter"
        )
    return dict(zip(header, cells, strict=False))
