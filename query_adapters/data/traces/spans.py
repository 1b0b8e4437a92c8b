"""Spans of a trace, in one form for every tool."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TracedDocument:
    """A document that a retriever returned, with its text or its id or both."""

    text: str | None
    id: str | None = None


@dataclass(frozen=True)
class Span:
    """A step of a trace; of a retriever, with its query and documents, best first."""

    id: str
    trace_id: str | None = None
    parent_id: str | None = None
    query: str | None = None
    documents: tuple[TracedDocument, ...] = ()


@dataclass(frozen=True)
class Feedback:
    """A rating of a document, a span or a whole trace.

    Args:
        name: What was rated.
        value: The rating.
        span_id: Rated span, or None for a trace.
        trace_id: Rated trace, if no span is given.
        position: Rated document's position among those of the span, from 0.
        document_id: Rated document's id.
    """

    name: str
    value: float
    span_id: str | None = None
    trace_id: str | None = None
    position: int | None = None
    document_id: str | None = None
