"""Fixtures with a recording LlamaIndex model, a rate limiter, and LlamaIndex's events and spans."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index_instrumentation import root_dispatcher
from pydantic import Field

from tests.integrations.fixtures import (
    adapter,
    base,
    make_adapter,
    make_base,
    make_store,
    output,
    secret,
)
from tests.integrations.framework import Framework
from tests.integrations.llama_index import LLAMA_INDEX

__all__ = ["adapter", "base", "make_adapter", "make_base", "make_store", "output", "secret"]


@pytest.fixture
def framework() -> Framework:
    """The LlamaIndex integration."""
    return LLAMA_INDEX


class CountingLimiter:
    """A rate limiter that grants and counts every permit."""

    def __init__(self) -> None:
        self.n_acquired = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.n_acquired += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.n_acquired += 1


class EventRecorder(BaseEventHandler):
    """Record every event."""

    events: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self.events.append(event)


@pytest.fixture
def make_limiter() -> Callable[[], CountingLimiter]:
    return CountingLimiter


@pytest.fixture
def events() -> Iterator[list[BaseEvent]]:
    """Yield the list of all instrumentation events of the test."""
    recorder = EventRecorder()
    root_dispatcher.add_event_handler(recorder)
    yield recorder.events
    root_dispatcher.event_handlers.remove(recorder)


@pytest.fixture
def spans() -> Iterator[SimpleSpanHandler]:
    """Yield the handler of all instrumentation spans of the test."""
    recorder = SimpleSpanHandler()
    root_dispatcher.add_span_handler(recorder)
    yield recorder
    root_dispatcher.span_handlers.remove(recorder)
