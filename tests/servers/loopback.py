"""The base class of the local stub servers."""

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

LONGEST_WAIT = 20.0  # seconds; a passing test never waits this long


class Loopback(ABC):
    """A local server that answers each request in a thread; use it as a context manager."""

    def __init__(self) -> None:
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                provider.answer(self)

            do_DELETE = do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # tests kill clients, which closes connections early

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""


def body_of(handler: BaseHTTPRequestHandler) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
    return body


def start_answer(
    handler: BaseHTTPRequestHandler, status: int, length: int, headers: Mapping[str, str]
) -> None:
    """Send the status line and the headers."""
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(length))
    handler.send_header("Connection", "close")  # the tests do not close their clients
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
