"""Read text files line by line, with the position of each line for messages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # a byte order mark of some editors


def read_lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yield the position of each line, `<path>:<number>`, and its text with the line end.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If a line is not UTF-8.
    """
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").decode()
            except UnicodeDecodeError as exc:
                raise InvalidDatasetError(
                    f"{path}:{number}: expected text in UTF-8, got byte 0x{line[exc.start]:02x}; "
                    "save the file as UTF-8"
                ) from exc
            yield f"{path}:{number}", text


def read_rows(path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the position and the object of each non-blank line of a JSONL file.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If a line is not UTF-8, or holds no JSON object.
    """
    for place, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as exc:
            raise InvalidDatasetError(
                f"{place}: expected a JSON object, got {line.strip()[:80]!r} ({exc}); "
                "write one object a line"
            ) from exc
        if not isinstance(row, dict):
            raise InvalidDatasetError(
                f"{place}: expected a JSON object, got {row!r}; write one object a line"
            )
        yield place, row
