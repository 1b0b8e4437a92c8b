"""Test how a process ends that handles signals, whatever its main thread does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from query_adapters.processes.signals import GRACE

ROOT = Path(__file__).resolve().parents[3]
LATE = 5.0  # seconds on a busy machine
PREAMBLE = """
import os, signal, sys, time
from query_adapters.processes.signals import Interrupted, Interruption
interruption = Interruption()
interruption.advice = lambda: "go on"
"""
STUCK = """
interruption.install()
try:
    print("ready", flush=True)
    time.sleep(60)
finally:
    print("closing", flush=True)
    time.sleep(60)
"""
WITHOUT_THE_MAIN_THREAD = """
interruption.install()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # its handler is never called
print("ready", flush=True)
time.sleep(60)
"""
DONE = """
interruption.install()
interruption.finish()
print("ready", flush=True)
time.sleep(60)
"""
FORKED = """
interruption.install()
child = os.fork()
if not child:
    time.sleep(60)
os.kill(child, signal.SIGTERM)
print(os.waitpid(child, 0)[1], flush=True)
time.sleep(1.5)
print("the parent goes on", flush=True)
"""
IGNORING = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
interruption.install()
os.kill(os.getpid(), signal.SIGHUP)
time.sleep(0.1)
print("goes on", flush=True)
"""
Start = Callable[[str], subprocess.Popen[str]]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PREAMBLE + code]
        started.append(
            subprocess.Popen(  # noqa: S603
                command,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("code", [STUCK, WITHOUT_THE_MAIN_THREAD], ids=["cleanup", "C code"])
def test_the_process_ends_although_its_main_thread_does_not(code: str, start: Start) -> None:
    process = start(code)
    assert line_of(process) == "ready\n"
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - started < GRACE + LATE
    assert (process.returncode, error) == (143, "interrupted by SIGTERM: go on\n")


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    process = start(f"from query_adapters.processes import signals\nsignals.GRACE = 60\n{STUCK}")
    assert line_of(process) == "ready\n"
    process.send_signal(signal.SIGINT)
    assert line_of(process) == "closing\n"
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - started < LATE
    assert error == "interrupted by SIGINT: go on\n"
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_a_signal_after_the_work_is_done_ends_it_at_once(start: Start) -> None:
    process = start(DONE)
    assert line_of(process) == "ready\n"
    process.send_signal(signal.SIGHUP)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (129, "interrupted by SIGHUP: go on\n")


def test_a_signal_to_a_forked_child_ends_that_child_alone(start: Start) -> None:
    process = start(FORKED)
    said, error = process.communicate(timeout=30)
    assert said == f"{signal.SIGTERM.value}\nthe parent goes on\n"
    assert (process.returncode, error) == (0, "")


def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored(start: Start) -> None:
    said, error = start(IGNORING).communicate(timeout=30)
    assert (said, error) == ("goes on\n", "")
