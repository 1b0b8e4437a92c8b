"""Spans with OpenInference attributes: OTLP JSON, and exports of Phoenix in any nesting."""

from collections.abc import Iterator, Mapping
from typing import Any

from query_adapters.data.traces.parts import (
    Row,
    documents_of,
    feedback_in,
    id_in,
    nested,
    query_of,
)
from query_adapters.data.traces.spans import Feedback, Span

RETRIEVER = "RETRIEVER"
SINGLE = ("stringValue", "intValue", "doubleValue", "boolValue")  # kinds of values in OTLP
RATINGS = ("annotations", "span_annotations", "evaluations")


def otlp_spans(export: Row) -> Iterator[Row]:
    """Yield the spans of an OTLP export, with plain attributes."""
    for resource in export.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield {**span, "attributes": _attributes(span.get("attributes", ()))}


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair["key"]: _value(pair.get("value", {})) for pair in pairs}


def _value(value: Row) -> Any:
    if "arrayValue" in value:
        return [_value(entry) for entry in value["arrayValue"].get("values", ())]
    if "kvlistValue" in value:
        return _attributes(value["kvlistValue"].get("values", ()))
    return next((value[kind] for kind in SINGLE if kind in value), None)


def read(row: Row, id_key: str | None) -> tuple[Span, list[Feedback]]:
    """Return the span, and ratings that are stored in it."""
    span = nested(row)
    attributes = _mapping(span.get("attributes"))
    context = _mapping(span.get("context")) or span
    kind = _mapping(_mapping(attributes.get("openinference")).get("span")).get("kind")
    key = id_in(context, ("span_id", "spanId")) or id_in(span, ("id",)) or ""
    is_retriever = str(kind or span.get("span_kind")).upper() == RETRIEVER
    read_span = Span(
        key,
        id_in(context, ("trace_id", "traceId")),
        id_in(span, ("parent_id", "parentSpanId", "parentId")),
        query_of(_mapping(attributes.get("input")).get("value")) if is_retriever else None,
        documents_of(attributes.get("retrieval"), id_key) if is_retriever else (),
    )
    ratings = [entry for name in RATINGS for entry in span.get(name) or ()]
    return read_span, [one for entry in ratings for one in feedback_in(entry, span=key)]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
