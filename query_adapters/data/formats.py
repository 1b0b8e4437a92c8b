"""Read and write dataset files: LlamaIndex QA JSON and BEIR folders."""

import csv
import json
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from query_adapters.data.beir_lines import beir_lines, encoded_lines, texts_of, weights_of
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.lines import read_lines
from query_adapters.data.rows import from_clicks, to_rows
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from query_adapters.files.atomic import replace_file
from query_adapters.files.json_reading import read_json_file
from query_adapters.files.reading import WHOLE_BYTES
from query_adapters.text.shown import quoted
from query_adapters.typing import Texts

__all__ = [
    "CORPUS",
    "QUERIES",
    "from_clicks",
    "read_beir",
    "read_llama_index_json",
    "to_rows",
    "write_beir",
    "write_llama_index_json",
]

CORPUS, QUERIES = "corpus.jsonl", "queries.jsonl"  # files of a BEIR folder


def read_llama_index_json(path: str | Path, *, corpus: Texts | None = None) -> RetrievalDataset:
    """Return the dataset in a LlamaIndex QA file (`queries`, `corpus`, `relevant_docs`).

    Args:
        path: The file.
        corpus: Texts by id that its judgements name, instead of its own corpus.

    Raises:
        InvalidDatasetError: If the file is not such JSON, an id occurs twice, or its mode is not
            "text".
    """
    content = _parse_json(Path(path))
    missing = [key for key in ("queries", "corpus", "relevant_docs") if key not in content]
    if missing:
        raise InvalidDatasetError(
            f"{path}: expected the keys queries, corpus, relevant_docs; missing: {missing}"
        )
    _check_shape(content, path)
    documents = content["corpus"] if corpus is None else corpus
    return RetrievalDataset.from_relevant_docs(
        content["queries"], documents, content["relevant_docs"]
    )


def llama_index_corpus(path: str | Path) -> Texts:
    """Return the texts of a LlamaIndex QA file by id.

    Raises:
        InvalidDatasetError: If the file is not JSON, or an id occurs twice.
    """
    corpus: Texts = _parse_json(Path(path)).get("corpus", {})
    return corpus


def write_llama_index_json(dataset: RetrievalDataset, path: str | Path) -> None:
    """Write the dataset byte for byte as LlamaIndex does; weights, and grades but 1, are lost."""
    grades = {grade for grades in dataset.qrels.values() for grade in grades.values()}
    if dataset.weights or grades != {1}:
        warnings.warn(
            "LlamaIndex QA files hold no grades and no weights: every one is written as 1; write a "
            "BEIR folder to keep them",
            DatasetWarning,
            stacklevel=2,
        )
    content = {
        "queries": dict(dataset.queries),
        "corpus": dict(dataset.corpus),
        "relevant_docs": {query: list(grades) for query, grades in dataset.qrels.items()},
        "mode": "text",
    }
    replace_file(path, [json.dumps(content, indent=4).encode()])


def read_beir(
    folder: str | Path, *, split: str = "train", corpus: Texts | None = None
) -> RetrievalDataset:
    """Return the questions of one split of a BEIR folder, with the whole corpus.

    A question's weight is `question_weight` in its `metadata`, which other readers pass over.

    The folder holds `corpus.jsonl`, `queries.jsonl` and `qrels/<split>.tsv`; a document's
    text is its title and its text. Judgements of grade 0 are left out.

    Args:
        folder: The folder.
        split: Which of the judgements to read.
        corpus: Texts by id that the judgements name, instead of `corpus.jsonl`.

    Raises:
        FileNotFoundError: If one of the three is missing.
        InvalidDatasetError: If a line cannot be read, or an id occurs twice or is unknown.
    """
    folder = Path(folder)
    documents = beir_corpus(folder / CORPUS) if corpus is None else corpus
    lines = dict(_unique(beir_lines(folder / QUERIES), folder / QUERIES))
    queries, weights = texts_of(lines), weights_of(lines)
    qrels: dict[str, dict[str, float]] = {}
    for query, document, grade in _beir_qrels(folder / "qrels" / f"{split}.tsv"):
        if grade > 0:
            qrels.setdefault(query, {})[document] = grade
    return RetrievalDataset(
        {q: queries.get(q, "") for q in qrels},
        documents,
        qrels,
        {q: weight for q, weight in weights.items() if q in qrels},
    )


