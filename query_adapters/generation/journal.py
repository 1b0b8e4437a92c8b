"""Every answer that was paid for, on disk before anybody looks at it."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError
from query_adapters.generation.locks import lock

HEADER = b'{"format": "query_adapters.generation", "version": 1}\n'


@dataclass(frozen=True)
class Key:
    """What an answer belongs to.

    Attributes:
        chunk: Id of the chunk.
        content: Digest of the chunk's text.
        settings: Digest of the model's name and the whole prompt.
    """

    chunk: str
    content: str
    settings: str


@dataclass
class Journal:
    """An append-only JSONL file of raw answers; several runs may use one file in turn.

    An answer is one line, written in one step. A process that is killed while it writes leaves
    a torn last line, which the next run cuts; every line before it is whole.

    Args:
        path: The file, made with its folders when it is first opened; or None to remember
            nothing beyond this object.
    """

    path: Path | None = None
    _answers: dict[Key, dict[int, str]] = field(default_factory=dict, repr=False)
    _file: int = field(default=-1, repr=False)

    def answers(self, key: Key) -> tuple[str, ...]:
        """Return the answers that are there for this key, in the order they came."""
        attempts = self._answers.get(key, {})
        return tuple(attempts[number] for number in sorted(attempts))

    def append(self, key: Key, answer: str) -> None:
        """Put the answer on disk."""
        attempts = self._answers.setdefault(key, {})
        attempts[len(attempts)] = answer
        if self.path is not None:
            row = {**vars(key), "attempt": len(attempts) - 1, "answer": answer}
            os.write(self._file, (json.dumps(row) + "\n").encode())
            os.fsync(self._file)

    def read(self) -> "Journal":
        """Return this journal with what its file holds; the file is left as it is.

        Raises:
            InvalidDatasetError: If it is not a journal.
        """
        if self.path is not None and self.path.is_file():
            self._load(self.path.read_bytes())
        return self

    @contextmanager
    def open(self) -> Iterator["Journal"]:
        """Give this journal, open to write, with what its file holds; a torn end is cut.

        Raises:
            InvalidDatasetError: If the file is not a journal, or another run has it open.
        """
        if self.path is None:
            yield self
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock()
            whole = self._load(self.path.read_bytes())
            os.ftruncate(self._file, whole)
            if not whole:
                os.write(self._file, HEADER)
            yield self
        finally:
            os.close(self._file)

    def check_belongs(self, keys: Iterable[Key]) -> None:
        """Check that the journal is empty or knows one of these chunks.

        Raises:
            InvalidDatasetError: If all that it holds is about other chunks.
        """
        known = {(key.chunk, key.content) for key in self._answers}
        if known and known.isdisjoint((key.chunk, key.content) for key in keys):
            raise InvalidDatasetError(
                f"{self.path}: holds answers about {len(known)} chunks, none of them among those "
                "given now (same id and same text); expected a file of this corpus: name another "
                "path, or remove the file"
            )

    def _lock(self) -> None:
        """Keep every other run from writing; the lock dies with the process."""
        try:
            lock(self._file)
        except OSError as exc:
            raise InvalidDatasetError(
                f"{self.path}: another run has it open; wait for its end, or name another path"
            ) from exc

    def _load(self, content: bytes) -> int:
        """Remember the answers in a file's content; return how many of its bytes are whole."""
        whole = content.rfind(b"\n") + 1
        if content and not (content.startswith(HEADER) or HEADER.startswith(content)):
            raise InvalidDatasetError(
                f"{self.path}: expected a journal of answers, its first line being "
                f"{HEADER.decode().strip()}; name another path"
            )
        for number, line in enumerate(content[:whole].splitlines()[1:], start=2):
            try:
                self._remember(json.loads(line))
            except (ValueError, KeyError, TypeError) as exc:
                raise InvalidDatasetError(
                    f"{self.path}:{number}: expected a journaled answer, got {exc!r}; remove "
                    "this line"
                ) from exc
        return whole

    def _remember(self, row: dict[str, Any]) -> None:
        key = Key(row["chunk"], row["content"], row["settings"])
        self._answers.setdefault(key, {}).setdefault(int(row["attempt"]), str(row["answer"]))
