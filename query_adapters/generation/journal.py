"""Journal of all answers, written to disk before they are parsed."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.appending import Appender
from query_adapters.files.atomic import naming
from query_adapters.files.json_reading import parse_json
from query_adapters.files.reading import WHOLE_BYTES, check_file, read_bytes
from query_adapters.generation.locks import lock

HEADER = b'{"format": "query_adapters.generation", "version": 1}\n'


@dataclass(frozen=True)
class Key:
    """Key of an answer.

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
    """An append-only JSONL file of raw answers; several runs may use one file one after another.

    An answer is one line, which is written whole or not at all: where the disk is full, what was
    written of it is removed. A process that is killed during a write leaves an incomplete last
    line, which the next run removes.

    Args:
        path: The file, created with its folders when first opened; None to keep answers in memory
            only.
    """

    path: Path | None = None
    _answers: dict[Key, dict[int, str]] = field(default_factory=dict, repr=False)
    _appender: Appender = field(init=False, repr=False)

    def answers(self, key: Key) -> tuple[str, ...]:
        """Return the answers of this key, in the order of arrival."""
        attempts = self._answers.get(key, {})
        return tuple(attempts[number] for number in sorted(attempts))

    def append(self, key: Key, answer: str) -> None:
        """Write the answer to disk.

        Raises:
            OSError: If it cannot be written; the journal is as it was before.
        """
        attempts = self._answers.setdefault(key, {})
        if self.path is not None:
            row = {**vars(key), "attempt": len(attempts), "answer": answer}
            with naming(self.path):
                self._appender.append((json.dumps(row) + "\n").encode())
        attempts[len(attempts)] = answer

    def read(self) -> "Journal":
        """Return this journal with the content of its file; the file is not changed.

        Raises:
            InvalidDatasetError: If the file is not a journal.
        """
        if self.path is not None and os.path.lexists(self.path):
            self._load(self._content(self.path))
        return self

    @contextmanager
    def open(self) -> Iterator["Journal"]:
        """Open this journal for writing; an incomplete last line of its file is removed.

        Raises:
            InvalidDatasetError: If the file is not a journal, or another run has it open.
        """
        if self.path is None:
            yield self
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(self.path):
            check_file(self.path, error=InvalidDatasetError, limit=WHOLE_BYTES)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock(file)
            whole = self._load(self._content(self.path))
            os.ftruncate(file, whole)
            self._appender = Appender(file)
            if not whole:
                with naming(self.path):
                    self._appender.append(HEADER)
            yield self
        finally:
            os.close(file)

    def check_belongs(self, keys: Iterable[Key]) -> None:
        """Check that the journal is empty or has answers about one of these chunks.

        Raises:
            InvalidDatasetError: If all its answers are about other chunks.
        """
        known = {(key.chunk, key.content) for key in self._answers}
        if known and known.isdisjoint((key.chunk, key.content) for key in keys):
            raise InvalidDatasetError(
                f"{self.path}: holds answers about {len(known)} chunks, none of them among those "
                "given now (same id and same text); expected a file of this corpus: name another "
                "path, or remove the file"
            )

    def _content(self, path: Path) -> bytes:
        return read_bytes(path, error=InvalidDatasetError, limit=WHOLE_BYTES)

    def _lock(self, file: int) -> None:
        """Lock the file against other runs; the lock ends with the process."""
        try:
            lock(file)
        except OSError as exc:
            raise InvalidDatasetError(
                f"{self.path}: another run has it open; wait for its end, or name another path"
            ) from exc

    def _load(self, content: bytes) -> int:
        """Load the answers in a file's content; return the number of bytes in complete lines."""
        whole = content.rfind(b"\n") + 1
        if content and not (content.startswith(HEADER) or HEADER.startswith(content)):
            raise InvalidDatasetError(
                f"{self.path}: expected a journal of answers, its first line being "
                f"{HEADER.decode().strip()}; name another path"
            )
        for number, line in enumerate(content[:whole].splitlines()[1:], start=2):
            try:
                self._remember(parse_json(line.decode(), "the line", error=ValueError))
            except (ValueError, KeyError, TypeError, OverflowError) as exc:
                raise InvalidDatasetError(
                    f"{self.path}:{number}: expected a journaled answer, got {exc!r}; remove "
                    "this line"
                ) from exc
        return whole

    def _remember(self, row: dict[str, Any]) -> None:
        key = Key(row["chunk"], row["content"], row["settings"])
        if not all(isinstance(text, str) for text in (*vars(key).values(), row["answer"])):
            raise TypeError("expected texts")
        self._answers.setdefault(key, {}).setdefault(int(row["attempt"]), str(row["answer"]))
