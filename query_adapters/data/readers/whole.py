"""Formats that hold queries, corpus and judgements by id: BEIR, LlamaIndex QA, MTEB."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from query_adapters.data.dataset import RetrievalDataset, to_retrieval_dataset
from query_adapters.data.formats import CORPUS, read_beir, read_llama_index_json
from query_adapters.data.readers.folders import DEFAULT
from query_adapters.data.readers.json_files import parse_json
from query_adapters.data.readers.records import read_records
from query_adapters.data.readers.table import Row
from query_adapters.data.readers.values import grade_of, is_missing, titled_text
from query_adapters.errors import InvalidDatasetError

QRELS = ("qrels", "default", "data")  # names of MTEB's judgements
TEXT_ID, QUERY_ID, DOCUMENT_ID = ("_id", "id"), ("query-id", "query_id"), ("corpus-id", "corpus_id")


@dataclass(frozen=True)
class WholeFormat:
    """A format that holds a dataset with its ids.

    Args:
        name: Name of the format.
        fits: Whether a path or an object is of this format.
        read: The dataset, of one split if it has several.
    """

    name: str
    fits: Callable[[Any], bool]
    read: Callable[[Any, str | None], RetrievalDataset]


def _is_beir(source: Any) -> bool:
    return isinstance(source, Path) and (source / CORPUS).exists() and (source / "qrels").is_dir()


def _read_beir(source: Path, split: str | None) -> RetrievalDataset:
    return read_beir(source, split=split or DEFAULT)


def _is_qa_object(source: Any) -> bool:
    return isinstance(source, RetrievalDataset) or hasattr(source, "relevant_docs")


def _read_qa_object(source: Any, split: str | None) -> RetrievalDataset:
    _refuse_split(split, type(source).__name__)
    return to_retrieval_dataset(source)


def _is_qa_file(source: Any) -> bool:
    if not isinstance(source, Path) or source.suffix != ".json" or not source.is_file():
        return False
    try:
        content = parse_json(source)
    except InvalidDatasetError:
        return False
    return isinstance(content, dict) and bool({"corpus", "relevant_docs"} & content.keys())


def _read_qa_file(source: Path, split: str | None) -> RetrievalDataset:
    _refuse_split(split, str(source))
    return read_llama_index_json(source)


def _refuse_split(split: str | None, place: str) -> None:
    if split is not None:
        raise InvalidDatasetError(
            f"{place}: expected a folder for split {split!r}, got one dataset"
        )


def _mteb_parts(source: Any) -> Mapping[str, Any]:
    """Return the tables of a mapping, or the subfolders of a folder, by name."""
    if isinstance(source, Path) and source.is_dir():
        return {path.name: path for path in source.iterdir() if path.is_dir()}
    return source if isinstance(source, Mapping) else {}


def _is_mteb(source: Any) -> bool:
    parts = _mteb_parts(source)
    return {"corpus", "queries"} <= parts.keys() and any(name in parts for name in QRELS)


def _read_mteb(source: Any, split: str | None) -> RetrievalDataset:
    parts = _mteb_parts(source)
    judged = next(parts[name] for name in QRELS if name in parts)
    qrels: dict[str, dict[str, float]] = {}
    for place, row in read_records(judged, split=split):
        grade = grade_of(row.get("score", 1), place)
        if grade > 0:
            query, document = (_first(row, names, place) for names in (QUERY_ID, DOCUMENT_ID))
            qrels.setdefault(query, {})[document] = grade
    queries = _texts(parts["queries"], split)
    return RetrievalDataset(
        {query: queries.get(query, "") for query in qrels}, _texts(parts["corpus"], split), qrels
    )


def _texts(part: Any, split: str | None) -> dict[str, str]:
    texts: dict[str, str] = {}
    for place, row in read_records(part, split=_only(part, split)):
        key, text = _first(row, TEXT_ID, place), row.get("text")
        texts[key] = titled_text(row.get("title"), text, place)
    return texts


def _only(part: Any, split: str | None) -> str | None:
    """Return the split, or None if texts are stored once for all splits."""
    if isinstance(part, Path):
        names: Iterable[str] = {file.stem.partition("-")[0] for file in part.rglob("*.*")}
    else:
        names = part if isinstance(part, Mapping) else ()
    return split if split is not None and split in names else None


def _first(row: Row, names: Iterable[str], place: str) -> str:
    found = next((row[name] for name in names if not is_missing(row.get(name))), None)
    if found is None:
        raise InvalidDatasetError(
            f"{place}: expected a column {' or '.join(names)}, got {dict(row)}"
        )
    return str(found)


DATASET = WholeFormat("dataset", _is_qa_object, _read_qa_object)
BEIR = WholeFormat("beir", _is_beir, _read_beir)
LLAMA_INDEX_QA = WholeFormat("llama-index-qa", _is_qa_file, _read_qa_file)
MTEB = WholeFormat("mteb", _is_mteb, _read_mteb)