def beir_corpus(path: Path) -> Texts:
    """Return the texts of a `corpus.jsonl` by id; a document's is its title and its text.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If a line cannot be read, or an id occurs twice.
    """
    return {key: line.text for key, line in _unique(beir_lines(path), path)}


def write_beir(dataset: RetrievalDataset, folder: str | Path, *, split: str = "train") -> None:
    """Write the dataset as one split of a BEIR folder.

    Questions of existing splits are kept; the corpus is overwritten.
    """
    folder = Path(folder)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    queries_file = folder / QUERIES
    lines = dict(beir_lines(queries_file)) if queries_file.exists() else {}
    known = {query: line for query, line in lines.items() if query not in dataset.queries}
    queries, weights = texts_of(lines) | dict(dataset.queries), weights_of(known)
    replace_file(queries_file, encoded_lines(queries, weights | dict(dataset.weights)))
    replace_file(folder / CORPUS, encoded_lines(dataset.corpus, {}))
    judgements = StringIO(newline="")
    writer = csv.writer(judgements, delimiter="\t", lineterminator="\n")
    writer.writerow(["query-id", "corpus-id", "score"])
    for query, grades in dataset.qrels.items():
        writer.writerows([query, document, _plain(grade)] for document, grade in grades.items())
    replace_file(folder / "qrels" / f"{split}.tsv", [judgements.getvalue().encode()])


def _check_shape(content: Mapping[str, Any], path: str | Path) -> None:
    documents, mode = content["relevant_docs"], content.get("mode", "text")
    if mode != "text":
        raise InvalidDatasetError(
            f"{path}: expected mode 'text', got {mode!r}; only texts can be embedded here"
        )
    for key in ("queries", "corpus", "relevant_docs"):
        if not isinstance(content[key], dict):
            raise InvalidDatasetError(
                f"{path}: expected an object under {key}, got {type(content[key]).__name__}"
            )
    wrong = [query for query, listed in documents.items() if not _is_list_of_ids(listed)]
    if wrong:
        raise InvalidDatasetError(
            f"{path}: expected a list of ids for each question under relevant_docs, "
            f"got {quoted(documents[wrong[0]])} for {wrong[0]!r}"
        )


def _is_list_of_ids(listed: Any) -> bool:
    return isinstance(listed, list) and all(isinstance(key, str | int) for key in listed)


def _plain(grade: float) -> float:
    """Return whole grades as integers, as BEIR's own reader requires."""
    return int(grade) if float(grade).is_integer() else grade


def _parse_json(path: Path) -> dict[str, Any]:
    content = read_json_file(path, error=InvalidDatasetError, limit=WHOLE_BYTES, unique=True)
    if not isinstance(content, dict):
        raise InvalidDatasetError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _unique(pairs: Iterable[tuple[str, Any]], path: Path) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key, value in pairs:
        if key in seen:
            raise InvalidDatasetError(
                f"{path}: expected unique ids, got {key!r} twice; rename or drop one"
            )
        seen.add(key)
        yield key, value


def _parsed(rows: Any, path: Path) -> Iterator[list[str]]:
    try:
        yield from rows
    except csv.Error as exc:
        raise InvalidDatasetError(
            f"{path}:{rows.line_num}: expected tab-separated columns, got {exc}; is a quote open?"
        ) from exc


def _beir_qrels(path: Path) -> Iterator[tuple[str, str, float]]:
    rows = csv.reader((line for _, line in read_lines(path)), delimiter="\t")
    for row in _parsed(rows, path):
        if not row or (rows.line_num == 1 and row[-1] == "score"):
            continue
        try:
            query, document, text = row
            grade = float(text)
        except ValueError as exc:
            raise InvalidDatasetError(
                f"{path}:{rows.line_num}: expected query-id, corpus-id, score; got {quoted(row)}"
            ) from exc
        if not math.isfinite(grade):
            raise InvalidDatasetError(
                f"{path}:{rows.line_num}: expected a finite score, got {quoted(row)}; correct or "
                "drop it"
            )
        yield query, document, grade
