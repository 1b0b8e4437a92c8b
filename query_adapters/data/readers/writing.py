"""Write rows in the formats of other tools."""

import csv
import json
import warnings
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from query_adapters._extras import require_extra
from query_adapters.data.answers import text_id
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.readers.format import RowFormat, Rows
from query_adapters.data.readers.labelled_rag import LABELLED_RAG
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from query_adapters.files.atomic import naming, replace_file, replacing


def _writer_of(known: RowFormat, path: Path) -> Callable[[RetrievalDataset], Rows]:
    if known.write is None:
        raise InvalidDatasetError(
            f"{path}: datasets are not written as {known.name}; choose another format"
        )
    if path.suffix.lower() not in known.suffixes:
        raise InvalidDatasetError(
            f"{path}: expected a file of kind {' or '.join(known.suffixes)} for {known.name}"
        )
    return known.write


def write_rows(dataset: RetrievalDataset, path: Path, known: RowFormat) -> None:
    """Write the dataset as a file of the format; a warning names what the format does not hold.

    Raises:
        InvalidDatasetError: If the format cannot be written, or not as such a file.
    """
    rows = _writer_of(known, path)(dataset)
    missing = LOSSES.keys() - known.keeps
    lost = [what for what, is_lost in LOSSES.items() if what in missing and is_lost(dataset)]
    if lost:
        warnings.warn(
            f"{path}: the format {known.name} does not hold {', '.join(lost)}; write a BEIR folder "
            "to keep them",
            DatasetWarning,
            stacklevel=3,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[path.suffix.lower()]({"examples": rows} if known is LABELLED_RAG else rows, path)


def _has_grades(dataset: RetrievalDataset) -> bool:
    return any(grade != 1 for grades in dataset.qrels.values() for grade in grades.values())


def _has_unjudged(dataset: RetrievalDataset) -> bool:
    return len(dataset.labelled_documents) < len(dataset.corpus)


def _has_own_ids(texts: Mapping[str, str]) -> bool:
    return any(key != text_id(text) for key, text in texts.items())


LOSSES: Mapping[str, Callable[[RetrievalDataset], bool]] = {
    "grades": _has_grades,
    "documents that answer no question": _has_unjudged,
    "weights of questions": lambda dataset: bool(dataset.weights),
    "ids of questions": lambda dataset: _has_own_ids(dataset.queries),
    "ids of documents": lambda dataset: _has_own_ids(dataset.corpus),
}


def _write_json(content: Any, path: Path) -> None:
    replace_file(path, [json.dumps(content, indent=4, ensure_ascii=False).encode()])


def _write_jsonl(rows: Rows, path: Path) -> None:
    replace_file(path, ((json.dumps(row, ensure_ascii=False) + "\n").encode() for row in rows))


def _write_csv(rows: Rows, path: Path) -> None:
    text = StringIO(newline="")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    replace_file(path, [text.getvalue().encode()])


def _write_parquet(rows: Rows, path: Path) -> None:
    require_extra("parquet")
    import pyarrow
    from pyarrow import parquet

    with naming(path), replacing(path) as file:
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)


WRITERS: Mapping[str, Callable[[Any, Path], None]] = {
    ".json": _write_json,
    ".jsonl": _write_jsonl,
    ".csv": _write_csv,
    ".tsv": _write_csv,
    ".parquet": _write_parquet,
}
