"""Read what a feedback log holds; damaged lines are skipped and counted."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.records import FeedbackEvent, ShownList
from query_adapters.feedback.rotating import RotatingFile
from query_adapters.files.json_reading import parse_json
from query_adapters.files.reading import LINE_BYTES, STREAM_BYTES, max_bytes, open_file


@dataclass(frozen=True, kw_only=True, eq=False)
class FeedbackRecords:
    """The lists of a feedback log with the feedback on them.

    Attributes:
        lists: The shown lists, in the order in which they were logged.
        n_damaged: Lines that could not be read, such as one that a crash has cut.
        n_orphans: Events on lists that the log does not hold.
    """

    lists: tuple[ShownList, ...]
    n_damaged: int = 0
    n_orphans: int = 0

    @property
    def n_events(self) -> int:
        """Number of events on the lists."""
        return sum(len(one.events) for one in self.lists)

    def __str__(self) -> str:
        return (
            f"{len(self.lists)} shown lists with {self.n_events} events; skipped: "
            f"{self.n_damaged} damaged lines, {self.n_orphans} events without their list"
        )


def read_log(path: str | Path) -> FeedbackRecords:
    """Return what a feedback log holds, with its rotated files; all of it is held in memory.

    Raises:
        FileNotFoundError: If there is no such log.
        InvalidDatasetError: If it is no regular file.
    """
    shown: dict[str, ShownList] = {}
    events: dict[str, list[FeedbackEvent]] = {}
    n_damaged = 0
    with ExitStack() as stack:
        for line in _lines(_opened(Path(path), stack)):
            try:
                row = row_of(line)
                if "list" in row:
                    one = ShownList.from_record(row)
                    shown[one.id] = one
                else:
                    events.setdefault(row["shown"], []).append(FeedbackEvent.from_record(row))
            except (ValueError, KeyError, TypeError):
                n_damaged += 1
    lists = (replace(one, events=tuple(events.pop(key, ()))) for key, one in shown.items())
    found = tuple(lists)
    n_orphans = sum(map(len, events.values()))
    return FeedbackRecords(lists=found, n_damaged=n_damaged, n_orphans=n_orphans)


def row_of(line: bytes) -> dict[str, Any]:
    """Return the object in a line.

    Raises:
        ValueError: If it is not whole, or holds no object that names a shown list.
    """
    if not line.endswith(b"\n"):
        raise ValueError("expected a whole line")
    row = parse_json(line.decode(), "the line", error=ValueError)
    if not isinstance(row, dict) or not isinstance(row.get("list", row.get("shown")), str):
        raise ValueError("expected an object that names a shown list")
    return row


def _opened(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """Return the open files of the log, oldest first; one that is rotated meanwhile counts once."""
    rotated = RotatingFile(path, max_bytes=1, durable=False)
    try:
        current = [_open(path, stack)]
    except FileNotFoundError:
        current = []
    parts = [_open(part, stack) for part in rotated.parts()]
    if not current and not parts:
        raise FileNotFoundError(f"{path}: no such feedback log")
    stats = [os.fstat(file.fileno()) for file in current]
    older = [p for p in parts if not any(os.path.samestat(os.fstat(p.fileno()), s) for s in stats)]
    return [*older, *current]


def _open(path: Path, stack: ExitStack) -> BinaryIO:
    return stack.enter_context(open_file(path, error=InvalidDatasetError, limit=STREAM_BYTES))


def _lines(files: Sequence[BinaryIO]) -> Iterator[bytes]:
    most = max_bytes(LINE_BYTES)
    for file in files:
        while line := file.readline(most):
            if line.strip():
                yield line
