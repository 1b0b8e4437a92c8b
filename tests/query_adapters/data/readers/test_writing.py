"""Tests that datasets come back from the formats that they are written in."""

import csv
import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.data import RetrievalDataset, load_dataset, write_dataset
from query_adapters.data.answers import text_id
from query_adapters.data.rows import to_rows
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from tests.query_adapters.data.drawn import TEXTS, datasets

GRADED = RetrievalDataset(
    {"q": "how far?"}, {"d": "Four miles.", "e": "By boat."}, {"q": {"d": 2.0}}
)


def judged(dataset: RetrievalDataset) -> RetrievalDataset:
    """Return the dataset without documents that answer no question."""
    corpus = {key: dataset.corpus[key] for key in dataset.labelled_documents}
    return RetrievalDataset(dataset.queries, corpus, dataset.qrels)


@st.composite
def passages(draw: st.DrawFn) -> RetrievalDataset:
    """Draw datasets that test sets can hold: ungraded, with ids that are hashes of the texts."""
    texts = draw(st.lists(TEXTS, min_size=1, max_size=5, unique=True))
    questions = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    subsets = st.lists(st.sampled_from(texts), min_size=1, max_size=3, unique=True)
    answers = {question: draw(subsets) for question in questions}
    used = [text for text in texts if any(text in found for found in answers.values())]
    return RetrievalDataset(
        {text_id(question): question for question in questions},
        {text_id(text): text for text in used},
        {text_id(q): {text_id(text): 1.0 for text in found} for q, found in answers.items()},
    )


def read_again(dataset: RetrievalDataset, path: Path, format: str | None) -> RetrievalDataset:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DatasetWarning)
        write_dataset(dataset, path, format=format)
    return load_dataset(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
@given(dataset=datasets())
@settings(deadline=None, max_examples=50)
def test_any_dataset_comes_back_from_a_table(
    suffix: str, dataset: RetrievalDataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("table") / f"t.{suffix}"
    assert read_again(dataset, path, None) == judged(dataset)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format", "suffix"),
    [
        ("ragas", "jsonl"),
        ("ragas", "csv"),
        ("deepeval", "json"),
        ("labelled-rag", "json"),
        ("pairs", "jsonl"),
        ("pairs", "csv"),
        ("pairs", "parquet"),
    ],
)
@given(dataset=passages())
@settings(deadline=None, max_examples=50)
def test_any_test_set_comes_back_from_the_formats_of_other_tools(
    format: str,
    suffix: str,
    dataset: RetrievalDataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp(format) / f"t.{suffix}"
    assert read_again(dataset, path, format) == dataset


@pytest.mark.slow
@given(dataset=datasets())
@settings(deadline=None)
def test_any_dataset_comes_back_from_rows_but_for_documents_without_a_question(
    dataset: RetrievalDataset,
) -> None:
    assert load_dataset(to_rows(dataset)) == judged(dataset)


@pytest.mark.parametrize(
    ("name", "format", "lost"),
    [
        ("t.csv", None, "does not hold documents that answer no question;"),
        ("t.jsonl", "ragas", "grades, documents that answer no question, ids of questions;"),
        ("t.json", "deepeval", "grades, documents .*, ids of questions, ids of documents;"),
    ],
)
def test_what_a_format_loses_is_said(
    name: str, format: str | None, lost: str, tmp_path: Path
) -> None:
    with pytest.warns(DatasetWarning, match=lost):
        write_dataset(GRADED, tmp_path / name, format=format)


def test_nothing_is_said_if_nothing_is_lost(tmp_path: Path) -> None:
    dataset = load_dataset([{"query": "?", "document": "!"}])
    for name in ("ragas", "deepeval", "labelled-rag", "pairs"):
        suffix = "jsonl" if name in ("ragas", "pairs") else "json"
        write_dataset(dataset, tmp_path / name / f"t.{suffix}", format=name)


@pytest.mark.parametrize(
    ("name", "format", "told"),
    [
        ("t.csv", "deepeval", "expected a file of kind .json for deepeval"),
        ("t.xlsx", None, "expected a file of kind .jsonl or .csv or .tsv or .parquet for table"),
        ("t.json", "argilla", "are not written as argilla"),
        ("t.json", "parquet", "are not written as 'parquet'"),
    ],
)
def test_what_cannot_be_written_is_refused(
    name: str, format: str | None, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidDatasetError, match=told):
        write_dataset(GRADED, tmp_path / "new" / name, format=format)
    assert not (tmp_path / "new").exists()


def test_files_have_the_columns_that_the_tools_expect(tmp_path: Path) -> None:
    dataset = load_dataset([{"query": "?", "document": "a"}, {"query": "?", "document": "b"}])
    write_dataset(dataset, tmp_path / "pairs.csv", format="pairs")
    rows = list(csv.reader((tmp_path / "pairs.csv").read_text("utf-8").splitlines()))
    assert rows == [["anchor", "positive"], ["?", "a"], ["?", "b"]]
    write_dataset(dataset, tmp_path / "ragas.csv", format="ragas")
    header, row = csv.reader((tmp_path / "ragas.csv").read_text("utf-8").splitlines())
    assert header == ["user_input", "reference_contexts", "reference_context_ids"]
    assert row[:2] == ["?", "['a', 'b']"]
    write_dataset(dataset, tmp_path / "rag.json", format="labelled-rag")
    (example,) = json.loads((tmp_path / "rag.json").read_text("utf-8"))["examples"]
    assert (example["query"], example["reference_contexts"]) == ("?", ["a", "b"])
    write_dataset(dataset, tmp_path / "goldens.json", format="deepeval")
    (golden,) = json.loads((tmp_path / "goldens.json").read_text("utf-8"))
    assert golden == {"input": "?", "expected_output": None, "context": ["a", "b"]}
