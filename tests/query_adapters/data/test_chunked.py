"""Tests of datasets whose labels are on units of their chunks."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.data.chunked import embed_chunked, load_chunked
from query_adapters.data.paths import load_dataset
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import InvalidDatasetError

CHUNKS = {"a1": "Four miles.", "a2": "By boat.", "b1": "An hour."}
UNIT_OF = {"a1": "a", "a2": "a", "b1": "b"}
LABELS = {"q1": "a", "q2": "b"}
QUESTIONS = {"q1": "how far?", "q2": "how long?"}


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def write_beir(folder: Path, labels: Mapping[str, str] = LABELS) -> Path:
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": key, "title": "", "text": text, "metadata": {"doc": UNIT_OF[key]}}
        for key, text in CHUNKS.items()
    ]
    (folder / "corpus.jsonl").write_text(lines(corpus))
    queries = [{"_id": key, "text": text} for key, text in QUESTIONS.items()]
    (folder / "queries.jsonl").write_text(lines(queries))
    rows = "".join(f"{query}\t{unit}\t1\n" for query, unit in labels.items())
    (folder / "qrels" / "train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return folder


def write_qa(folder: Path) -> Path:
    path = folder / "qa.json"
    relevant = {query: [unit] for query, unit in LABELS.items()}
    content = {"queries": QUESTIONS, "corpus": CHUNKS, "relevant_docs": relevant, "mode": "text"}
    path.write_text(json.dumps(content))
    return path


def write_rows(folder: Path) -> Path:
    path = folder / "labels.csv"
    rows = [f"{QUESTIONS[query]},{unit}" for query, unit in LABELS.items()]
    path.write_text("\n".join(["question,document_id", *rows]))
    return path


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    return write_beir(tmp_path / "beir")


def table(folder: Path, suffix: str, unit_of: Mapping[str, str] = UNIT_OF) -> Path:
    """Return a table of chunks and units; its columns have any names."""
    path = folder / f"units{suffix}"
    if suffix == ".jsonl":
        path.write_text(lines([{"node": key, "page": unit} for key, unit in unit_of.items()]))
    else:
        mark = "," if suffix == ".csv" else "\t"
        path.write_text("\n".join(mark.join(row) for row in [("node", "page"), *unit_of.items()]))
    return path


def nodes(folder: Path, style: str) -> Path:
    """Return chunks as BEIR, LlamaIndex or LangChain write them, one a line."""
    made: dict[str, Callable[[str, str], dict[str, Any]]] = {
        "top": lambda key, text: {"id": key, "text": text, "doc": UNIT_OF[key]},
        "llama_index": lambda key, text: {
            "id_": key, "text": text, "metadata": {"doc": UNIT_OF[key]}, "class_name": "TextNode"
        },
        "langchain": lambda key, text: {
            "id": key, "page_content": text, "metadata": {"doc": UNIT_OF[key]}, "type": "Document"
        },
    }  # fmt: skip
    path = folder / f"{style}.jsonl"
    path.write_text(lines([made[style](key, text) for key, text in CHUNKS.items()]))
    return path


def check(dataset: Any) -> None:
    assert dict(dataset.chunks) == CHUNKS
    assert dataset.units.ids == ("a", "b")
    assert dataset.units.unit_of.tolist() == [0, 0, 1]
    assert dataset.questions.corpus == {"a": "Four miles.\nBy boat.", "b": "An hour."}
    labels = {
        dataset.questions.queries[query]: dict(grades)
        for query, grades in dataset.questions.qrels.items()
    }
    assert labels == {QUESTIONS[query]: {unit: 1.0} for query, unit in LABELS.items()}


def test_units_are_a_key_of_the_metadata(beir: Path) -> None:
    dataset = load_chunked(beir, "doc")
    check(dataset)
    assert dataset.units.to_record() == {"rule": "doc", "units": 2, "vectors": 3}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_units_are_a_table(suffix: str, beir: Path, tmp_path: Path) -> None:
    for source in (beir, write_qa(tmp_path)):
        check(load_chunked(source, table(tmp_path, suffix)))


@pytest.mark.parametrize("style", ["top", "llama_index", "langchain"])
def test_chunks_are_a_file_beside_the_labels(style: str, tmp_path: Path) -> None:
    chunks = nodes(tmp_path, style)
    check(load_chunked(write_rows(tmp_path), "doc", corpus=chunks))
    check(load_chunked(write_beir(tmp_path / "beir"), "doc", corpus=chunks))


def test_vectors_are_those_of_questions_and_chunks(
    beir: Path, make_embedder: Callable[..., Any]
) -> None:
    embedder = make_embedder()
    embedded = embed_chunked(load_chunked(beir, "doc"), embedder, cache=EmbeddingCache())
    np.testing.assert_array_equal(embedded.documents, embedder.embed_documents([*CHUNKS.values()]))
    np.testing.assert_array_equal(embedded.queries, embedder.embed_queries([*QUESTIONS.values()]))
    assert embedded.units is not None
    assert embedded.units.tolist() == [0, 0, 1]
    assert [rows.tolist() for rows in embedded.relevant] == [[0], [1]]


def test_bad_units_are_refused(tmp_path: Path, beir: Path) -> None:
    qa, rows = write_qa(tmp_path), write_rows(tmp_path)
    wide = tmp_path / "wide.csv"
    wide.write_text("node,page,text\na1,a,Four\n")
    twice = tmp_path / "twice.csv"
    twice.write_text("node,page\na1,a\na1,b\n")
    partial = table(tmp_path, ".csv", {"a1": "a"})
    on_chunks = write_beir(tmp_path / "on_chunks", {"q1": "a", "q2": "b1"})
    refused: list[tuple[tuple[Path, str | Path], str]] = [
        ((beir, "x" * 300), "got none for 3 of 3"),
        ((beir, "page"), r"units='page', got none for 3 of 3.*'doc'"),
        ((qa, "doc"), "expected a table of chunks and units, got 'doc', which is no file"),
        ((rows, "doc"), "expected chunks by id for units, got a format without"),
        ((beir, wide), r"wide.csv:2: expected two columns.*leave out other columns"),
        ((beir, twice), r"twice.csv:3: expected one unit for each chunk, got 'a' and 'b' for 'a1'"),
        ((beir, partial), r"a unit for each of 3 chunks, got none for 2, such as 'a2'"),
        ((on_chunks, "doc"), r"missing from the corpus: 'b1'.*documents are units such as 'a'"),
    ]
    for arguments, message in refused:
        with pytest.raises(InvalidDatasetError, match=message):
            load_chunked(*arguments)


@pytest.mark.parametrize("odd", [True, 0.5, float("nan"), [], ["a"], {"a": 1}, "", None], ids=repr)
@pytest.mark.parametrize("column", ["node", "page"])
def test_a_table_with_what_is_no_id_is_refused(
    column: str, odd: object, beir: Path, tmp_path: Path
) -> None:
    rows = [{"node": key, "page": unit} for key, unit in UNIT_OF.items()]
    path = tmp_path / "units.jsonl"
    path.write_text(lines([{**rows[0], column: odd}, *rows[1:]]))
    with pytest.raises(InvalidDatasetError, match=r"units\.jsonl:1: expected a text or a whole"):
        load_chunked(beir, path)


@pytest.mark.parametrize("odd", [True, 7, "doc", ["doc"]], ids=repr)
def test_metadata_that_are_no_object_are_refused(odd: object, beir: Path) -> None:
    rows = [{"_id": key, "text": text, "metadata": odd} for key, text in CHUNKS.items()]
    (beir / "corpus.jsonl").write_text(lines(rows))
    with pytest.raises(InvalidDatasetError, match="'a1': expected an object as its metadata"):
        load_chunked(beir, "doc")


def test_without_units_the_same_folder_names_chunks(tmp_path: Path) -> None:
    beir = write_beir(tmp_path / "chunks", {"q1": "a1", "q2": "b1"})
    assert load_dataset(beir).qrels == {"q1": {"a1": 1.0}, "q2": {"b1": 1.0}}
