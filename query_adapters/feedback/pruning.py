"""Delete what has passed its retention time from a feedback log."""

import os
from collections.abc import Iterator
from pathlib import Path

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.reading import row_of
from query_adapters.feedback.rotating import RotatingFile
from query_adapters.files.atomic import replace_file
from query_adapters.files.json_types import number_of
from query_adapters.files.reading import STREAM_BYTES, open_file


def prune_log(log: RotatingFile, *, before: float) -> int:
    """Delete lists shown before this time, the events on them, and damaged lines.

    Writers wait meanwhile. Each file is replaced at once, so that an interruption leaves it whole.

    Args:
        log: The log.
        before: Seconds since 1970, UTC.

    Returns:
        Number of deleted lines.
    """
    old: set[str] = set()
    n_deleted = 0
    with log.locked():
        for path in [*log.parts(), log.path]:
            lines = list(_lines(path))
            kept = [line for line in lines if _is_kept(line, old, before)]
            n_deleted += len(lines) - len(kept)
            if path != log.path and not kept:
                os.unlink(path)
            elif len(kept) < len(lines):
                replace_file(path, kept)
    return n_deleted


def _lines(path: Path) -> Iterator[bytes]:
    with open_file(path, error=InvalidDatasetError, limit=STREAM_BYTES) as file:
        yield from file


def _is_kept(line: bytes, old: set[str], before: float) -> bool:
    """Return whether the line is young enough; remember the list if it is not."""
    try:
        row = row_of(line)
        is_old = number_of(row["time"]) < before  # NaN would never be
    except (ValueError, KeyError, TypeError):
        return False
    if "list" not in row:
        return not is_old and row["shown"] not in old
    if is_old:
        old.add(row["list"])
    return not is_old
