"""Tests of reading and writing datasets by path."""

import json
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data.answers import text_id
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.paths import load_dataset, read_texts, write_dataset
from query_adapters.errors import InvalidDatasetError

DATASET = RetrievalDataset(
    {"q": "how far?"}, {"d": "Four miles.", "e": "By boat."}, {"q": {"d": 1.0}}
)


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    return path


ODD_IDS: tuple[Any, ...] = (["d"], {}, True, 0.5, float("nan"), "")


@pytest.mark.parametrize("name", ["qa.json", "folder/qa.json", "beir", "folder/beir"])
def test_a_dataset_that_was_written_is_read_again(name: str, tmp_path: Path) -> None:
    write_dataset(DATASET, tmp_path / name)
    assert load_dataset(tmp_path / name) == DATASET


def test_a_file_of_questions_is_read_with_its_corpus(tmp_path: Path) -> None:
    corpus = write_lines(
        tmp_path / "docs.jsonl", {"id": 1, "text": "Four miles."}, {"_id": "e", "text": "By boat."}
    )
    questions = write_lines(
        tmp_path / "questions.jsonl",
        {"question": "how far?", "relevant": [1]},
        {"id": "second", "question": "how?", "relevant": {"e": 2, "1": 1}},
    )
    read = load_dataset(questions, corpus=corpus)
    assert read.corpus == {"1": "Four miles.", "e": "By boat."}
    key = text_id("how far?")
    assert read.queries == {key: "how far?", "second": "how?"}
    assert read.qrels == {key: {"1": 1.0}, "second": {"e": 2, "1": 1}}


def test_a_split_of_a_folder_is_read_by_its_name(tmp_path: Path) -> None:
    write_dataset(DATASET, tmp_path / "beir")
    (tmp_path / "beir" / "qrels" / "train.tsv").rename(tmp_path / "beir" / "qrels" / "dev.tsv")
    assert load_dataset(tmp_path / "beir", split="dev") == DATASET
    with pytest.raises(FileNotFoundError, match=r"train\.tsv"):
        load_dataset(tmp_path / "beir")


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("qa.json", {"split": "dev"}, "expected a folder for split 'dev', got one dataset"),
        ("qa.json", {"corpus": "docs.jsonl"}, "holds its own documents by id; corpus is for rows"),
        ("beir", {"corpus": "docs.jsonl"}, "holds its own documents by id; corpus is for rows"),
        ("questions.jsonl", {}, "names document 'd' without its text, it needs a corpus"),
    ],
)
def test_an_option_that_does_not_go_with_the_file_is_refused(
    name: str, options: dict[str, Any], told: str, tmp_path: Path
) -> None:
    if name.endswith("jsonl"):
        write_lines(tmp_path / name, {"question": "how far?", "relevant": ["d"]})
    else:
        write_dataset(DATASET, tmp_path / name)
    with pytest.raises(InvalidDatasetError, match=told):
        load_dataset(tmp_path / name, **options)


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "no id"}],
        [{"id": "d"}],
        [{"id": "d", "text": None}],
        [{"id": "d", "text": "a"}, {"id": "d", "text": "b"}],
        [["d", "a"]],
        *([{"id": odd, "text": "a"}] for odd in ODD_IDS),
    ],
    ids=["no id", "no text", "null", "twice", "no object", *"123456"],
)
def test_a_line_that_holds_no_text_is_named_with_its_place(rows: list[Any], tmp_path: Path) -> None:
    path = write_lines(tmp_path / "docs.jsonl", *rows)
    with pytest.raises(InvalidDatasetError, match=rf"docs\.jsonl:{len(rows)}: "):
        read_texts(path)


@pytest.mark.parametrize("odd", ODD_IDS, ids=repr)
def test_an_id_of_a_beir_document_that_is_none_is_named(odd: Any, tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    write_lines(tmp_path / "corpus.jsonl", {"_id": odd, "text": "a"})
    write_lines(tmp_path / "queries.jsonl", {"_id": "q", "text": "a?"})
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    with pytest.raises(InvalidDatasetError, match=r"corpus\.jsonl:1: expected a text or a whole"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("name", [None, 7, True, 0.5])
def test_columns_without_a_name_are_no_obstacle(name: Any) -> None:
    row = {"question": "a?", "document": "t", name: "x"}
    assert load_dataset([row]).corpus
    assert load_dataset([{name: "a?", "document": "t"}], columns={"question": name}).corpus


@pytest.mark.parametrize("name", [None, 7, [], {}])
def test_a_control_tag_of_label_studio_without_a_name_is_no_obstacle(name: Any) -> None:
    choice = {"from_name": "relevance", "value": {"choices": ["yes"]}}
    results = [choice, {"from_name": name, "value": {"text": ["x"]}}]
    task = {"id": 1, "data": {"question": "a?", "document": "t"}}
    assert load_dataset([{**task, "annotations": [{"result": results}]}]).corpus


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


@pytest.mark.parametrize("grade", ["high", 0, -1, None, float("inf"), float("nan")])
def test_a_grade_that_is_none_is_named_with_its_place(grade: Any, tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "relevant": {"d": g}} for i, g in enumerate([1, grade])]
    path = write_lines(tmp_path / "questions.jsonl", *rows)
    with pytest.raises(InvalidDatasetError, match=r"questions\.jsonl:2: expected grades"):
        load_dataset(path, corpus={"d": "Four miles."})


def test_an_answer_that_is_in_no_corpus_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "questions.jsonl", {"question": "how far?", "relevant": ["x"]})
    with pytest.raises(InvalidDatasetError, match="missing from the corpus: 'x'"):
        load_dataset(path, corpus={"d": "Four miles."})
