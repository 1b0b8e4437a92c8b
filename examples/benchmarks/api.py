"""A local embedding server in OpenAI's format that returns precomputed vectors after a delay.

    python examples/benchmarks/api.py TRAIN.json VECTORS.npy SECONDS

Prints its address and serves until it is stopped. GET /counts returns the numbers of calls,
questions and documents since the previous GET /counts. The only dependency is numpy.
"""

import json
import sys
import threading
import time
from base64 import b64encode
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np


class Provider(ThreadingHTTPServer):
    """A server that returns the vectors of a QA file's questions and documents."""

    def __init__(self, train: Path, vectors: Path, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        given = json.loads(train.read_text(encoding="utf-8"))
        texts = [*given["queries"].values(), *given["corpus"].values()]
        # OpenAIEmbedding replaces newlines with spaces
        self.known = dict(zip((_joined(text) for text in texts), np.load(vectors), strict=True))
        self.questions = {_joined(text) for text in given["queries"].values()}
        self.latency, self.counts, self.lock = latency, Counter[str](), threading.Lock()

    def answer(self, texts: list[str]) -> dict[str, Any]:
        time.sleep(self.latency)
        n_questions = sum(_joined(text) in self.questions for text in texts)
        with self.lock:
            self.counts += Counter(
                calls=1, questions=n_questions, documents=len(texts) - n_questions
            )
        data = [
            {"object": "embedding", "index": row, "embedding": _encoded(self.known[_joined(text)])}
            for row, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return {"object": "list", "data": data, "model": "known", "usage": usage}

    def take_counts(self) -> dict[str, int]:
        with self.lock:
            taken, self.counts = self.counts, Counter[str]()
        return {name: taken[name] for name in ("questions", "documents", "calls")}


class Handler(BaseHTTPRequestHandler):
    """A request handler that keeps the connection open between requests, as providers do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Provider

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        given = json.loads(self.rfile.read(length))["input"]
        self._send(self.server.answer([given] if isinstance(given, str) else given))

    def do_GET(self) -> None:
        self._send(self.server.take_counts())

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def _send(self, said: dict[str, Any]) -> None:
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _joined(text: str) -> str:
    return text.replace("\n", " ")


def _encoded(vector: Any) -> str:
    return b64encode(vector.astype("<f4").tobytes()).decode()


def main() -> None:
    train, vectors, latency = sys.argv[1:]
    provider = Provider(Path(train), Path(vectors), float(latency))
    print(f"http://127.0.0.1:{provider.server_port}", flush=True)
    provider.serve_forever()


if __name__ == "__main__":
    main()
