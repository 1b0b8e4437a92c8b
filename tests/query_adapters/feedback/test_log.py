"""Tests of the feedback log: what it holds, what it hides, and what survives."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback import FeedbackLog, read_log
from query_adapters.feedback.questions import LoggedVectors, QuestionPrivacy

ROOT = Path(__file__).resolve().parents[3]
SECRET = b"0123456789abcdef"
WRITE = """
import sys
from query_adapters.feedback import FeedbackLog

log = FeedbackLog(sys.argv[1], max_bytes=20_000)
for number in range(int(sys.argv[3])):
    shown = log.shown(f"question {number}", ["a", "b"], system=sys.argv[2])
    log.clicked(shown, "b")
"""


def filled(path: Path) -> FeedbackLog:
    log = FeedbackLog(path)
    shown = log.shown(
        "How far is it?", ["a", "b"], scores=[0.9, 0.5], session="user 7", system="base"
    )
    log.clicked(shown, "b")
    log.rated(shown, 4.0, "a")
    log.rated(shown.id, 1)
    log.cited(shown, "a")
    return log


def test_a_list_comes_back_with_all_that_happened(tmp_path: Path) -> None:
    (found,) = filled(tmp_path / "new" / "log.jsonl").read().lists
    assert (found.question, found.ids, found.scores) == ("How far is it?", ("a", "b"), (0.9, 0.5))
    assert (found.session, found.system, found.weight) == ("user 7", "base", 1.0)
    events = [(event.kind, event.document, event.grade) for event in found.events]
    assert events == [
        ("clicked", "b", None),
        ("rated", "a", 4.0),
        ("rated", None, 1),
        ("cited", "a", None),
    ]
    assert 0 <= time.time() - found.time < 60


def test_teams_of_an_interleaved_list_come_back_and_others_have_none(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    log.shown("how far?", ["a", "b"], teams={"a": None, "b": "challenger"})
    log.shown("how far?", ["a", "b"])
    interleaved, other = log.read().lists
    assert interleaved.teams == {"a": None, "b": "challenger"}
    assert other.teams == {}


def test_a_log_takes_the_time_from_its_clock(tmp_path: Path) -> None:
    now = [1_000.0]
    log = FeedbackLog(tmp_path / "log", clock=lambda: now[0])
    shown = log.shown("how far?", ["a"])
    now[0] += 60
    log.clicked(shown, "a")
    (found,) = log.read().lists
    assert (found.time, found.events[0].time) == (1_000.0, 1_060.0)
    now[0] += 86_400
    assert log.prune(keep_days=1) == 2


def test_equal_questions_have_one_key_with_and_without_their_texts(tmp_path: Path) -> None:
    for kept in ("text", "hash"):
        log = FeedbackLog(tmp_path / kept, questions=kept, secret=SECRET)
        keys = {log.shown(q, ["a"], vector=[1.0]).key for q in ("How far?", "how far")}
        assert len(keys) == 1
        assert log.shown("how long?", ["a"], vector=[1.0]).key not in keys


@pytest.mark.parametrize("kept", ["hash", "vector"])
def test_without_texts_neither_question_nor_session_is_in_the_file(
    kept: str, tmp_path: Path
) -> None:
    log = FeedbackLog(tmp_path / "log", questions=kept, secret=SECRET)  # type: ignore[arg-type]
    vector = np.array([0.25, -1.5, 1e-30], dtype=np.float32)
    log.shown("my private question", ["a"], session="anna@example.org", vector=vector)
    content = (tmp_path / "log").read_text()
    assert "private" not in content
    assert "anna" not in content
    (found,) = log.read().lists
    assert found.question is None
    assert found.vector is not None
    assert found.vector.tolist() == vector.tolist()


def test_hashes_depend_on_the_secret_and_sessions_are_dropped_without_one() -> None:
    one = QuestionPrivacy(kept="hash", secret=SECRET)
    other = QuestionPrivacy(kept="hash", secret=SECRET[::-1])
    assert one.key("how far?") != other.key("how far?")
    assert QuestionPrivacy(kept="vector").session("anna") is None
    assert QuestionPrivacy(kept="text").session("anna") == "anna"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"questions": "hash"}, "expected a secret"),
        ({"questions": "hash", "secret": b"short"}, "at least 16 bytes"),
        ({"questions": "none"}, "expected one of"),
        ({"max_bytes": 0}, "max_bytes: expected at least 1"),
    ],
)
def test_settings_that_do_not_protect_are_refused(
    options: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        FeedbackLog(tmp_path / "log", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"question": "  "}, "question: expected a text"),
        ({"ids": []}, "at least one, each once"),
        ({"ids": ["a", "a"]}, "at least one, each once"),
        ({"ids": "a"}, "a list of ids"),
        ({"scores": [1.0]}, "one for each of 2 documents"),
        ({"teams": {"a": None, "c": "incumbent"}}, "teams: expected those of shown documents"),
        ({"weight": 0}, "above 0, got 0"),
        ({"weight": -1}, "above 0, got -1"),
        ({"weight": float("nan")}, "above 0, got nan"),
        ({"vector": [float("nan")]}, "vector of the question"),
        ({"vector": [[1.0]]}, r"expected shape \(dim,\)"),
        ({"vector": ["x"]}, "vector: expected numbers, got"),
        ({"scores": ["x", 1]}, "scores: expected numbers, got"),
        ({"scores": [10**400, 1]}, "scores: expected numbers, got"),
        ({"teams": {"a": 1}}, "teams: expected texts, got 1"),
        ({"session": 5}, "expected texts, got 5"),
        ({"system": None}, "expected texts, got None"),
        ({"question": 5}, "question, .*: expected texts, got 5"),
    ],
)
def test_a_wrong_list_is_refused_before_it_is_written(
    options: dict[str, object], message: str, tmp_path: Path
) -> None:
    log = FeedbackLog(tmp_path / "log")
    with pytest.raises(ValueError, match=message):
        log.shown(**{"question": "how far?", "ids": ["a", "b"], **options})  # type: ignore[arg-type]
    assert not (tmp_path / "log").exists()


def test_wrong_feedback_is_refused_before_it_is_written(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log", questions="text")
    shown = log.shown("how far?", ["a", "b"])
    size = (tmp_path / "log").stat().st_size
    with pytest.raises(InvalidDatasetError, match=r"feedback on 'c': expected one of the 2"):
        log.clicked(shown, "c")
    for grade in (float("nan"), float("inf")):
        with pytest.raises(InvalidDatasetError, match="grade of a rating: expected a finite"):
            log.rated(shown, grade, "a")
    with pytest.raises(InvalidDatasetError, match="expected the vector"):
        FeedbackLog(tmp_path / "log", questions="vector").shown("how far?", ["a"])
    assert (tmp_path / "log").stat().st_size == size


@given(cut=st.integers(0, 1_000))
@settings(deadline=None, max_examples=40)
def test_a_file_cut_anywhere_loses_the_cut_line_alone_and_goes_on(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    log = filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    is_torn = whole[:cut][-1:] not in (b"", b"\n") and whole[cut : cut + 1] != b"\n"
    again = log.shown("next?", ["c"])
    log.clicked(again, "c")
    found = log.read()
    assert found.n_damaged == is_torn
    assert found.lists[-1].id == again.id
    assert [event.document for event in found.lists[-1].events] == ["c"]
    assert len(found.lists) + found.n_orphans + found.n_damaged >= 1


@pytest.mark.parametrize(
    "line",
    [b"\xff\xfe\n", b"[]\n", b'{"list": 1}\n', b'{"shown": "x", "event": "eaten", "time": 1}\n',
     b'{"list": "x", "key": "k", "time": 1, "ids": ["a"], "weight": 0}\n',
     b'{"list": "x", "key": "k", "time": 1, "ids": ["a"], "vector": "AAAA"}\n',
     b'{"list": "x", "key": "k", "time": 1, "ids": ["a"], "teams": {"a": 1}}\n',
     b'{"list": "x", "key": "k", "time": NaN, "ids": ["a"]}\n'],
)  # fmt: skip
def test_a_line_of_something_else_is_skipped_and_counted(line: bytes, tmp_path: Path) -> None:
    log = filled(tmp_path / "log")
    with (tmp_path / "log").open("ab") as file:
        file.write(line)
    found = log.read()
    assert (len(found.lists), found.n_events, found.n_damaged) == (1, 4, 1)
    assert str(found).startswith("1 shown lists with 4 events; skipped: 1 damaged lines")


def test_events_without_their_list_are_counted_and_no_log_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such feedback log"):
        read_log(tmp_path / "log")
    log = FeedbackLog(tmp_path / "log")
    log.clicked("unknown", "a")
    assert log.read().n_orphans == 1


def test_a_line_whose_time_is_no_number_does_not_outlive_pruning(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    log.shown("how far?", ["a"])
    line = (tmp_path / "log").read_bytes()
    with (tmp_path / "log").open("ab") as file:
        file.write(re.sub(rb'"time": [\d.]+', b'"time": NaN', line))
    assert log.prune(keep_days=1) == 1
    assert (tmp_path / "log").read_bytes() == line


def test_a_log_is_rotated_by_size_and_read_in_order(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log", max_bytes=500)
    for number in range(20):
        log.shown(f"question {number}", ["a"])
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files[:3] == ["log", "log.000001", "log.000002"]
    assert all(path.stat().st_size <= 500 for path in tmp_path.iterdir())
    questions = [one.question for one in log.read().lists]
    assert questions == [f"question {number}" for number in range(20)]


def test_pruning_deletes_what_is_too_old_with_its_events(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log", max_bytes=600)
    old = [log.shown(f"old {number}", ["a"]) for number in range(5)]
    log.clicked(old[0], "a")
    time.sleep(0.01)
    border = time.time()
    log.clicked(old[1], "a")  # late feedback on a list that is deleted
    young = [log.shown(f"young {number}", ["a"]) for number in range(5)]
    log.clicked(young[0], "a")
    with (tmp_path / "log").open("ab") as file:
        file.write(b'{"list": "cut')
    assert log.prune(keep_days=1, now=border + 86_400) == 8
    found = log.read()
    assert [one.question for one in found.lists] == [f"young {number}" for number in range(5)]
    assert (found.n_events, found.n_orphans, found.n_damaged) == (1, 0, 0)
    log.clicked(young[1], "a")  # the log goes on in the new file
    assert log.read().n_events == 2
    with pytest.raises(ValueError, match="keep_days"):
        log.prune(keep_days=-1)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="expected a file, got a folder"):
        FeedbackLog(tmp_path).shown("how far?", ["a"])


def test_logged_vectors_replace_those_of_the_model() -> None:
    class Model:
        identity, model_name, batch_size = "model/1", "model", 4

        def embed_queries(self, texts: list[str]) -> object:
            return np.zeros((len(texts), 2), np.float32)

        embed_documents = embed_queries

    logged = LoggedVectors(base=Model(), vectors={"k": np.ones(2, np.float32)})  # type: ignore[arg-type]
    assert logged.embed_queries(["k", "text", "k"]).tolist() == [[1, 1], [0, 0], [1, 1]]
    assert (logged.identity, logged.batch_size) == ("model/1", 4)
    odd = LoggedVectors(base=Model(), vectors={"k": np.ones(3, np.float32)})  # type: ignore[arg-type]
    with pytest.raises(InvalidDatasetError, match="expected one length"):
        odd.embed_queries(["k", "text"])


def writer(path: Path, name: str, n: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITE, str(path), name, str(n)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=env)  # noqa: S603


@pytest.mark.slow
def test_processes_that_are_killed_while_they_write_lose_at_most_a_line_each(
    tmp_path: Path,
) -> None:
    path, rng = tmp_path / "log", random.Random(0)  # noqa: S311
    finishing = writer(path, "finishing", 200)
    killed = [writer(path, f"killed {number}", 1_000_000) for number in range(3)]
    while not path.exists():
        time.sleep(0.01)
    assert finishing.wait(60) == 0
    for process in killed:
        time.sleep(rng.random() / 10)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    found = read_log(path)
    whole = [one for one in found.lists if one.system == "finishing"]
    assert [one.question for one in whole] == [f"question {number}" for number in range(200)]
    assert all([event.document for event in one.events] == ["b"] for one in whole)
    assert found.n_damaged <= len(killed)
    assert found.n_orphans == 0
    for system in {one.system for one in found.lists}:
        numbers = [one.question for one in found.lists if one.system == system]
        assert numbers == [f"question {number}" for number in range(len(numbers))]


def test_lines_are_json_that_other_tools_can_read(tmp_path: Path) -> None:
    filled(tmp_path / "log")
    rows = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [("list" in row, row.get("event")) for row in rows] == [
        (True, None),
        (False, "clicked"),
        (False, "rated"),
        (False, "rated"),
        (False, "cited"),
    ]
