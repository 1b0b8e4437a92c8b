"""Examples of a LangSmith dataset, exported as JSON, JSONL or CSV."""

from collections.abc import Mapping
from typing import Any

from query_adapters.data.readers.format import RowFormat
from query_adapters.data.readers.table import Row
from query_adapters.files.json_reading import parse_json

PARTS = ("inputs", "outputs")
PREFIXES = tuple(f"{part}." for part in PARTS)


def fits(row: Row) -> bool:
    """Return whether the row is an example with `inputs` and `outputs`."""
    return "inputs" in row or any(name.startswith(PREFIXES) for name in row)


def flat(row: Row) -> Row:
    """Return the keys of inputs, then of outputs, then of the row itself, as columns."""
    parts = [_object(row.get(part)) for part in PARTS]
    own = {
        name.removeprefix(PREFIXES[0]).removeprefix(PREFIXES[1]): value
        for name, value in row.items()
        if name not in PARTS
    }
    return {**own, **parts[1], **parts[0]}


def _object(value: Any) -> Mapping[str, Any]:
    """Return the object; in CSV it is JSON in a cell."""
    if isinstance(value, str):
        try:
            value = parse_json(value, "the cell", error=ValueError)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


LANGSMITH = RowFormat("langsmith", fits, flat=flat, guesses=True)
