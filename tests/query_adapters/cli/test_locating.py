"""Test the command that makes labels of answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data.paths import load_dataset
from tests.query_adapters.cli.command_line import CommandLine

CHUNKS: list[dict[str, Any]] = [
    {"id": "a", "text": "The harbour is four miles away, beyond the old lighthouse."},
    {"id": "b", "text": "Only members may fish from the quay."},
]
ANSWERS: list[dict[str, Any]] = [
    {"question": "how far?", "passages": ["harbour is four miles AWAY"], "id": 7},
    {"question": "who?", "passages": "only memebrs may fish from the quay"},
    {"question": "where?", "answer": "Zanzibar"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "answers.jsonl", ANSWERS), write(tmp_path / "chunks.jsonl", CHUNKS)


def test_labels_are_written_and_what_is_missing_is_listed(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    text = CommandLine().text("locate", *files, "-o", tmp_path / "data")
    dataset = load_dataset(tmp_path / "data", split="train")
    assert dataset.qrels == {"7": {"a": 1.0}, "who?": {"b": 1.0}}
    assert len(dataset.corpus) == 2
    assert "2 of 3 questions located in 2 chunks" in text
    assert "'Zanzibar': no chunk shares enough of its words" in text


def test_the_same_as_json(files: tuple[Path, Path], tmp_path: Path) -> None:
    found = CommandLine().json("locate", *files, "-o", tmp_path / "data", "--min-similarity", 1)
    assert (found["questions"], found["located"]) == (3, 1)
    assert [one["passage"] for one in found["not_found"]] == [ANSWERS[1]["passages"], "Zanzibar"]
    assert found["ambiguous"] == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"title": "q"}, "no column of questions among 'title'"),
        ({"question": "q", "passages": [3]}, "answers.jsonl:1: "),
        ({"question": "q", "answer": "Zanzibar"}, "none of 1 questions was located"),
    ],
)
def test_bad_answers_are_refused(
    files: tuple[Path, Path], tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    write(files[0], [row])
    assert message in CommandLine().refusal("locate", *files, "-o", tmp_path / "data")
