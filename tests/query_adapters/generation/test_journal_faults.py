"""Test that an answer is appended to the journal whole or not at all."""

import errno
import json
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import InvalidDatasetError
from query_adapters.generation.journal import HEADER, Journal, Key
from tests.faults import failing, largest_file

KEYS = [Key(f"chunk {number}", "content", "settings") for number in range(6)]
ANSWER = "an answer of some length"


@given(room=st.lists(st.integers(0, 200), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_disk_that_is_full_for_a_while_leaves_every_line_readable(
    room: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    written = []
    with Journal(path).open() as journal:
        for key, more in zip(KEYS, room, strict=False):
            with largest_file(path.stat().st_size + more), suppress(OSError):
                journal.append(key, ANSWER)
                written.append(key)
        journal.append(KEYS[5], ANSWER)
    again = Journal(path).read()
    assert [key for key in KEYS[:5] if again.answers(key)] == [k for k in written if k != KEYS[5]]
    assert again.answers(KEYS[5])[0] == ANSWER
    assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == len(written) + 2


@pytest.mark.parametrize("function", ["write", "fsync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("is_stuck", [False, True], ids=["", "and cannot be shortened"])
def test_a_broken_disk_is_named_and_costs_one_answer(
    function: str, code: int, is_stuck: bool, tmp_path: Path
) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path).open() as journal:
        journal.append(KEYS[0], ANSWER)
        with (
            failing("ftruncate", after=0 if is_stuck else 99),
            failing(function, code),
            pytest.raises(OSError, match=r"journal\.jsonl") as caught,
        ):
            journal.append(KEYS[1], ANSWER)
        assert caught.value.errno == code
        assert journal.answers(KEYS[1]) == ()
        journal.append(KEYS[2], ANSWER)
    answers = Journal(path).read()
    assert [bool(answers.answers(key)) for key in KEYS[:3]] == [True, False, True]


def test_a_write_that_takes_a_part_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, content: write(file, content[:7]))
    with Journal(tmp_path / "journal.jsonl").open() as journal:
        journal.append(KEYS[0], ANSWER)
    assert Journal(tmp_path / "journal.jsonl").read().answers(KEYS[0]) == (ANSWER,)


def test_a_disk_that_is_full_from_the_start_leaves_a_journal_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with largest_file(10), pytest.raises(OSError, match=r"journal\.jsonl"):
        Journal(path).open().__enter__()
    with Journal(path).open() as journal:
        journal.append(KEYS[0], ANSWER)
    assert path.read_bytes().startswith(HEADER)


@pytest.mark.parametrize(
    "row",
    [
        "[]", "7", "{}", "[" * 100_000 + "]" * 100_000, "9" * 5_000, "\x00", "{",
        '{"chunk": [], "content": "", "settings": "", "attempt": 0, "answer": "a"}',
        '{"chunk": "", "content": "", "settings": "", "attempt": NaN, "answer": "a"}',
        '{"chunk": "", "content": "", "settings": "", "attempt": Infinity, "answer": "a"}',
        '{"chunk": "", "content": "", "settings": "", "attempt": 0, "answer": null}',
    ],
    ids=range(11),
)  # fmt: skip
def test_a_line_that_is_no_answer_is_named(row: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(HEADER + row.encode() + b"\n")
    with pytest.raises(InvalidDatasetError, match=r"journal\.jsonl:2: expected a journaled answer"):
        Journal(path).read()
