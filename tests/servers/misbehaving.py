"""A provider that misbehaves: it answers with whatever a test gives it, or never."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.servers.loopback import Loopback, body_of

PIECE = 65_536  # bytes written at once


@dataclass(frozen=True)
class Answer:
    """An answer to send.

    Attributes:
        body: Its bytes, or pieces of them.
        status: HTTP status.
        headers: Headers; Content-Length is the body's unless it is given.
        pause: Seconds before each byte of the body and, if `slow_headers`, of the headers.
        slow_headers: Whether the headers come byte by byte, too.
    """

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    slow_headers: bool = False


class MisbehavingServer(Loopback):
    """A server whose next answers a test sets; use it as a context manager.

    Args:
        reply: Function from a request's body and headers to the answer.

    Attributes:
        reply: The function, which a test may replace.
        requests: Body of every request, in order of arrival.
    """

    def __init__(
        self, reply: Callable[[dict[str, Any], Mapping[str, str]], Answer] | None = None
    ) -> None:
        super().__init__()
        self.reply = reply or (lambda _body, _headers: Answer(b"{}"))
        self.requests: list[dict[str, Any]] = []

    def always(self, answer: Answer) -> None:
        """Give the same answer to every request, and forget the requests so far."""
        self.reply = lambda _body, _headers: answer
        self.requests.clear()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = body_of(handler)
        self.requests.append(body)
        answer = self.reply(body, handler.headers)  # type: ignore[arg-type]
        handler.close_connection = True
        pieces = [answer.body] if isinstance(answer.body, bytes) else answer.body
        headers = {"Content-Type": "application/json", "Connection": "close", **answer.headers}
        if isinstance(answer.body, bytes):
            headers = {"Content-Length": str(len(answer.body)), **headers}
        lines = [f"{name}: {value}" for name, value in headers.items() if value]
        head = "\r\n".join([f"HTTP/1.1 {answer.status} Said", *lines, "", ""]).encode()
        self._send(handler, head, answer.pause if answer.slow_headers else 0)
        for piece in pieces:
            self._send(handler, piece, answer.pause)

    def _send(self, handler: BaseHTTPRequestHandler, content: bytes, pause: float) -> None:
        if not pause:
            handler.wfile.write(content)
            return
        for byte in content:
            if self.closing.is_set():
                return
            time.sleep(pause)
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()


def as_json(content: Any) -> Answer:
    """Return the answer with this content; NaN and infinity are written as Python does."""
    return Answer(json.dumps(content).encode())
