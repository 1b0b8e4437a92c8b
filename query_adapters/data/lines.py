"""Read text files line by line, with the position of each line for messages."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError
from query_adapters.files import reading
from query_adapters.files.json_reading import parse_json


def read_lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yield the position of each line, `<path>:<number>`, and its text with the line end.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If it is no regular file or too large, or a line is not UTF-8.
    """
    return reading.read_lines(path, error=InvalidDatasetError)


def read_rows(path: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the position and the object of each non-blank line of a JSONL file.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If it is no regular file or too large, or a line is not UTF-8 or holds
            no JSON object.
    """
    for place, line in read_lines(path):
        if not line.strip():
            continue
        row = parse_json(line, place, error=_one_a_line, expected="a JSON object")
        if not isinstance(row, dict):
            raise _one_a_line(f"{place}: expected a JSON object, got {row!r}")
        yield place, row


def _one_a_line(message: str) -> InvalidDatasetError:
    return InvalidDatasetError(f"{message}; write one object a line")
