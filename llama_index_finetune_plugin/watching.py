"""Watch the retrievers of LlamaIndex: log what they show, and count it."""

import time
from contextvars import ContextVar
from typing import Any, Unpack

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.retrieval import (
    RetrievalEndEvent,
    RetrievalStartEvent,
)
from llama_index.core.instrumentation.events.span import (  # type: ignore[attr-defined]
    SpanDropEvent,
)
from llama_index.core.schema import QueryBundle
from pydantic import Field

from query_adapters.monitoring.watching import RetrievalWatch, WatchOptions

FAILED = "_OTHER"  # OpenTelemetry's name of an unknown error: the event holds its message alone

_OUTERMOST: ContextVar[str | None] = ContextVar("query_adapters_retrieval", default=None)


class RetrievalEventHandler(BaseEventHandler):
    """Logs what retrievers show, and records metrics and attributes of spans.

    Add it once: `get_dispatcher().add_event_handler(RetrievalEventHandler(log=log))`, with
    `get_dispatcher` of `llama_index.core.instrumentation`. It then sees every retriever of the
    process. Of a retriever that asks others, such as `InterleavedRetriever`, its own list counts.

    Args:
        **options: As in `query_adapters.monitoring.WatchOptions`.

    Raises:
        ValueError: If nothing is to be done, or a log without texts gets no vectors.
        TypeError: If `model` has no adapter.
        MissingExtraError: If the extra `telemetry` is needed and not installed.
    """

    # fields, because a private attribute of pydantic takes 3 µs to get
    watch: RetrievalWatch = Field(exclude=True, repr=False, frozen=True)
    began: dict[str, float] = Field(default_factory=dict, exclude=True, repr=False, frozen=True)

    def __init__(self, **options: Unpack[WatchOptions]) -> None:
        fields: dict[str, Any] = {"watch": RetrievalWatch(**options)}
        super().__init__(**fields)

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class."""
        return "RetrievalEventHandler"

    def flush(self, timeout: float | None = None) -> bool:
        """Return whether all so far is written, after at most so many seconds.

        A thread in the background writes; the end of the process waits for it.
        """
        return self.watch.flush(timeout)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """Note the event, if it is one of an outermost retrieval."""
        if isinstance(event, RetrievalStartEvent):
            self._start(event.span_id or "")
        elif isinstance(event, RetrievalEndEvent):
            seconds = self._end(event.span_id or "")
            if seconds is not None:
                self._note(event, seconds)
        elif isinstance(event, SpanDropEvent):
            span = event.span_id or ""
            seconds = self._end(span)
            if seconds is not None:
                self.watch.failed(FAILED, seconds=seconds, retriever=_class_in(span))

    def _start(self, span: str) -> None:
        if _OUTERMOST.get() in (None, span):  # another handler may have noted it already
            _OUTERMOST.set(span)
            self.began[span] = time.perf_counter()

    def _end(self, span: str) -> float | None:
        """Return how long the retrieval took; None if it is within another one, or unknown."""
        began = self.began.pop(span, None)
        if began is None:
            return None
        _OUTERMOST.set(None)
        return time.perf_counter() - began

    def _note(self, event: RetrievalEndEvent, seconds: float) -> None:
        asked = event.str_or_query_bundle
        self.watch.retrieved(
            asked.query_str if isinstance(asked, QueryBundle) else asked,
            [(one.node.node_id, one.node.metadata, one.score) for one in event.nodes],
            seconds=seconds,
            retriever=_class_in(event.span_id or ""),
        )


def _class_in(span: str) -> str:
    """Return the class of the retriever in the id of its span, such as "X.retrieve-<uuid>"."""
    return span.partition(".")[0]
