"""Exports of traces as spans and feedback."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from query_adapters.data.readers.json_files import parse_json
from query_adapters.data.readers.records import read_records
from query_adapters.data.traces import langfuse, langsmith, openinference
from query_adapters.data.traces.parts import Row, feedback_in, nested
from query_adapters.data.traces.spans import Feedback, Span
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.foreign import refusing

LISTS = (
    "data", "spans", "traces", "runs", "child_runs", "observations", "scores", "feedback",
)  # fmt: skip


def read_spans(source: Any, id_key: str | None) -> tuple[list[Span], list[Feedback]]:
    """Return the spans of an export with the feedback that it holds.

    Raises:
        FileNotFoundError: If a path does not exist.
        InvalidDatasetError: If the source cannot be read.
    """
    with refusing(_name(source), "an export of traces", error=InvalidDatasetError):
        found = [_read(row, id_key) for row in _rows(source)]
    return [span for span, _ in found], [one for _, ratings in found for one in ratings]


def read_feedback(source: Any) -> list[Feedback]:
    """Return the ratings in an export of feedback, annotations or scores.

    Raises:
        FileNotFoundError: If a path does not exist.
        InvalidDatasetError: If the source cannot be read.
    """
    with refusing(_name(source), "an export of feedback", error=InvalidDatasetError):
        return [one for row in _rows(source) for one in feedback_in(nested(row))]


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "the rows"


def _read(row: Row, id_key: str | None) -> tuple[Span, list[Feedback]]:
    if langsmith.fits(row):
        return langsmith.read(row, id_key)
    if langfuse.fits(row):
        return langfuse.read(row, id_key)
    return openinference.read(row, id_key)


def _rows(source: Any) -> Iterator[Row]:
    if isinstance(source, str | Path) and Path(source).suffix == ".json":
        return _within(parse_json(Path(source)))
    index = getattr(getattr(source, "index", None), "names", ())
    levels = [name for name in index if name is not None and name not in source.columns]
    if levels:  # Phoenix keeps the ids of spans in the index of its tables
        source = source.reset_index(level=levels)
    return (found for _, row in read_records(source) for found in _within(row))


def _within(content: Any) -> Iterator[Row]:
    if isinstance(content, list):
        for entry in content:
            yield from _within(entry)
    elif isinstance(content, Mapping) and "resourceSpans" in content:
        yield from openinference.otlp_spans(content)
    elif isinstance(content, Mapping):
        key = next((name for name in LISTS if isinstance(content.get(name), list)), None)
        if key is None or "id" in content:
            yield content
        if key is not None:
            yield from _within(content[key]) if key != "scores" or "id" not in content else ()
