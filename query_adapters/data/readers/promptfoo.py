"""Test cases of promptfoo: `tests` in YAML, JSON or CSV."""

from collections.abc import Iterable, Mapping
from typing import Any

from query_adapters.data.readers.format import RowFormat
from query_adapters.data.readers.table import Row
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted

ANSWERING = ("equals", "similar", "factuality", "contains", "icontains", "context-recall")
"""Assertions whose value is the expected answer, in the order in which one is taken."""
EXPECTED = "__expected"  # column of an assertion in CSV, as "<type>: <value>"


def fits(row: Row) -> bool:
    """Return whether the row is a test case."""
    return "vars" in row or any(name.startswith(EXPECTED) for name in row)


def flat(row: Row) -> Row:
    """Return the variables as columns, and the answer that the assertions expect."""
    if "vars" not in row:
        return _from_csv(row)
    values = row["vars"] if isinstance(row["vars"], Mapping) else {}
    for value in values.values():
        if isinstance(value, str) and value.startswith("file://"):
            raise InvalidDatasetError(
                f"expected texts in vars, got {quoted(value)}; files that a test case names are "
                "not read"
            )
    expected = _expected(row.get("assert") or ())
    return {**values} if expected is None else {"expected": expected, **values}


def _expected(assertions: Iterable[Any]) -> str | None:
    found = {
        entry.get("type"): entry["value"]
        for entry in assertions
        if isinstance(entry, Mapping) and isinstance(entry.get("value"), str)
    }
    return next((found[kind] for kind in ANSWERING if kind in found), None)


def _from_csv(row: Row) -> Row:
    cells = [text for name, text in row.items() if name.startswith(EXPECTED) and text]
    pairs = [cell.partition(":") if ":" in cell else ("equals", ":", cell) for cell in cells]
    expected = _expected({"type": kind, "value": text.strip()} for kind, _, text in pairs)
    own = {name: value for name, value in row.items() if not name.startswith("__")}
    return own if expected is None else {"expected": expected, **own}


PROMPTFOO = RowFormat("promptfoo", fits, flat=flat, guesses=True)
