"""Parse JSON from strangers: nesting, numbers and repeated keys under limits."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from query_adapters.files.reading import RECORD_BYTES, ErrorType, read_text

MAX_DEPTH = 100  # levels of lists and objects; Python's own functions end at about 1,000


class RepeatedKeyError(ValueError):
    """Raised inside the parser when an object has a key twice."""


def read_json_file(
    path: str | Path, *, error: ErrorType, limit: int = RECORD_BYTES, unique: bool = False
) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file; see `query_adapters.files.reading.open_file`.
        error: Makes the error of a message.
        limit: The most bytes.
        unique: Whether a key that occurs twice in an object is refused.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    text = read_text(path, error=error, limit=limit)
    return parse_json(text, str(path), error=error, unique=unique)


def parse_json(
    text: str,
    place: str,
    *,
    error: ErrorType,
    unique: bool = False,
    expected: str = "JSON",
) -> Any:
    """Return the value of a JSON text; other arguments as in `read_json_file`.

    Args:
        text: The text.
        place: Its place, for messages.
        error: Makes the error of a message.
        unique: Whether a key that occurs twice in an object is refused.
        expected: What is expected, for messages.
    """
    try:
        found = json.loads(text, object_pairs_hook=_unique if unique else None)
    except RecursionError as exc:
        raise error(_too_deep(place)) from exc
    except RepeatedKeyError as exc:
        raise error(f"{place}: {exc}") from exc
    except ValueError as exc:  # not JSON, a number of thousands of digits, a key twice
        raise error(f"{place}: expected {expected}, got {text.strip()[:80]!r} ({exc})") from exc
    if _may_be_deep(text) and is_deep(found):
        raise error(_too_deep(place))
    return found


def is_deep(value: Any, *, most: int = MAX_DEPTH) -> bool:
    """Return whether lists and mappings lie within each other in more than `most` levels."""
    level = [value]
    for _ in range(most + 1):
        inner = {id(one): one for one in level if isinstance(one, list | Mapping)}
        if not inner:
            return False
        level = [child for one in inner.values() for child in _children(one)]
    return True


def expanded_size(value: Any, *, most: int) -> int:
    """Return the number of values with shared parts counted each time; above `most` if deep."""
    sizes: dict[int, int] = {}

    def size(one: Any, depth: int) -> int:
        if not isinstance(one, list | Mapping):
            return 1
        if depth > MAX_DEPTH:
            return most + 1
        if id(one) not in sizes:
            sizes[id(one)] = 1 + sum(size(child, depth + 1) for child in _children(one))
        return sizes[id(one)]

    return size(value, 0)


def _children(one: Any) -> Any:
    return one.values() if isinstance(one, Mapping) else one


def _may_be_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > MAX_DEPTH


def _too_deep(place: str) -> str:
    return (
        f"{place}: expected JSON of at most {MAX_DEPTH} levels of lists and objects, got more; "
        "flatten it"
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RepeatedKeyError(f"expected unique ids, got {twice[:80]!r} twice; rename or drop one")
    return found
