"""Change JSON by its structure: one value of it is replaced, or dropped."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

Path = tuple[Any, ...]
ODD: Sequence[Any] = (
    None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e308, float("nan"), float("inf"), 10**400, 2**63,
    -(2**63), "", " ", "id", "q", "\ud800", "\x00", "\x1b[31m", "../x", "\u202e", "file://x", "[[",
    "=1+1", "1", "nan", "1e999", "2026-01-01", [], {}, [[]], [{}], {"": None}, [None], ["a", "b"],
    [0.0, 1.0], {"a": 1},
)  # fmt: skip


def paths(value: Any) -> list[Path]:
    """Return the paths of all values within a value, itself included."""
    found: list[Path] = [()]
    items: Any = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        found += [(key, *path) for path in paths(inner)]
    return found


def with_value(value: Any, path: Path, new: Any, *, drop: bool = False) -> Any:
    """Return a copy with another value at the path, or without it."""
    if not path:
        return new
    key, *others = path
    if drop and not others:
        if isinstance(value, dict):
            return {name: inner for name, inner in value.items() if name != key}
        return [inner for place, inner in enumerate(value) if place != key]
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[key] = with_value(copied[key], tuple(others), new, drop=drop)
    return copied


def value_at(value: Any, path: Path) -> Any:
    """Return the value at the path."""
    for key in path:
        value = value[key]
    return value


def replaced(content: bytes, source: Random) -> bytes | None:
    """Return JSON, or JSONL, with a value replaced by an odd one or by another of its values.

    None if the content is no JSON.
    """
    lines = content.split(b"\n")
    for place, text in [(None, content), (source.randrange(len(lines)), b"")]:
        try:
            known = json.loads(text if place is None else lines[place])
            known_paths = paths(known)
        except (ValueError, RecursionError):
            continue
        path = source.choice(known_paths)
        new = source.choice([*ODD, value_at(known, source.choice(known_paths))])
        changed = json.dumps(with_value(known, path, new, drop=source.random() < 0.2)).encode()
        if place is None:
            return changed
        return b"\n".join([*lines[:place], changed, *lines[place + 1 :]])
    return None
