"""Tests of file formats: complete reads, output for other tools, and errors for invalid files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.formats import (
    from_clicks,
    read_beir,
    read_llama_index_json,
    write_beir,
    write_llama_index_json,
)
from query_adapters.errors import InvalidDatasetError
from tests.query_adapters.data.drawn import datasets


@pytest.fixture
def dataset() -> RetrievalDataset:
    return RetrievalDataset(
        {"q1": "wie weit, Jürgen?", "q2": "how long?"},
        {"d1": "Four miles.", "d2": "An\nhour — or two.", "d3": "Nothing of the kind."},
        {"q1": {"d1": 1}, "q2": {"d2": 1, "d1": 1}},
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a text to a JSON file and returns the path."""

    def to_file(content: str) -> Path:
        path = tmp_path / "given.json"
        path.write_text(content, encoding="utf-8")
        return path

    return to_file


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Return a BEIR folder like published ones, with titles, grades from 0, and two splits."""
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "Distance", "text": "Four miles.", "metadata": {}}\n'
        '{"_id": "d2", "title": "", "text": "An hour."}\n'
        '{"_id": "d3", "text": "Nothing."}\n'
    )
    (tmp_path / "queries.jsonl").write_text(
        '{"_id": "q1", "text": "how far?"}\n'
        '{"_id": "q2", "text": "how long?"}\n'
        '{"_id": "q3", "text": "how come?"}\n'
    )
    header = "query-id\tcorpus-id\tscore\n"
    (tmp_path / "qrels" / "train.tsv").write_text(header + "q1\td1\t2\nq1\td2\t0\nq2\td2\t1\n")
    (tmp_path / "qrels" / "test.tsv").write_text(header + "q3\td3\t1\n")
    return tmp_path


def test_llama_index_json_is_byte_for_byte_what_llama_index_writes(
    dataset: RetrievalDataset, tmp_path: Path
) -> None:
    write_llama_index_json(dataset, tmp_path / "ours.json")
    expected = {
        "queries": {"q1": "wie weit, Jürgen?", "q2": "how long?"},
        "corpus": {"d1": "Four miles.", "d2": "An\nhour — or two.", "d3": "Nothing of the kind."},
        "relevant_docs": {"q1": ["d1"], "q2": ["d2", "d1"]},
        "mode": "text",
    }
    with (tmp_path / "theirs.json").open("w") as file:
        json.dump(expected, file, indent=4)
    assert (tmp_path / "ours.json").read_bytes() == (tmp_path / "theirs.json").read_bytes()


def test_llama_index_json_comes_back(dataset: RetrievalDataset, tmp_path: Path) -> None:
    write_llama_index_json(dataset, tmp_path / "ours.json")
    assert read_llama_index_json(tmp_path / "ours.json") == dataset


def test_a_file_without_mode_is_read_and_order_is_kept(write: Callable[[str], Path]) -> None:
    path = write(
        '{"corpus": {"b": "B", "a": "A"}, "queries": {"y": "Y", "x": "X"},'
        ' "relevant_docs": {"x": ["a"], "y": ["b", "a"]}}'
    )
    read = read_llama_index_json(path)
    assert (list(read.queries), list(read.corpus)) == (["y", "x"], ["b", "a"])
    assert list(read.qrels["y"]) == ["b", "a"]


@pytest.mark.parametrize("section", ["queries", "corpus", "relevant_docs"])
def test_an_id_that_stands_twice_in_the_json_is_refused(
    section: str, dataset: RetrievalDataset, tmp_path: Path
) -> None:
    path = tmp_path / "twice.json"
    write_llama_index_json(dataset, path)
    content = json.loads(path.read_text())
    key, value = next(iter(content[section].items()))
    twice = json.dumps(content[section])[:-1] + f", {json.dumps(key)}: {json.dumps(value)}}}"
    path.write_text(json.dumps(content | {section: "?"}).replace('"?"', twice))
    with pytest.raises(InvalidDatasetError, match=f"expected unique ids, got '{key}' twice"):
        read_llama_index_json(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON"),
        ('{"queries": {', "expected JSON"),
        ("[1, 2]", "expected a JSON object, got list"),
        ('{"corpus": {}}', r"missing: \['queries', 'relevant_docs'\]"),
        ('{"queries": ["a"], "corpus": {}, "relevant_docs": {}}', "queries"),
        (
            '{"queries": {"q": "?"}, "corpus": {"d": "D"}, "relevant_docs": {"q": 1}}',
            "relevant_docs",
        ),
        (
            '{"queries": {"q": "?"}, "corpus": {"d": "D"}, "relevant_docs": {"q": "d"}}',
            "relevant_docs",
        ),
        ('{"queries": {"q": "?"}, "corpus": {}, "relevant_docs": {"q": ["d"]}}', "'d'"),
        (
            '{"queries": {"q": "?"}, "corpus": {"d": "D"}, "relevant_docs": {"q": ["d"]},'
            ' "mode": "image"}',
            "expected mode 'text', got 'image'",
        ),
    ],
)
def test_what_is_no_llama_index_file_is_refused(
    content: str, message: str, write: Callable[[str], Path]
) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        read_llama_index_json(write(content))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\x93NUMPY\xff")
    with pytest.raises(InvalidDatasetError, match="expected text in UTF-8, got byte 0x93"):
        read_llama_index_json(tmp_path / "binary.json")


def test_losing_grades_in_llama_index_json_is_warned_of(tmp_path: Path) -> None:
    graded = RetrievalDataset({"q": "?"}, {"d": "D"}, {"q": {"d": 2}})
    with pytest.warns(UserWarning, match="hold no grades") as caught:
        write_llama_index_json(graded, tmp_path / "graded.json")
    assert caught[0].filename == __file__
    assert read_llama_index_json(tmp_path / "graded.json").qrels == {"q": {"d": 1}}


def test_a_beir_split_is_its_questions_above_grade_0_over_the_whole_corpus(beir: Path) -> None:
    train, test = read_beir(beir), read_beir(beir, split="test")
    assert train.queries == {"q1": "how far?", "q2": "how long?"}
    assert train.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1}}
    assert test.queries == {"q3": "how come?"}
    assert train.corpus == test.corpus
    assert train.corpus == {"d1": "Distance Four miles.", "d2": "An hour.", "d3": "Nothing."}


def test_a_question_with_grade_0_alone_is_no_question_of_the_split(beir: Path) -> None:
    (beir / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t0\nq2\td2\t1\n")
    assert list(read_beir(beir, split="dev").queries) == ["q2"]


def test_qrels_without_a_header_lose_no_line(beir: Path) -> None:
    (beir / "qrels" / "dev.tsv").write_text("q1\td1\t1\nq2\td2\t1\n")
    assert list(read_beir(beir, split="dev").queries) == ["q1", "q2"]


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("corpus.jsonl", '{"_id": "d4", "text": ', "corpus.jsonl:4: expected a JSON object"),
        ("corpus.jsonl", '{"_id": "d4"}', "corpus.jsonl:4: expected a JSON object"),
        ("corpus.jsonl", '{"text": "no id"}', "corpus.jsonl:4: expected a JSON object"),
        ("corpus.jsonl", '["d4", "text"]', "corpus.jsonl:4: expected a JSON object"),
        (
            "corpus.jsonl",
            '{"_id": "d2", "text": "again"}',
            "corpus.jsonl: expected unique ids, got 'd2'",
        ),
        ("corpus.jsonl", '{"_id": "d4", "text": null}', "1 documents without text: 'd4'"),
        (
            "queries.jsonl",
            '{"_id": "q1", "text": "?"}',
            "queries.jsonl: expected unique ids, got 'q1'",
        ),
        ("queries.jsonl", "q4: ?", "queries.jsonl:4: expected a JSON object"),
        ("qrels/train.tsv", "q1 d1 1", "train.tsv:5: expected query-id, corpus-id, score"),
        ("qrels/train.tsv", "q1\td1\thigh", "train.tsv:5: expected query-id, corpus-id, score"),
        ("qrels/train.tsv", "q1\td1\tnan", "train.tsv:5: expected a finite score"),
        ("qrels/train.tsv", "q1\td1\tinf", "train.tsv:5: expected a finite score"),
        ("qrels/train.tsv", '"q1\td1\t' + 140_000 * "1", "train.tsv:5: expected tab-separated"),
        ("qrels/train.tsv", "q1\t0\td1\t1", "train.tsv:5: expected query-id, corpus-id, score"),
        ("qrels/train.tsv", "q1\td9\t1", "missing from the corpus: 'd9'"),
        ("qrels/train.tsv", "q9\td1\t1", "'q9'"),
    ],
)
def test_a_broken_beir_line_is_refused_by_its_number(
    name: str, line: str, message: str, beir: Path
) -> None:
    with (beir / name).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InvalidDatasetError, match=message):
        read_beir(beir)


BEIR_FILES = pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"])


@BEIR_FILES
def test_byte_order_marks_and_blank_lines_of_editors_are_no_content(name: str, beir: Path) -> None:
    expected = read_beir(beir)
    content = (beir / name).read_bytes()
    (beir / name).write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n") + b"\r\n\n")
    assert read_beir(beir) == expected


@BEIR_FILES
def test_a_beir_line_that_is_not_utf_8_is_refused_by_its_number(name: str, beir: Path) -> None:
    content = (beir / name).read_bytes().splitlines(keepends=True)
    (beir / name).write_bytes(content[0] + b"caf\xe9\n")
    with pytest.raises(InvalidDatasetError, match=f"{name}:2: expected text in UTF-8"):
        read_beir(beir)


def test_a_byte_order_mark_before_llama_index_json_is_no_content(
    dataset: RetrievalDataset, tmp_path: Path
) -> None:
    path = tmp_path / "ours.json"
    write_llama_index_json(dataset, path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_llama_index_json(path) == dataset


@BEIR_FILES
def test_a_missing_beir_file_is_named(name: str, beir: Path) -> None:
    (beir / name).unlink()
    with pytest.raises(FileNotFoundError, match=Path(name).name):
        read_beir(beir)


def test_splits_written_one_after_the_other_are_all_read_back(beir: Path, tmp_path: Path) -> None:
    splits = {name: read_beir(beir, split=name) for name in ("train", "test")}
    for name, split in splits.items():
        write_beir(split, tmp_path / "copy", split=name)
    for name, split in splits.items():
        assert read_beir(tmp_path / "copy", split=name) == split


def test_whole_grades_are_written_without_a_point_as_beir_reads_them(
    beir: Path, tmp_path: Path
) -> None:
    write_beir(read_beir(beir), tmp_path / "copy")
    lines = (tmp_path / "copy" / "qrels" / "train.tsv").read_text().splitlines()
    assert lines == ["query-id\tcorpus-id\tscore", "q1\td1\t2", "q2\td2\t1"]


@pytest.mark.slow
@given(dataset=datasets())
@settings(deadline=None)
def test_any_dataset_comes_back_from_beir(
    dataset: RetrievalDataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("beir")
    write_beir(dataset, folder)
    assert read_beir(folder) == dataset


@pytest.mark.slow
@given(dataset=datasets())
@settings(deadline=None)
def test_any_dataset_comes_back_from_llama_index_json_without_its_grades(
    dataset: RetrievalDataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ungraded = RetrievalDataset.from_relevant_docs(dataset.queries, dataset.corpus, dataset.qrels)
    path = tmp_path_factory.mktemp("json") / "dataset.json"
    write_llama_index_json(ungraded, path)
    assert read_llama_index_json(path) == ungraded


CLICKS = [
    ("How far?", "d1", 2),
    ("how far", "d1", 1),
    ("how  long?", "d2", 1),
    ("How far?", "d2", 5),
]
CLICKED = {"d1": "Four miles.", "d2": "An hour.", "d3": "Unasked."}


def test_clicks_of_one_question_add_up_and_single_ones_can_be_left_out() -> None:
    dataset = from_clicks(CLICKS, CLICKED)
    assert list(dataset.queries.values()) == ["How far?", "how long?"]
    assert [dict(grades) for grades in dataset.qrels.values()] == [{"d1": 3, "d2": 5}, {"d2": 1}]
    assert dict(dataset.corpus) == CLICKED
    assert list(from_clicks(CLICKS, CLICKED, min_weight=2).queries.values()) == ["How far?"]


def test_clicks_come_from_a_csv_file_from_dicts_and_from_pandas(tmp_path: Path) -> None:
    with (tmp_path / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerows(CLICKS)
    with (tmp_path / "log.csv").open(newline="") as file:
        dataset = from_clicks(csv.reader(file), CLICKED)
    columns = ("query", "document_id", "weight")
    records = [dict(zip(columns, click, strict=True)) for click in CLICKS]
    assert dataset == from_clicks(CLICKS, CLICKED) == from_clicks(records, CLICKED)
    pandas = pytest.importorskip("pandas")
    assert from_clicks(pandas.DataFrame(records), CLICKED) == dataset
    unweighted = [{"query": "a", "document_id": "d1"}]
    assert dict(from_clicks(unweighted, CLICKED).qrels["a"]) == {"d1": 1.0}


def test_numbers_as_ids_of_documents_are_found_in_the_corpus() -> None:
    numbered: Any = {1: "Four miles.", 2: "An hour."}
    dataset = from_clicks([("How far?", 1, 2), ("how long?", "2", 1)], numbered)
    assert dataset.corpus == {"1": "Four miles.", "2": "An hour."}
    assert list(dataset.qrels.values()) == [{"1": 2}, {"2": 1}]


@pytest.mark.parametrize(
    "row",
    [("a", "d1"), ("", "d1", 1), ("a", "d1", 0), ("a", "d1", "much"), ("a", "d1", float("nan")),
     {"query": "a"}, (float("nan"), "d1", 1), ("a", "gone", 1)],
)  # fmt: skip
def test_a_click_that_cannot_be_read_is_refused(row: Any) -> None:
    with pytest.raises(
        InvalidDatasetError, match=r"row 2: expected|missing from the corpus: 'gone'"
    ):
        from_clicks([CLICKS[0], row], CLICKED)
