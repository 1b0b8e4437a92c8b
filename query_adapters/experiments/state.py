"""Save the state of a test as a small JSON file, and read it back with checks."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.atomic import replace_file
from query_adapters.files.json_reading import read_json_file
from query_adapters.files.json_types import is_count

T = TypeVar("T")
FORMAT = 1


def write_state(path: str | Path, kind: str, record: Mapping[str, Any]) -> Path:
    """Write the state of a test of this kind, and return the path."""
    text = json.dumps({"format": FORMAT, "test": kind, **record}, indent=2)
    return replace_file(path, [f"{text}\n".encode()])


def read_state(path: str | Path, kind: str, from_record: Callable[[Mapping[str, Any]], T]) -> T:
    """Return the test whose state is in the file.

    Args:
        path: The file.
        kind: Name of the class that wrote it.
        from_record: Makes the test from the rest of the record.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If it holds something else, or the state of a newer version.
    """
    record = read_json_file(path, error=InvalidDatasetError, unique=True)
    if not isinstance(record, dict) or not is_count(record.get("format")):
        raise InvalidDatasetError(f"{path}: expected the state of a {kind}, got other JSON")
    version, found = record.pop("format"), record.pop("test", None)
    if version > FORMAT:
        raise InvalidDatasetError(
            f"{path}: expected format {FORMAT}, got {version}; update llama-index-finetune-plugin"
        )
    if found != kind:
        raise InvalidDatasetError(f"{path}: expected the state of a {kind}, got one of {found!r}")
    try:
        return from_record(record)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise InvalidDatasetError(
            f"{path}: the state is altered or incomplete ({type(error).__name__}: {error}); "
            "restore it, or start a new test"
        ) from error
