"""Models that note which texts they were given, whatever process asks them."""

import hashlib
import os
import re
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
        dies_again: Whether every process that is to embed it does.
        seconds: Time that a call takes.
    """

    folder: Path
    identity: str = "logged"
    model_name: str = "logged"
    batch_size: int = 64
    dies_at: str | None = None
    dies_again: bool = False
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
            self._die()
        lines = "".join(f"{text}\n" for text in texts).encode()
        with (self.folder / "embedded").open("ab", buffering=0) as file:
            file.write(lines)
        return np.array([self._vector(f"{role} {text}") for text in texts], dtype=np.float32)

    def _die(self) -> None:
        try:
            (self.folder / "died").touch(exist_ok=self.dies_again)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def _vector(text: str) -> Vectors:
        digest = hashlib.sha256(text.encode()).digest()
        return np.frombuffer(digest[:DIM], np.uint8).astype(np.float32) - 127.5


@dataclass
class LoggedChat:
    """Asks two questions about a text such as "text 7"; processes share the file.

    Attributes:
        folder: Folder of the file.
        silent_at: A text that is answered without a question.
    """

    folder: Path
    model_name: str = "logged chat"
    silent_at: str | None = None

    async def complete(self, prompt: str) -> str:
        text = re.findall(r"text \d+", prompt)[0]
        with (self.folder / "asked").open("ab", buffering=0) as file:
            file.write(f"{text}\n".encode())
        return "" if text == self.silent_at else f"1. What is in {text}?\n2. Where is {text} used?"

    def asked(self) -> list[str]:
        """Return the text of each call, of any process."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []
