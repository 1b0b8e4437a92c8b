"""Test that a signal ends a command soon, with one line, and loses nothing that was finished."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from query_adapters.cli.interruption import advice
from query_adapters.data.formats import write_llama_index_json
from query_adapters.generation.journal import Journal
from tests.servers.chat import ChatServer
from tests.servers.embeddings import KEY, EmbeddingServer

ROOT = Path(__file__).resolve().parents[3]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LONGEST = 5.0  # seconds from the signal to the end on a busy machine; hardly any on others
STUCK = 60.0  # seconds for an answer of a provider
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")


class StuckEmbeddings(EmbeddingServer):
    """A server that gives the first answers at once, and then none.

    Args:
        well: Number of answers.
    """

    def __init__(self, well: int) -> None:
        super().__init__()
        self.well = well

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        if len(self.requests) >= self.well:
            self.closing.wait(STUCK)
        super().answer(handler)


@pytest.fixture
def data(make_problem: Callable[..., Any], tmp_path: Path) -> Path:
    write_llama_index_json(make_problem().dataset, tmp_path / "qa.json")
    return tmp_path / "qa.json"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a command with a server, in an empty folder."""
    started: list[subprocess.Popen[str]] = []

    def run(server: EmbeddingServer | ChatServer, *arguments: object) -> subprocess.Popen[str]:
        env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "query_adapters", *map(str, arguments)]
        started.append(
            subprocess.Popen(  # noqa: S603
                command,
                env=env,
                cwd=tmp_path,
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


def ended_by(process: subprocess.Popen[str], number: signal.Signals) -> str:
    """Send the signal; return the line that says so, and check everything else about the end."""
    process.send_signal(number)
    started = time.monotonic()
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - started < LONGEST
    assert process.returncode == 128 + number, error
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line.startswith("interrupted")]
    assert len(lines) == 1, error
    assert lines[0].startswith(f"interrupted by {number.name}: ")
    return lines[0]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 180  # a busy machine
    while not condition():
        assert time.monotonic() < deadline, "the command does not get that far"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (signal.SIGTERM, ("train", "{data}", "-m", "openai:m", "-o", "adapter")),
        (signal.SIGINT, ("evaluate", "{data}", "-m", "openai:m", "--cache", "c.sqlite")),
        (
            signal.SIGHUP,
            ("upgrade", "{data}", "-m", "openai:m", "--old-model", "openai:o", "-o", "bridge"),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else value.name,
)
def test_a_signal_while_a_provider_does_not_answer(
    number: signal.Signals,
    arguments: tuple[str, ...],
    start: Callable[..., subprocess.Popen[str]],
    data: Path,
) -> None:
    well = 4  # requests of the first batch
    with StuckEmbeddings(well) as server:
        process = start(server, *(argument.format(data=data) for argument in arguments))
        wait_until(lambda: list(data.parent.rglob("*.sqlite")))
        wait_until(lambda: len(server.requests) >= well)
        time.sleep(0.3)
        line = ended_by(process, number)
    (cache,) = data.parent.rglob("*.sqlite")
    assert f"kept in {cache.relative_to(data.parent)}; the same command goes on" in line
    with sqlite3.connect(cache) as connection:
        (check,), (n,) = (
            connection.execute("PRAGMA integrity_check").fetchone(),
            connection.execute("SELECT count(*) FROM vectors").fetchone(),
        )
    assert check == "ok"
    assert n >= 1, "a batch that was finished is lost"


@pytest.mark.slow
def test_a_signal_while_a_chat_model_does_not_answer(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    chunks = [{"id": f"c{i}", "text": f"About marker-{i}, at length."} for i in range(40)]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, chunks)), encoding="utf-8")
    with ChatServer() as server:
        server.on_paid = partial(_stop_after, server, 20)
        process = start(server, "generate", "d.jsonl", "--llm", "openai:w", "-o", "qa.json")
        journal = tmp_path / "qa.json.answers.jsonl"
        wait_until(lambda: server.n_paid >= 20)
        time.sleep(0.2)
        line = ended_by(process, signal.SIGINT)
    assert f"kept in {journal.name}; the same command goes on" in line
    Journal(journal).read()
    assert len(journal.read_bytes().splitlines()) >= 5
    assert not (tmp_path / "qa.json").exists()


@pytest.mark.slow
def test_signals_at_random_points_of_commands_that_compute(
    start: Callable[..., subprocess.Popen[str]], data: Path
) -> None:
    rng = random.Random(0)  # noqa: S311
    folder = data.parent
    commands = [
        ("train", data, "-m", "openai:m", "-o", folder / "adapter"),
        ("convert", data, folder / "copy", "--overwrite"),
    ]
    with StuckEmbeddings(well=1_000) as server:
        for arguments in commands:
            process = start(server, *arguments)
            wait_until(partial(_handles_signals, process.pid))
            time.sleep(rng.uniform(0, 1))
            if process.poll() is None:
                ended_by(process, rng.choice(SIGNALS))
    assert list(folder.rglob(".*.tmp")) == []


def test_the_line_says_what_is_kept_and_how_to_go_on(tmp_path: Path) -> None:
    output, cache = tmp_path / "out", tmp_path / "out" / "embeddings.sqlite"
    train: dict[str, Any] = {"output_path": output, "cache": None}
    assert advice(train) == (
        "nothing was finished that could be kept; run the same command again; with --cache it "
        "keeps finished embeddings"
    )
    output.mkdir()
    cache.touch()
    assert advice(train).startswith(f"what is finished is kept in {cache}; ")
    assert advice({"adapter": [output], "cache": None}) == advice(train)
    assert advice({"adapter": output, "cache": None}) == advice(train)
    journal = tmp_path / "out.answers.jsonl"
    journal.touch()
    both = advice({"output_path": output, "llm": "openai:w", "cache": cache})
    assert f"kept in {journal} and {cache}; " in both
    assert advice({"output_path": output, "overwrite": False}).endswith("again with --overwrite")
    assert advice({}) == "nothing was finished that could be kept; run the same command again"


def _stop_after(server: ChatServer, most: int, n_paid: int) -> None:
    """Let the server give no answer after this many."""
    if n_paid >= most:
        server.latency = STUCK


def _handles_signals(process: int) -> bool:
    """Return whether the process has installed its handlers, by the file of the system."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():  # not Linux: after the interpreter has started
        time.sleep(1)
        return True
    caught = next(
        line for line in status.read_text(encoding="ascii").splitlines() if line[:6] == "SigCgt"
    )
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
