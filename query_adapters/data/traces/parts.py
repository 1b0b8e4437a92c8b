"""Parts of spans that several tools write alike: queries, documents, feedback."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from query_adapters.data.readers.values import TEXT_KEYS, grade_of, is_missing
from query_adapters.data.traces.spans import Feedback, TracedDocument
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.json_reading import MAX_DEPTH, parse_json

Row = Mapping[str, Any]
QUERIES = ("query", "query_str", "question", "input", "user_input", "str_or_query_bundle")
SPAN_IDS = ("span_id", "spanId", "observationId", "observation_id", "run_id")
TRACE_IDS = ("trace_id", "traceId")
NAMES = ("name", "annotation_name", "key")
VALUES = ("score", "value", "label", "stringValue", "string_value")
LISTS = ("documents", "nodes", "source_nodes", "output")


def nested(flat: Row) -> dict[str, Any]:
    """Return the mapping with dotted keys as mappings within mappings."""
    root: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = str(key).split(".", MAX_DEPTH)
        place = root
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        found = _nested_value(value)
        old = place.get(last)
        place[last] = (
            {**old, **found} if isinstance(old, dict) and isinstance(found, dict) else found
        )
    return root


def _nested_value(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return nested(value)
    return [_nested_value(entry) for entry in value] if isinstance(value, list) else value


def first(row: Row, names: tuple[str, ...]) -> str | None:
    """Return the first of these values that is there, as a text."""
    found = next((row[name] for name in names if not is_missing(row.get(name))), None)
    return None if found is None else str(found)


def id_in(row: Row, names: tuple[str, ...]) -> str | None:
    """Return the id of a span or a trace, as every tool writes it."""
    found = first(row, names)
    return None if found is None else found.removeprefix("0x")


def parsed(value: Any) -> Any:
    """Return the value, or what a text that is JSON holds."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return parse_json(value, "the value", error=ValueError)
        except ValueError:
            return value
    return value


def query_of(value: Any) -> str | None:
    """Return the query in a span's input: a text, or an object that holds it."""
    found = parsed(value)
    if isinstance(found, Mapping):
        inner = (query_of(found[name]) for name in QUERIES if name in found)
        return next((query for query in inner if query is not None), None)
    return value if isinstance(value, str) and value.strip() else None


def documents_of(value: Any, id_key: str | None) -> tuple[TracedDocument, ...]:
    """Return the documents in a span's output: a list of them, or an object that holds it."""
    found = parsed(value)
    if isinstance(found, Mapping):
        listed = next((found[name] for name in LISTS if name in found), None)
        if isinstance(listed, Mapping) and all(str(key).isdigit() for key in listed):
            listed = [listed[key] for key in sorted(listed, key=int)]
        found = parsed(listed)
    entries = found if isinstance(found, list) else []
    documents = (_document(entry, id_key) for entry in entries if isinstance(entry, Mapping))
    return tuple(one for one in documents if one.text is not None or one.id is not None)


def _document(entry: Row, id_key: str | None) -> TracedDocument:
    inner = next(
        (entry[key] for key in ("document", "node") if isinstance(entry.get(key), Mapping)), entry
    )
    text = first(inner, TEXT_KEYS)
    if id_key is None:
        return TracedDocument(text, first(inner, ("id", "id_", "node_id", "_id")))
    metadata = parsed(inner.get("metadata"))
    return TracedDocument(
        text, first(metadata, (id_key,)) if isinstance(metadata, Mapping) else None
    )


def feedback_in(
    row: Row, *, span: str | None = None, trace: str | None = None
) -> Iterator[Feedback]:
    """Yield the rating in a row of feedback; none if it holds no value.

    Args:
        row: A rating, with nested keys.
        span: Span that the row belongs to, if it names none.
        trace: Trace that the row belongs to, if it names none.

    Raises:
        InvalidDatasetError: If the value is neither a number nor a known word.
    """
    result = {**row, **row["result"]} if isinstance(row.get("result"), Mapping) else row
    name = first(row, NAMES) or "feedback"
    value = next((result[key] for key in VALUES if not is_missing(result.get(key))), None)
    context = row["context"] if isinstance(row.get("context"), Mapping) else {}
    position = first(row, ("document_position",))
    if value is not None:
        yield Feedback(
            name,
            _number(value, name),
            id_in(row, SPAN_IDS) or id_in(context, SPAN_IDS) or span,
            id_in(row, TRACE_IDS) or id_in(context, TRACE_IDS) or trace,
            None if position is None else int(float(position)),
            first(row, ("document_id",)),
        )


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return grade_of(value, f"feedback {name!r}")
    if not math.isfinite(number):
        raise InvalidDatasetError(
            f"feedback {name!r}: expected a finite number, got {value!r}; correct or drop it"
        )
    return number
