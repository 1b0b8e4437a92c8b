"""Records of Argilla 2: `records.to_json`."""

from collections.abc import Mapping
from typing import Any

from query_adapters.data.readers.annotations import with_judgements
from query_adapters.data.readers.format import RowFormat
from query_adapters.data.readers.table import Row


def fits(row: Row) -> bool:
    """Return whether the row is a record with fields and responses."""
    return isinstance(row.get("fields"), Mapping) and "responses" in row


def flat(row: Row) -> Row:
    """Return the fields as columns, and the mean response to each question of the annotators."""
    answers = {
        name: [response.get("value") for response in responses]
        for name, responses in (row["responses"] or {}).items()
    }
    return with_judgements({**_id(row), **row["fields"]}, answers)


def _id(row: Row) -> dict[str, Any]:
    return {"id": row["id"]} if row.get("id") else {}


ARGILLA = RowFormat("argilla", fits, flat=flat, guesses=True, needs="relevance")
