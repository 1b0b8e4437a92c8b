"""Tests of the example service: a real server, its readiness, its end, and its page."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from examples.service.app import create_app
from examples.service.data import read
from examples.service.nightly import DAY, Night, read_nights, run_night
from examples.service.page import page
from examples.service.retrieval import Retrieval, Settings
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import save_adapter
from query_adapters.data.paths import write_dataset
from query_adapters.deployment import AdapterRegistry
from query_adapters.feedback import read_log
from tests.servers.chromium import find_chromium, running_chromium

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds on a busy machine
ATTACK = "<script>alert(1)</script>"


def wait_for(happens: Callable[[], bool]) -> None:
    """Wait until it happens; the test fails if it does not."""
    end = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def is_open(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running_service(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Yield the process and the port of a service with a small index."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "examples.service.app", "--folder", str(folder)]
    options = ["--port", str(port), "--questions", "8"]
    environment = {**os.environ, "QUERY_ADAPTERS_REGISTRY_CACHE": str(folder / "cache")}
    with subprocess.Popen([*command, *options], cwd=ROOT, env=environment) as process:  # noqa: S603
        try:
            wait_for(lambda: process.poll() is not None or is_open(port))
            yield process, port
        finally:
            process.kill()


def begun(port: int, body: dict[str, str]) -> tuple[socket.socket, bytes]:
    """Send the head of a request; return the connection, which waits for the body, and the body."""
    content = json.dumps(body).encode()
    head = (
        "POST /globex/questions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nExpect: 100-continue\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(head.encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
    return connection, content


def test_a_service_answers_keeps_feedback_and_ends_when_requests_are_answered(
    tmp_path: Path,
) -> None:
    with running_service(tmp_path) as (process, port):
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE)
        assert client.get("/health").json() == {"status": "ok"}
        wait_for(lambda: client.get("/ready").status_code == 200)
        serving = client.get("/ready").json()
        assert serving.keys() == {"acme", "globex"}

        question = {"text": "binary to base64 text", "session": "visit 1"}
        answer = client.post("/acme/questions", json=question).json()
        shown = [result["id"] for result in answer["results"]]
        assert len(shown) == 10
        assert "base64.b64encode" in shown
        for grade in ({}, {"grade": 1}):
            given = {"shown": answer["shown"], "document": "base64.b64encode", **grade}
            assert client.post("/acme/feedback", json=given).status_code == 204
        by_hand = {"text": "text for a mail", "document": "base64.b64encode"}
        assert client.post("/acme/answers", json=by_hand).status_code == 204
        unknown = {**by_hand, "document": "nowhere"}
        assert client.post("/acme/answers", json=unknown).status_code == 422
        assert "What happened" in client.get("/").text

        refused = [("nobody", question), ("acme", {**question, "text": " "}), ("acme", {})]
        for tenant, body in refused:
            assert client.post(f"/{tenant}/questions", json=body).status_code == 422
        client.close()

        connection, content = begun(port, {"text": "run a program", "session": "visit 2"})
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not is_open(port))
        connection.sendall(content)
        answered = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answered.startswith(b"HTTP/1.1 200 OK")
        connection.close()
        assert process.wait(PATIENCE) == 0

    found, other = read_log(tmp_path / "feedback" / "acme.jsonl").lists
    assert (found.id, found.session, list(found.ids)) == (answer["shown"], "visit 1", shown)
    assert found.system == serving["acme"]
    assert [event.kind for event in found.events] == ["clicked", "rated"]
    assert (other.system, other.ids, other.events[1].grade) == (
        "person",
        tuple(by_hand.values())[1:],
        1,
    )
    (last,) = read_log(tmp_path / "feedback" / "globex.jsonl").lists
    assert last.question == "run a program"


def test_a_service_is_healthy_but_not_ready_until_it_has_loaded() -> None:
    may_load = Event()

    def load() -> Retrieval:
        may_load.wait(PATIENCE)
        raise RuntimeError("no index")

    with TestClient(create_app(load)) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
        question = {"text": "how far?", "session": "visit 1"}
        assert client.post("/acme/questions", json=question).status_code == 503
        may_load.set()
        wait_for(lambda: client.get("/health").status_code == 503)
        assert client.get("/ready").status_code == 503


def test_a_night_without_users_decides_nothing_and_the_next_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))
    clock = [0.0]
    settings = Settings(folder=tmp_path, clock=lambda: clock[0])
    retrieval = Retrieval(read(4).corpus, settings)
    serving = retrieval.registry.resolve("acme", "production")
    for drift in ("The base serves", "Too few questions to compare: 0 asked, 12 learned"):
        clock[0] += DAY
        night = run_night(retrieval, "acme")
        assert (night.n_questions, night.canary, night.decision) == (0, None, "")
        assert night.training.startswith("Not trained: 0 shown lists")
        assert night.drift.startswith(drift)
        write_dataset(read(4), tmp_path / "learned" / "acme" / f"{serving}.jsonl")
    assert [one.day for one in read_nights(tmp_path)] == ["1970-01-01", "1970-01-02"]


class Outline(HTMLParser):
    """The cells of all rows of tables, and the texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.in_cell = False

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.in_cell = self.in_cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.in_cell:
            self.rows[-1][-1] += data


@pytest.fixture
def written(tmp_path: Path) -> str:
    """A page of one tenant's three days, whose texts try to be markup."""
    registry = AdapterRegistry(tmp_path / "registry")
    folder = save_adapter(LinearAdapter.identity(2), tmp_path / "adapter")
    version = registry.push(folder, "acme")
    registry.promote("acme", version, reason=ATTACK, by="somebody")
    decisions = ("", "promoted", "rolled back")
    nights = [
        Night(
            tenant="acme",
            day=f"2026-06-0{number + 1}",
            n_questions=1_000 + number,
            n_clicks=500,
            serving=version[:8],
            canary="canary-1" if decision else None,
            decision=decision,
            test="No experiment.",
            training=ATTACK,
            drift="Live questions are like the training questions.",
            measured={"ndcg@10": 0.5 + number / 10, "hit_rate@10": 0.9},
        )
        for number, decision in enumerate(decisions)
    ]
    return page(registry, nights)


def test_the_page_says_for_each_day_what_served_and_what_was_decided(written: str) -> None:
    outline = Outline()
    outline.feed(written)
    assert "script" not in outline.tags
    assert outline.texts.count(ATTACK) == 3 + 1  # each night, and the history
    days = [row for row in outline.rows if re.match(r"2026-", row[0])]
    serving = days[0][5]
    assert days == [
        ["2026-06-01", "1,000", "500", "0.50", "0.90", serving, "–", ""],
        ["2026-06-02", "1,001", "500", "0.60", "0.90", serving, "canary-1", "promoted"],
        ["2026-06-03", "1,002", "500", "0.70", "0.90", serving, "canary-1", "rolled back"],
    ]
    assert " serves. 1 promoted, 1 rolled back; ndcg@10 went from 0.50 to 0.70." in outline.texts


def test_a_browser_shows_the_page_without_complaint_on_a_phone_too(
    written: str, tmp_path: Path
) -> None:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium to render the page with")
    path = tmp_path / "page.html"
    path.write_text(written, encoding="utf-8")
    with running_chromium(chromium, tmp_path / "profile") as tab:
        for width in (1_000, 400):
            tab.open(path.as_uri(), width=width)
            assert tab.run("document.documentElement.scrollWidth <= innerWidth")
            assert tab.run("document.querySelectorAll('svg circle').length") == 3
        assert tab.complaints == []
        assert tab.requested == {path.as_uri()}
