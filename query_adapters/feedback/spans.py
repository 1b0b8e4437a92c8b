"""Feedback from traces that an app writes anyway: OpenInference spans, LangSmith, Langfuse."""

from collections.abc import Iterator, Sequence
from typing import Any

from query_adapters.data.answers import text_id
from query_adapters.data.traces.reading import read_feedback, read_spans
from query_adapters.data.traces.spans import Feedback, Span, TracedDocument
from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.questions import QuestionPrivacy
from query_adapters.feedback.reading import FeedbackRecords
from query_adapters.feedback.records import EventKind, FeedbackEvent, ShownList

CLICKS = ("click", "clicked")
CITATIONS = ("citation", "cited")


def feedback_from_spans(
    traces: Any,
    *,
    feedback: Any = None,
    clicks: Sequence[str] = CLICKS,
    citations: Sequence[str] = CITATIONS,
    ratings: Sequence[str] | None = None,
    id_key: str | None = None,
) -> FeedbackRecords:
    """Return what traced retrievers showed, with the feedback on it, for `dataset_from_feedback`.

    Reads what `query_adapters.data.traces.from_traces` reads. Feedback with the name of a click or
    of a citation counts as one if its value is above 0; other feedback is a rating. Feedback on a
    document names it by its position or its id; feedback on a span or a trace is a rating of the
    whole list. Traces hold no time that all tools write alike, so lists do not age.

    Args:
        traces: A path (`.json`, `.jsonl`, `.parquet`, `.csv`), dicts, or a pandas table.
        feedback: Path or table of annotations, feedback or scores that are not in the traces.
        clicks: Names of feedback that are clicks.
        citations: Names of feedback that are citations by the answer.
        ratings: Names of feedback that are ratings; None for all other names.
        id_key: Key of the documents' metadata that holds the id in your index.

    Raises:
        FileNotFoundError: If a path does not exist.
        InvalidDatasetError: If the source cannot be read, or holds no retrieval.
    """
    spans, found = read_spans(traces, id_key)
    found += [] if feedback is None else read_feedback(feedback)
    kinds: dict[str, EventKind] = {
        **dict.fromkeys(ratings or (), "rated"),
        **dict.fromkeys(clicks, "clicked"),
        **dict.fromkeys(citations, "cited"),
    }
    named = [(kinds.get(one.name, "rated"), one) for one in found]
    if ratings is not None:
        named = [(kind, one) for kind, one in named if one.name in kinds]
    by_target: dict[str | None, list[tuple[EventKind, Feedback]]] = {}
    for kind, one in named:
        by_target.setdefault(one.span_id or one.trace_id, []).append((kind, one))
    retrievals = [span for span in spans if span.query is not None and span.documents]
    if not retrievals:
        raise InvalidDatasetError(
            f"{len(spans)} spans: expected a retriever's, with its query and documents, got none"
        )
    lists = [_list(span, by_target) for span in retrievals]
    known = {target for span in retrievals for target in (span.id, span.trace_id)}
    n_orphans = sum(len(some) for target, some in by_target.items() if target not in known)
    return FeedbackRecords(lists=tuple(lists), n_orphans=n_orphans)


def _list(span: Span, by_target: dict[str | None, list[tuple[EventKind, Feedback]]]) -> ShownList:
    ids = [_id(document) for document in span.documents]
    feedback = [*by_target.get(span.id, ()), *by_target.get(span.trace_id, ())]
    question = str(span.query)
    return ShownList(
        id=span.id,
        key=QuestionPrivacy().key(question),
        question=question,
        ids=tuple(dict.fromkeys(ids)),
        events=tuple(event for kind, one in feedback for event in _events(kind, one, ids)),
    )


def _id(document: TracedDocument) -> str:
    return document.id if document.id is not None else text_id(str(document.text))


def _events(kind: EventKind, one: Feedback, ids: Sequence[str]) -> Iterator[FeedbackEvent]:
    """Yield the event; none for a click of 0, or one that names no document of the list."""
    document = one.document_id
    if document is None and one.position is not None:
        document = ids[one.position] if 0 <= one.position < len(ids) else f"#{one.position}"
    if kind == "rated":
        yield FeedbackEvent(kind=kind, document=document, grade=one.value)
    elif one.value > 0 and document is not None:
        yield FeedbackEvent(kind=kind, document=document)
