"""Local servers that behave as vector services do on the wire, by the name of the service."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from tests.servers.loopback import Loopback


class Request(NamedTuple):
    """A request: its path in parts, its options, and its body, decoded from JSON lines."""

    method: str
    path: tuple[str, ...]
    options: Mapping[str, list[str]]
    lines: list[Any]

    @property
    def body(self) -> Any:
        return self.lines[0] if self.lines else {}


class Answer(NamedTuple):
    """What a service answers."""

    body: Any
    status: int = 200


class VectorService(Loopback):
    """A server that decodes requests and encodes answers; it keeps what it is given in memory."""

    headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    @abstractmethod
    def reply(self, request: Request) -> Answer:
        """Return the answer to a request."""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        content = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        lines = [json.loads(line) for line in _documents(content)]
        path = tuple(unquote(part) for part in url.path.strip("/").split("/") if part)
        request = Request(handler.command, path, parse_qs(url.query), lines)
        self.requests.append(request)
        found = self.reply(request)
        body = b"" if found.body is None else json.dumps(found.body).encode()
        handler.send_response(found.status)
        for name, value in {"Content-Type": "application/json", **self.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)


def _documents(content: bytes) -> Sequence[bytes]:
    """Return the JSON documents of a body: one, or one in each line."""
    try:
        json.loads(content or b"null")
    except ValueError:
        return content.strip().split(b"\n")
    return [content] if content else []


def similarity_of(metric: str, query: Sequence[float], vector: Sequence[float]) -> float:
    """Return the cosine, the inner product or the negative squared distance of two vectors."""
    one, other = np.array(query, dtype=np.float64), np.array(vector, dtype=np.float64)
    if metric == "euclidean":
        return -float(((one - other) ** 2).sum())
    product = float(one @ other)
    return product if metric == "dot" else product / float(np.sqrt(one @ one * (other @ other)))
