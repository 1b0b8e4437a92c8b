"""An embedding model that notes which texts it has embedded, and can kill its process."""

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from query_adapters.typing import Vectors

DIM = 8


@dataclass
class LoggedModel:
    """Vectors from a digest of role and text; processes that embed share the files.

    Attributes:
        folder: Folder of the files.
        identity: As in `TextEmbedder`.
        dies_at: A text; the first process that is to embed it ends as if it was killed.
        seconds: Time that a call takes.
    """

    folder: Path
    identity: str = "logged"
    model_name: str = "logged"
    batch_size: int = 64
    dies_at: str | None = None
    seconds: float = 0.0

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query", texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return self._embed("document", texts)

    def embedded(self) -> list[str]:
        """Return all texts whose embedding ended, by any process."""
        path = self.folder / "embedded"
        return path.read_text().splitlines() if path.exists() else []

    def _embed(self, role: str, texts: Sequence[str]) -> Vectors:
        time.sleep(self.seconds)
        if self.dies_at in texts:
            self._die_once()
        lines = "".join(f"{text}\n" for text in texts).encode()
        with (self.folder / "embedded").open("ab", buffering=0) as file:
            file.write(lines)
        return np.array([self._vector(f"{role} {text}") for text in texts], dtype=np.float32)

    def _die_once(self) -> None:
        try:
            (self.folder / "died").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def _vector(text: str) -> Vectors:
        digest = hashlib.sha256(text.encode()).digest()
        return np.frombuffer(digest[:DIM], np.uint8).astype(np.float32) - 127.5
