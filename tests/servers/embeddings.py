"""A stub embedding server in OpenAI's and Cohere's format that can inject faults."""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np

from tests.servers.chat import Fault
from tests.servers.loopback import Loopback, body_of, start_answer

DIM = 8
KEY = "sk-do-not-tell"
REFUSED = Fault(401)


@dataclass(frozen=True)
class Request:
    """A recorded request.

    Attributes:
        path: URL path.
        model: Model name.
        texts: Texts to embed, in order.
        input_type: Cohere's and Voyage's input type, or Jina's task; None if absent.
        dimensions: Requested dimension, or None if absent.
        encoding: OpenAI's encoding format, or None if absent.
        authorization: Authorization header, which contains the key.
        status: HTTP status of the response.
    """

    path: str
    model: str
    texts: tuple[str, ...]
    input_type: str | None
    dimensions: int | None
    encoding: str | None
    authorization: str
    status: int


def vector_of(text: str, input_type: str | None = None, dim: int = DIM) -> list[float]:
    """Return the vector of a text in a role, with numbers that float32 represents exactly."""
    digest = hashlib.sha256(f"{input_type}|{text}".encode()).digest()
    numbers = np.random.default_rng(int.from_bytes(digest[:8], "little")).normal(size=dim)
    vector: list[float] = numbers.astype("f4").tolist()
    return vector


class EmbeddingServer(Loopback):
    """A stub embedding server; use it as a context manager.

    Args:
        faults: Faults of the first requests, one each. A status of 200 is no fault.
        breaks_after: Number of successful requests, after which all requests fail with status 500.
            None means that none fails.
        key: The only accepted API key.

    Attributes:
        requests: Every request, in order of arrival.
    """

    def __init__(
        self, faults: Sequence[Fault] = (), *, breaks_after: int | None = None, key: str = KEY
    ) -> None:
        super().__init__()
        self.faults, self.breaks_after, self.key = list(faults), breaks_after, key
        self.requests: list[Request] = []
        self._lock = threading.Lock()

    @property
    def paid(self) -> Counter[tuple[str | None, str]]:
        """Return how often each text was embedded, keyed by input type and text."""
        well = [request for request in self.requests if request.status == 200]
        return Counter((request.input_type, text) for request in well for text in request.texts)

    def asked(self, input_type: str | None) -> list[tuple[str, ...]]:
        """Return the texts of each successful request with this input type."""
        well = [request for request in self.requests if request.status == 200]
        return [request.texts for request in well if request.input_type == input_type]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = body_of(handler)
        is_openai = handler.path.endswith("/embeddings")
        texts = body["input"] if is_openai else body["texts"]
        authorization = handler.headers["Authorization"]
        with self._lock:
            fault = self._next_fault(authorization)
            self.requests.append(
                Request(
                    path=handler.path,
                    model=body["model"],
                    texts=(texts,) if isinstance(texts, str) else tuple(texts),
                    input_type=body.get("input_type", body.get("task")),
                    dimensions=body.get("dimensions", body.get("output_dimension")),
                    encoding=body.get("encoding_format"),
                    authorization=authorization,
                    status=fault.status,
                )
            )
            request = self.requests[-1]
        said = _failed(fault) if fault.status != 200 else _said(request, is_openai)
        content = json.dumps(said).encode()
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        start_answer(handler, fault.status, len(content), headers)
        handler.wfile.write(content)

    def _next_fault(self, authorization: str) -> Fault:
        if authorization != f"Bearer {self.key}":
            return REFUSED
        if self.faults:
            return self.faults.pop(0)
        n_well = sum(request.status == 200 for request in self.requests)
        return Fault(500) if n_well == self.breaks_after else Fault()


def _failed(fault: Fault) -> dict[str, Any]:
    message = "invalid api key" if fault.status == 401 else "not now"
    return {"error": {"message": message, "type": "stub", "code": "stub"}, "message": message}


def _said(request: Request, is_openai: bool) -> Mapping[str, Any]:
    dim = request.dimensions or DIM
    vectors = [vector_of(text, request.input_type, dim) for text in request.texts]
    if not is_openai:
        return {
            "response_type": "embeddings_by_type",  # only v1 has this field; v2 ignores it
            "id": "1",
            "embeddings": {"float": vectors},
            "texts": request.texts,
        }
    data = [
        {"object": "embedding", "index": row, "embedding": _encoded(vector, request.encoding)}
        for row, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return {"object": "list", "data": data, "model": request.model, "usage": usage}


def _encoded(vector: list[float], encoding: str | None) -> str | list[float]:
    if encoding != "base64":
        return vector
    return base64.b64encode(np.array(vector, dtype="<f4").tobytes()).decode()
