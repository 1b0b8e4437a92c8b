"""Tasks of Label Studio: the JSON export. Its JSON-MIN and CSV exports are plain tables."""

from collections.abc import Mapping
from typing import Any

from query_adapters.data.readers.annotations import with_judgements
from query_adapters.data.readers.format import RowFormat
from query_adapters.data.readers.table import Row

VALUES = ("choices", "rating", "number", "text")  # keys of what an annotator chose or wrote


def fits(row: Row) -> bool:
    """Return whether the row is an annotated task."""
    return isinstance(row.get("data"), Mapping) and "annotations" in row


def flat(row: Row) -> Row:
    """Return the task's data as columns, and the mean value of each control tag."""
    answers: dict[str, list[Any]] = {}
    for annotation in row["annotations"] or ():
        if not annotation.get("was_cancelled"):
            for result in annotation.get("result") or ():
                answers.setdefault(str(result.get("from_name")), []).extend(_values(result))
    return with_judgements({"id": row.get("id"), **row["data"]}, answers)


def _values(result: Mapping[str, Any]) -> list[Any]:
    value = result.get("value") or {}
    found = next((value[key] for key in VALUES if key in value), None)
    return found if isinstance(found, list) else [found]


LABEL_STUDIO = RowFormat("label-studio", fits, flat=flat, guesses=True, needs="relevance")
