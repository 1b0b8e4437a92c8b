"""Test that questions are generated about every row, each once, and that a run resumes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from query_adapters.errors import GenerationError, InvalidDatasetError
from query_adapters.pipelines import map_parquet
from query_adapters.pipelines.generate import GenerateQuestions
from tests.logged_model import LoggedChat
from tests.query_adapters.pipelines.files import content, write, write_texts


def questions_about(text: str) -> list[str]:
    return [f"What is in {text}?", f"Where is {text} used?"]


@pytest.fixture
def chat(tmp_path: Path) -> LoggedChat:
    return LoggedChat(tmp_path)


def test_every_row_gets_its_questions_and_no_text_is_asked_about_twice(
    tmp_path: Path, chat: LoggedChat
) -> None:
    texts = write_texts(tmp_path / "texts", [5, 4])
    for _ in range(2):  # the second run finds all blocks finished
        map_parquet(GenerateQuestions(chat), texts, tmp_path / "questions", block_rows=4)
    rows = content(tmp_path / "questions")
    assert [row["questions"] for row in rows] == [questions_about(row["text"]) for row in rows]
    assert sorted(chat.asked()) == [f"text {n}" for n in range(9)]


def test_rows_without_a_question_get_an_empty_list(tmp_path: Path) -> None:
    chat = LoggedChat(tmp_path, silent_at="text 1")
    batch = pa.table({"text": ["text 0", " ", "text 1", "text 0"]})
    found = GenerateQuestions(chat)(batch).column("questions").to_pylist()
    assert found == [questions_about("text 0"), [], [], questions_about("text 0")]
    assert chat.asked().count("text 0") == 1


def test_batches_of_blank_texts_cost_nothing(chat: LoggedChat) -> None:
    found = GenerateQuestions(chat)({"text": np.array(["", "  "])})
    assert [list(row) for row in found["questions"]] == [[], []]
    assert chat.asked() == []


def test_a_block_in_which_the_model_fails_everywhere_stops_the_run_and_the_others_are_kept(
    tmp_path: Path,
) -> None:
    texts = write_texts(tmp_path / "texts", [3])
    output, silent = tmp_path / "questions", LoggedChat(tmp_path, silent_at="text 2")
    with pytest.raises(GenerationError, match="none of 1 chunks has a question"):
        map_parquet(GenerateQuestions(silent), texts, output, block_rows=2)
    answering = LoggedChat(tmp_path)
    map_parquet(GenerateQuestions(answering), texts, output, block_rows=2)
    assert [row["questions"] for row in content(output)] == [
        questions_about(f"text {n}") for n in range(3)
    ]
    assert answering.asked().count("text 0") == 1


def test_another_prompt_is_another_run(tmp_path: Path, chat: LoggedChat) -> None:
    texts = write_texts(tmp_path / "texts", [2])
    map_parquet(GenerateQuestions(chat), texts, tmp_path / "questions")
    other = GenerateQuestions(chat, prompt="Ask about {context_str}")
    with pytest.raises(InvalidDatasetError, match="prompt"):
        map_parquet(other, texts, tmp_path / "questions")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_questions": 0}, "n_questions"),
        ({"concurrency": 0}, "concurrency"),
        ({"styles": ["rhyme"]}, "styles"),
        ({"prompt": "no place for a text"}, "context_str"),
    ],
)
def test_settings_are_checked_before_any_work(
    chat: LoggedChat, options: dict[str, object], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        GenerateQuestions(chat, **options)  # type: ignore[arg-type]


def test_rows_that_hold_no_text_are_named(tmp_path: Path, chat: LoggedChat) -> None:
    numbers = write(tmp_path / "n.parquet", {"text": [1, 2]})
    with pytest.raises(InvalidDatasetError, match="expected a text"):
        map_parquet(GenerateQuestions(chat), numbers, tmp_path / "out")
    assert chat.asked() == []
