"""Tests of reading and writing datasets by path."""

import json
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.paths import read_dataset, read_questions, read_texts, write_dataset
from query_adapters.errors import InvalidDatasetError

DATASET = RetrievalDataset(
    {"q": "how far?"}, {"d": "Four miles.", "e": "By boat."}, {"q": {"d": 1.0}}
)


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["qa.json", "folder/qa.json", "beir", "folder/beir"])
def test_a_dataset_that_was_written_is_read_again(name: str, tmp_path: Path) -> None:
    write_dataset(DATASET, tmp_path / name)
    assert read_dataset(tmp_path / name) == DATASET


def test_a_file_of_questions_is_read_with_its_corpus(tmp_path: Path) -> None:
    corpus = write_lines(
        tmp_path / "docs.jsonl", {"id": 1, "text": "Four miles."}, {"_id": "e", "text": "By boat."}
    )
    questions = write_lines(
        tmp_path / "questions.jsonl",
        {"question": "how far?", "relevant": [1]},
        {"id": "second", "query": "how?", "relevant": {"e": 2, "1": 1}},
    )
    read = read_dataset(questions, corpus=corpus)
    assert read.corpus == {"1": "Four miles.", "e": "By boat."}
    assert read.queries == {"0": "how far?", "second": "how?"}
    assert read.qrels == {"0": {"1": 1.0}, "second": {"e": 2, "1": 1}}


def test_a_split_of_a_folder_is_read_by_its_name(tmp_path: Path) -> None:
    write_dataset(DATASET, tmp_path / "beir")
    (tmp_path / "beir" / "qrels" / "train.tsv").rename(tmp_path / "beir" / "qrels" / "dev.tsv")
    assert read_dataset(tmp_path / "beir", split="dev") == DATASET
    with pytest.raises(FileNotFoundError, match=r"train\.tsv"):
        read_dataset(tmp_path / "beir")


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("qa.json", {"split": "dev"}, "expected a BEIR folder for split 'dev', got a file"),
        ("qa.json", {"corpus": "docs.jsonl"}, "holds its own documents"),
        ("beir", {"corpus": "docs.jsonl"}, "holds its own documents"),
        ("questions.jsonl", {}, "needs a corpus"),
    ],
)
def test_an_option_that_does_not_go_with_the_file_is_refused(
    name: str, options: dict[str, str], told: str, tmp_path: Path
) -> None:
    if name.endswith("jsonl"):
        write_lines(tmp_path / name, {"question": "how far?", "relevant": ["d"]})
    else:
        write_dataset(DATASET, tmp_path / name)
    with pytest.raises(InvalidDatasetError, match=told):
        read_dataset(tmp_path / name, **options)


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "no id"}],
        [{"id": "d"}],
        [{"id": "d", "text": None}],
        [{"id": "d", "text": "a"}, {"id": "d", "text": "b"}],
        [["d", "a"]],
    ],
    ids=["no id", "no text", "null", "twice", "no object"],
)
def test_a_line_that_holds_no_text_is_named_with_its_place(rows: list[Any], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "docs.jsonl", *rows)
    with pytest.raises(InvalidDatasetError, match=rf"docs\.jsonl:{len(rows)}: "):
        read_texts(path)


@pytest.mark.parametrize(
    "rows",
    [
        [{"relevant": ["d"]}],
        [{"question": "how far?"}],
        [{"question": "how far?", "relevant": "d"}],
        [{"id": 1, "question": "a?", "relevant": ["d"]}, {"id": "1", "query": "b", "relevant": []}],
    ],
    ids=["no question", "no answer", "no list", "twice"],
)
def test_a_line_that_holds_no_question_is_named_with_its_place(
    rows: list[Any], tmp_path: Path
) -> None:
    path = write_lines(tmp_path / "questions.jsonl", *rows)
    with pytest.raises(InvalidDatasetError, match=rf"questions\.jsonl:{len(rows)}: "):
        read_questions(path, {"d": "Four miles."})


def test_a_line_that_is_no_json_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_text('{"id": "d", "text": "a"}\n{"id": \n', encoding="utf-8")
    with pytest.raises(InvalidDatasetError, match=r"docs\.jsonl:2: expected a JSON object"):
        read_texts(path)


def test_a_line_that_is_not_utf_8_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(b'{"id": "d", "text": "a"}\n{"id": "e", "text": "caf\xe9"}\n')
    with pytest.raises(InvalidDatasetError, match=r"docs\.jsonl:2: expected text in UTF-8"):
        read_texts(path)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "docs.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": "d", "text": "a"}\n')
    assert read_texts(path) == {"d": "a"}


def test_questions_without_an_id_are_numbered_around_those_that_have_one(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "questions.jsonl",
        {"_id": 1, "question": "a?", "relevant": ["d"]},
        {"question": "b?", "relevant": ["d"]},
        {"question": "c?", "relevant": ["d"]},
        {"id": None, "question": "e?", "relevant": ["d"]},
        {"id": "0", "question": "d?", "relevant": ["d"]},
    )
    read = read_questions(path, {"d": "Four miles."})
    assert read.queries == {"1": "a?", "2": "b?", "3": "c?", "4": "e?", "0": "d?"}


@pytest.mark.parametrize("grade", ["high", 0, -1, None, float("inf"), float("nan")])
def test_a_grade_that_is_none_is_named_with_its_place(grade: Any, tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "relevant": {"d": g}} for i, g in enumerate([1, grade])]
    path = write_lines(tmp_path / "questions.jsonl", *rows)
    with pytest.raises(InvalidDatasetError, match=r"questions\.jsonl:2: expected grades"):
        read_questions(path, {"d": "Four miles."})


def test_an_answer_that_is_in_no_corpus_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "questions.jsonl", {"question": "how far?", "relevant": ["x"]})
    with pytest.raises(InvalidDatasetError, match="missing from the corpus: 'x'"):
        read_questions(path, {"d": "Four miles."})
