"""Local servers that can be made to refuse, to answer garbage, or to be slow."""

import json
import threading
from abc import abstractmethod
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.loopback import LONGEST_WAIT, Loopback, start_answer

OF_THE_CONNECTION = {"connection", "content-length", "content-type", "date", "server"}


class Failing(Loopback):
    """A server with a fault.

    Attributes:
        fault: "forbidden" (403), "garbage" (200) or "slow": it answers after `release`; None for
            none.
        failed: Number of requests that met the fault.
        waiting: Number of requests that wait for `release`.
        release: Lets slow requests be answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fault: str | None = None
        self.failed = self.waiting = 0
        self.release = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        fault = self.fault
        self.failed += fault is not None
        if fault == "slow":
            self.waiting += 1
            self.release.wait(LONGEST_WAIT)
            self.waiting -= 1
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if fault == "forbidden":
            _send(handler, 403, b"")
        elif fault == "garbage":
            _send(handler, 200, b"\x00 garbage")
        else:
            self.answer_well(handler, content)

    @abstractmethod
    def answer_well(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        """Answer a request with this body as the real server does."""


class Before(Failing):
    """Stands before another server and hands on what it gets."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.host = urlsplit(url).netloc

    def answer_well(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        connection = HTTPConnection(self.host, timeout=LONGEST_WAIT)
        connection.request(handler.command, handler.path, content, dict(handler.headers.items()))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in OF_THE_CONNECTION}
        length = int(answer.headers.get("Content-Length") or len(body))  # of HEAD without a body
        start_answer(handler, answer.status, length, headers)
        handler.wfile.write(body)


class MlflowServer(Failing):
    """As much of MLflow's tracking server as a client needs that reads one registered model.

    Attributes:
        folders: Folders of artifacts by the number of their version; the alias names the last one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folders: dict[str, Path] = {}

    def promote(self, folder: Path) -> None:
        """Register the folder as a version."""
        self.folders[str(len(self.folders) + 1)] = folder

    def answer_well(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        asked = urlsplit(handler.path)
        version = parse_qs(asked.query).get("version", [list(self.folders)[-1]])[0]
        found: dict[str, Any] = {
            "model_version": {"name": "faq", "version": version, "creation_timestamp": 1},
            "registered_model": {"name": "faq"},
            "artifact_uri": self.folders[version].as_uri(),
        }
        _send(handler, 200, json.dumps(found).encode())


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    start_answer(handler, status, len(body), {})
    handler.wfile.write(body)
