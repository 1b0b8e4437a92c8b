"""Test the locks on folders."""

import threading
from pathlib import Path

import pytest

from query_adapters.errors import AdapterFileError
from query_adapters.processes.locks import reading, writing


def elsewhere(folder: Path) -> list[BaseException]:
    """Return the errors of a writer in another thread that is hardly patient."""
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with writing(folder, refusal=AdapterFileError, patience=0.05):
                pass
        except AdapterFileError as error:
            errors.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    return errors


def test_a_second_writer_is_refused_with_the_folders_name(tmp_path: Path) -> None:
    with writing(tmp_path, refusal=AdapterFileError):
        (error,) = elsewhere(tmp_path)
    assert str(tmp_path) in str(error)
    assert "wait for its end, or name another folder" in str(error)
    assert elsewhere(tmp_path) == []


def test_readers_share_and_keep_writers_out(tmp_path: Path) -> None:
    with reading(tmp_path), reading(tmp_path):
        assert len(elsewhere(tmp_path)) == 1
    assert elsewhere(tmp_path) == []


def test_a_reader_does_not_wait_forever_for_a_writer_that_hangs(tmp_path: Path) -> None:
    undisturbed: list[bool] = []

    def look() -> None:
        with reading(tmp_path, patience=0.05) as known:
            undisturbed.append(known)

    with writing(tmp_path, refusal=AdapterFileError):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join(20)
    look()
    assert undisturbed == [False, True]


def test_a_writer_may_write_and_read_again_while_it_writes(tmp_path: Path) -> None:
    with writing(tmp_path, refusal=AdapterFileError):
        with writing(tmp_path, refusal=AdapterFileError, patience=0), reading(tmp_path, patience=0):
            pass
        assert len(elsewhere(tmp_path)) == 1, "the lock is still held"


def test_a_failure_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), writing(tmp_path, refusal=AdapterFileError):
        raise KeyError
    assert elsewhere(tmp_path) == []
