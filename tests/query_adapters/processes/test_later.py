"""Tests of calls that nobody waits for: in order, at the end of a process, and after a fork."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from query_adapters.processes.later import LaterCalls

AT_EXIT = """
import sys, time
from pathlib import Path
from query_adapters.processes.later import LaterCalls

later, path = LaterCalls(), Path(sys.argv[1])
for number in range(3):
    later(lambda n=number: (time.sleep(0.05), path.write_text(f"{n}")))
"""
FORKED = """
import os, sys
from pathlib import Path
from query_adapters.processes.later import LaterCalls

later, path = LaterCalls(), Path(sys.argv[1])
later(lambda: None)
later.flush()
if (child := os.fork()) == 0:
    later(lambda: path.write_text("made in the child"))
    os._exit(0 if later.flush(5) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_calls_are_made_in_order_in_one_other_thread_whatever_they_raise() -> None:
    later = LaterCalls()
    made: list[tuple[int, int]] = []

    def call(number: int) -> None:
        made.append((number, threading.get_ident()))
        raise ValueError(number)

    for number in range(20):
        assert later(partial(call, number))
    assert later.flush(5)
    assert [number for number, _ in made] == list(range(20))
    (thread,) = {thread for _, thread in made}
    assert thread != threading.get_ident()


def test_calls_are_refused_where_too_many_wait() -> None:
    later, gate = LaterCalls(most=2), threading.Event()
    started = threading.Event()

    def wait() -> None:
        started.set()
        gate.wait(5)

    later(wait)
    assert started.wait(5)
    assert [later(lambda: None) for _ in range(4)] == [True, True, False, False]
    assert not later.flush(0.01)
    gate.set()
    assert later.flush(5)
    assert later(lambda: None)


def test_the_thread_ends_after_the_last_call_once_nothing_holds_the_object() -> None:
    later, gate = LaterCalls(), threading.Event()
    threads: SimpleQueue[threading.Thread] = SimpleQueue()
    later(partial(gate.wait, 5))
    later(lambda: threads.put(threading.current_thread()))
    del later
    gate.set()
    thread = threads.get(timeout=5)
    thread.join(5)
    assert not thread.is_alive()


def test_waiting_for_no_calls_starts_no_thread() -> None:
    before = set(threading.enumerate())
    assert LaterCalls().flush(5)
    assert set(threading.enumerate()) <= before


def test_the_end_of_a_process_waits_for_them(
    run_python: Callable[..., Any], tmp_path: Path
) -> None:
    assert run_python(AT_EXIT, tmp_path / "made").returncode == 0
    assert (tmp_path / "made").read_text() == "2"


def test_a_forked_process_makes_its_own(run_python: Callable[..., Any], tmp_path: Path) -> None:
    assert run_python(FORKED, tmp_path / "made").returncode == 0
    assert (tmp_path / "made").read_text() == "made in the child"
