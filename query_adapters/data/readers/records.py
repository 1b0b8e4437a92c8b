"""Rows of files, folders and tables in memory, each with its place for messages."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from query_adapters.data.readers import folders, json_files, tabular
from query_adapters.data.readers.table import Row
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted

Located = tuple[str, Row]

READERS = {
    ".jsonl": json_files.read_jsonl,
    ".ndjson": json_files.read_jsonl,
    ".json": json_files.read_json,
    ".yaml": json_files.read_yaml,
    ".yml": json_files.read_yaml,
    ".csv": tabular.read_csv,
    ".tsv": tabular.read_csv,
    ".xlsx": tabular.read_excel,
    ".parquet": tabular.read_parquet,
    ".arrow": tabular.read_arrow,
}


def read_records(source: Any, *, split: str | None = None) -> Iterator[Located]:
    """Yield the rows of a file, a folder, or any table in memory, with their places.

    Raises:
        FileNotFoundError: If a path does not exist.
        InvalidDatasetError: If the source cannot be read, or has no such split.
    """
    if isinstance(source, str | Path):
        return _read_path(Path(source), split)
    if isinstance(source, Mapping):  # splits by name, as of Hugging Face
        return _rows(source[folders.split_of(source, split, "the dataset")])
    if split is not None:
        raise InvalidDatasetError(
            f"expected a set of splits for split {split!r}, got {type(source).__name__}"
        )
    return _rows(source)


def _read_path(path: Path, split: str | None) -> Iterator[Located]:
    if path.is_dir():
        for file in folders.files_of(path, split):
            yield from _read_file(file)
    elif split is not None:
        raise InvalidDatasetError(f"{path}: expected a folder for split {split!r}, got a file")
    else:
        yield from _read_file(path)


def _read_file(path: Path) -> Iterator[Located]:
    if path.suffix.lower() in READERS:
        return READERS[path.suffix.lower()](path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    raise InvalidDatasetError(
        f"{path}: expected a file of kind {', '.join(READERS)}, got {path.suffix or 'none'}"
    )


def _rows(table: Any) -> Iterator[Located]:
    is_pandas = hasattr(table, "iterrows")  # iterating over a pandas table yields column names
    rows: Any = table.to_dict("records") if is_pandas else table
    if not isinstance(rows, Iterable):
        raise InvalidDatasetError(
            "expected a path, rows, a pandas or a Hugging Face table, or a dataset with queries, "
            f"corpus and relevant_docs; got {type(table).__name__}"
        )
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise InvalidDatasetError(
                f"row {number}: expected a mapping by column, got {quoted(row)}"
            )
        yield f"row {number}", {str(name): cell for name, cell in row.items()}
