"""A moment until which all reads and writes of one request must be done.

httpx limits single reads. A server that sends a byte now and then never exceeds such a limit, not
even within the headers, so the limit of each read is shortened to what is left of the request.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any

import httpcore

WRITTEN_AT_ONCE = 65_536  # bytes
_ends: ContextVar[float] = ContextVar("ends", default=inf)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Limit all reads and writes in this context to so many seconds together."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


class DeadlineBackend(httpcore.NetworkBackend):
    """A network backend whose streams observe the deadline.

    Args:
        backend: The backend that opens the streams.
    """

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a stream to a host."""
        return _Stream(
            self._backend.connect_tcp(host, port, _left(timeout), local_address, socket_options)
        )

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Return a stream to a socket of this machine."""
        return _Stream(self._backend.connect_unix_socket(path, _left(timeout), socket_options))

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._backend.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITTEN_AT_ONCE):
            self._stream.write(buffer[start : start + WRITTEN_AT_ONCE], _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def observe_deadlines(transports: Iterable[Any]) -> None:
    """Let the connection pools of these httpx transports observe the deadline."""
    for transport in transports:
        pool = getattr(transport, "_pool", None)  # httpx has no public way to its pool
        backend = getattr(pool, "_network_backend", None)
        if backend is not None:
            pool._network_backend = DeadlineBackend(backend)  # type: ignore[union-attr]


def _left(timeout: float | None) -> float | None:
    """Return the seconds that one read may take."""
    left = _ends.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the answer was not complete in time")
    if left == inf:
        return timeout
    return left if timeout is None else min(timeout, left)
