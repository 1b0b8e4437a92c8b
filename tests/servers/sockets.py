"""The base class of local servers that speak a protocol of their own over TCP."""

import socketserver
import threading
from abc import ABC, abstractmethod
from io import BufferedIOBase
from typing import Any, Protocol, Self


class Service(Protocol):
    """A local server; use it as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def url(self) -> str: ...


class SocketService(ABC):
    """A server that holds one conversation a connection, each in a thread.

    Attributes:
        scheme: The scheme of its URL.
        lock: Held by the answer to a request, so that requests are answered one after another.
    """

    scheme: str

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        service = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                try:
                    while service.talk(self.rfile, self.wfile):
                        pass
                except ConnectionError:
                    pass  # the client has closed the connection

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                failures.append(client_address)
                super().handle_error(request, client_address)

        failures: list[Any] = []
        self.failures = failures
        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        assert not self.failures, "the server failed: see its output"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}"

    @abstractmethod
    def talk(self, reader: BufferedIOBase, writer: BufferedIOBase) -> bool:
        """Answer one request; False when the client has gone."""
