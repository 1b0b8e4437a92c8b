"""Test the command that makes a dataset of a feedback log."""

import json
from pathlib import Path

from query_adapters.data.paths import load_dataset
from query_adapters.feedback import FeedbackLog
from tests.query_adapters.cli.command_line import CommandLine


def filled(path: Path) -> Path:
    log = FeedbackLog(path)
    for _ in range(4):
        log.clicked(log.shown("how far?", ["a", "b"]), "b")
    return path


def test_a_log_becomes_a_dataset(tmp_path: Path) -> None:
    corpus = tmp_path / "chunks.jsonl"
    rows = [{"id": "a", "text": "Four miles."}, {"id": "b", "text": "An hour."}]
    corpus.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    arguments = ("feedback", filled(tmp_path / "log"), "-o", tmp_path / "data", "--corpus", corpus)
    text = CommandLine().text(*arguments, "--position-bias", 1)
    assert text.startswith("1 of 1 questions have a label (1 labels, from 4 shown lists)")
    dataset = load_dataset(tmp_path / "data", split="train")
    assert list(dataset.queries.values()) == ["how far?"]
    assert [set(grades) for grades in dataset.qrels.values()] == [{"b"}]
    found = CommandLine().json(*arguments, "--position-bias", 0)
    assert (found["questions"], found["shown_lists"], found["clicks"]) == (1, 4, 4)


def test_questions_may_count_by_their_evidence(tmp_path: Path) -> None:
    path = filled(tmp_path / "log")
    log = FeedbackLog(path)
    for _ in range(8):
        log.clicked(log.shown("how old?", ["a", "b"]), "b")
    arguments = ("feedback", path, "-o", tmp_path / "data", "--position-bias", 1)
    text = CommandLine().text(*arguments, "--weigh-questions")
    assert "Questions count by their evidence" in text
    dataset = load_dataset(tmp_path / "data", split="train")
    by_text = {dataset.queries[key]: weight for key, weight in dataset.weights.items()}
    assert by_text["how old?"] == 2 * by_text["how far?"]


def test_feedback_on_what_was_not_shown_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "log")
    log = FeedbackLog(path)
    log.clicked(log.read().lists[0].id, "z")
    arguments = ("feedback", path, "-o", tmp_path / "data", "--position-bias", 1)
    assert "did not show: 'z'" in CommandLine().refusal(*arguments)
    assert "Left out: 1" in CommandLine().text(*arguments, "--skip-strangers")
