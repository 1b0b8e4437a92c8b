"""Traces and observations of Langfuse."""

from query_adapters.data.traces.parts import Row, documents_of, feedback_in, first, query_of
from query_adapters.data.traces.spans import Feedback, Span


def fits(row: Row) -> bool:
    """Return whether the row is a trace with its observations, or an observation."""
    return "observations" in row or {"traceId", "type"} <= row.keys()


def read(row: Row, id_key: str | None) -> tuple[Span, list[Feedback]]:
    """Return the trace or the observation as a span, and its scores."""
    key = first(row, ("id",)) or ""
    if "observations" in row:
        scores = [one for score in row.get("scores") or () for one in feedback_in(score, trace=key)]
        return Span(key, key), scores
    is_retriever = row["type"] == "RETRIEVER" or "retriev" in str(row.get("name")).lower()
    return Span(
        key,
        first(row, ("traceId",)),
        first(row, ("parentObservationId",)),
        query_of(row.get("input")) if is_retriever else None,
        documents_of(row.get("output"), id_key) if is_retriever else (),
    ), []
