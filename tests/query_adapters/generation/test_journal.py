"""Test that the journal keeps all answers after a crash and rejects other files."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.errors import InvalidDatasetError
from query_adapters.generation.journal import Journal, Key

KEY = Key("chunk", "content", "settings")
OTHER = Key("chunk 2", "content 2", "settings")


def filled(path: Path) -> bytes:
    with Journal(path).open() as journal:
        journal.append(KEY, "first\nline")
        journal.append(OTHER, "for another")
        journal.append(KEY, "sécond \ud800")
    return path.read_bytes()


def test_answers_come_back_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.jsonl"
    filled(path)
    journal = Journal(path).read()
    assert journal.answers(KEY) == ("first\nline", "sécond \ud800")
    assert journal.answers(OTHER) == ("for another",)
    assert journal.answers(Key("chunk", "content", "other settings")) == ()


@given(cut=st.integers(0, 600))
@settings(deadline=None, max_examples=60)
def test_a_file_cut_anywhere_loses_the_torn_line_alone(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    whole = filled(path)
    path.write_bytes(whole[:cut])
    n_whole = max(0, whole[:cut].count(b"\n") - 1)
    with Journal(path).open() as journal:
        kept = journal.answers(KEY) + journal.answers(OTHER)
        assert len(kept) == n_whole
        journal.append(Key("new", "", ""), "answer")
    lines = path.read_bytes().splitlines()
    assert [json.loads(line)["answer"] for line in lines[1:-1]] == [
        json.loads(line)["answer"] for line in whole.splitlines()[1 : n_whole + 1]
    ]
    assert Journal(path).read().answers(Key("new", "", "")) == ("answer",)


def test_reading_leaves_a_torn_file_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    torn = filled(path)[:-5]
    path.write_bytes(torn)
    assert Journal(path).read().answers(KEY) == ("first\nline",)
    assert path.read_bytes() == torn


def test_lines_that_stand_twice_count_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = filled(path)
    path.write_bytes(whole + b"".join(whole.splitlines(keepends=True)[1:]))
    assert Journal(path).read().answers(KEY) == ("first\nline", "sécond \ud800")


@pytest.mark.parametrize("content", [b'{"queries": {}}', b"a\nb\n", b'{"format": "other"}\n'])
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(InvalidDatasetError, match="expected a journal"), Journal(path).open():
        pass
    assert path.read_bytes() == content


@pytest.mark.parametrize("line", [b"no JSON\n", b"[]\n", b'{"chunk": "a"}\n'])
def test_a_line_that_is_no_answer_is_named(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(filled(path) + line)
    with pytest.raises(InvalidDatasetError, match=r"journal\.jsonl:5: expected a journaled"):
        Journal(path).read()


def test_two_runs_at_once_are_refused_and_one_after_the_other_is_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path).open():
        with pytest.raises(InvalidDatasetError, match="another run"), Journal(path).open():
            pass
        assert Journal(path).read().answers(KEY) == ()
    with Journal(path).open() as journal:
        journal.append(KEY, "now")


def test_a_journal_of_other_chunks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    filled(path)
    journal = Journal(path).read()
    journal.check_belongs([KEY, Key("more", "content", "settings")])
    journal.check_belongs([Key("chunk", "content", "other settings")])
    for key in (Key("chunk", "changed", "settings"), Key("other", "content", "settings")):
        with pytest.raises(InvalidDatasetError, match="about 2 chunks, none of them"):
            journal.check_belongs([key])
    Journal(tmp_path / "none.jsonl").read().check_belongs([KEY])
