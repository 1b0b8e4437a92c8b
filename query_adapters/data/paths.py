"""Read and write datasets by path; the kind of file decides the format."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from query_adapters.data.dataset import RetrievalDataset, is_grade
from query_adapters.data.formats import read_beir, read_llama_index_json, write_beir
from query_adapters.data.formats import write_llama_index_json as write_json
from query_adapters.data.lines import read_rows
from query_adapters.errors import InvalidDatasetError


def read_dataset(
    path: str | Path, *, split: str | None = None, corpus: str | Path | None = None
) -> RetrievalDataset:
    """Return the dataset at the path.

    Args:
        path: A BEIR folder, a file of questions (`.jsonl`, see `read_questions`), or a LlamaIndex
            QA file.
        split: Split of a BEIR folder, "train" by default; other formats have none.
        corpus: File with the documents of a file of questions, see `read_texts`.

    Raises:
        FileNotFoundError: If the path does not exist.
        InvalidDatasetError: If it cannot be read, its parts do not fit together, or `split` or
            `corpus` do not apply to its format.
    """
    path = Path(path)
    questions = path.suffix == ".jsonl"
    if split is not None and not path.is_dir():
        raise InvalidDatasetError(f"{path}: expected a BEIR folder for split {split!r}, got a file")
    if questions != (corpus is not None):
        needs = "needs a corpus" if questions else "holds its own documents, no corpus goes with it"
        raise InvalidDatasetError(f"{path}: {needs}; only a file of questions (.jsonl) takes one")
    if path.is_dir():
        return read_beir(path, split=split or "train")
    if corpus is not None:
        return read_questions(path, read_texts(corpus))
    return read_llama_index_json(path)


def write_dataset(dataset: RetrievalDataset, path: str | Path) -> None:
    """Write the dataset as a LlamaIndex QA file (`.json`), or as split `train` of a BEIR folder.

    Missing folders are created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        write_json(dataset, path)
    else:
        write_beir(dataset, path)


def read_texts(path: str | Path) -> dict[str, str]:
    """Return the texts in a JSONL file, by id: objects with `id` (or `_id`) and `text`.

    Raises:
        InvalidDatasetError: If a line cannot be read, or an id occurs twice.
    """
    texts: dict[str, str] = {}
    for place, row in read_rows(path):
        key, text = _id(row), row.get("text")
        if key is None or not isinstance(text, str):
            raise InvalidDatasetError(f"{place}: expected an object with id and text, got {row}")
        if str(key) in texts:
            raise InvalidDatasetError(
                f"{place}: expected unique ids, got {key!r} twice; rename or drop one"
            )
        texts[str(key)] = text
    return texts


def read_questions(path: str | Path, corpus: Mapping[str, str]) -> RetrievalDataset:
    """Return the questions in a JSONL file, with these documents.

    Each line is an object with `question` (or `query`), `relevant`, and optionally `id` (or `_id`).
    `relevant` lists the ids of the relevant documents, or maps them to grades. The id of a question
    without one is its number, from 0, or the next free number.

    Raises:
        InvalidDatasetError: If a line cannot be read, an id occurs twice, or a document is not in
            the corpus.
    """
    queries: dict[str, str] = {}
    qrels: dict[str, Mapping[str, float]] = {}
    rows = list(read_rows(path))
    taken = {str(key) for _, row in rows if (key := _id(row)) is not None}
    for number, (place, row) in enumerate(rows):
        question, relevant = row.get("question", row.get("query")), row.get("relevant")
        if not isinstance(question, str) or not isinstance(relevant, list | dict):
            raise InvalidDatasetError(
                f"{place}: expected an object with question and relevant (ids, or ids with "
                f"grades), got {row}"
            )
        key = _free(taken, number) if _id(row) is None else str(_id(row))
        if key in queries:
            raise InvalidDatasetError(
                f"{place}: expected unique ids, got {key!r} twice; rename or drop one"
            )
        grades = relevant if isinstance(relevant, dict) else dict.fromkeys(map(str, relevant), 1.0)
        if wrong := [grade for grade in grades.values() if not is_grade(grade)]:
            raise InvalidDatasetError(
                f"{place}: expected grades that are numbers above 0, got {wrong[0]!r}; "
                "correct it or leave the document out"
            )
        queries[key], qrels[key] = question, grades
    return RetrievalDataset(queries, corpus, qrels)


def _free(taken: set[str], number: int) -> str:
    """Return and reserve the number, or the next free one."""
    key = next(key for key in map(str, count(number)) if key not in taken)
    taken.add(key)
    return key


def _id(row: Mapping[str, Any]) -> Any:
    return row.get("id", row.get("_id"))
