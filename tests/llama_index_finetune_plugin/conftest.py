"""A tiny deterministic embedding model, and recorders of what LlamaIndex sees of a model."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index_instrumentation import root_dispatcher
from pydantic import Field, PrivateAttr

from query_adapters.adapters import LinearAdapter

DIM = 8
SECRET = "sk-do-not-tell"  # noqa: S105


class FakeEmbedding(BaseEmbedding):
    """Vectors from a hash of the model's settings, the role and the text; remembers its calls.

    The dimension is told only if `dimensions` is set. An asynchronous query takes as many turns
    of the event loop as its text has letters.
    """

    model_name: str = "fake/tiny-embedder"
    api_key: str = SECRET
    dimensions: int | None = None
    width: int = DIM
    instruction: str = ""
    _calls: list[tuple[str, tuple[str, ...]]] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "FakeEmbedding"

    @property
    def calls(self) -> list[tuple[str, tuple[str, ...]]]:
        return self._calls

    def vector(self, role: str, text: str) -> list[float]:
        said = f"{self.model_name}|{self.instruction}|{role}|{text}"
        seed = int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "little")
        size = self.width if self.dimensions is None else self.dimensions
        vector: list[float] = np.random.default_rng(seed).normal(size=size).tolist()
        return vector

    def _embed(self, call: str, role: str, *texts: str) -> list[list[float]]:
        self._calls.append((call, texts))
        return [self.vector(role, text) for text in texts]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._embed("query", "query", query)[0]

    async def _aget_query_embedding(self, query: str) -> list[float]:
        for _ in query:
            await asyncio.sleep(0)
        return self._embed("async query", "query", query)[0]

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._embed("text", "text", text)[0]

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return self._embed("async text", "text", text)[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed("batch", "text", *texts)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._embed("async batch", "text", *texts)


class CountingLimiter:
    """Lets everything pass and counts it."""

    def __init__(self) -> None:
        self.n_acquired = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.n_acquired += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.n_acquired += 1


class EventRecorder(BaseEventHandler):
    """Keeps every event."""

    events: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self.events.append(event)


@pytest.fixture
def make_base() -> Callable[..., FakeEmbedding]:
    return FakeEmbedding


@pytest.fixture
def base() -> FakeEmbedding:
    return FakeEmbedding()


@pytest.fixture
def secret() -> str:
    return SECRET


@pytest.fixture
def make_adapter() -> Callable[..., LinearAdapter]:
    def make(seed: int = 0, *, dim: int = DIM, dim_out: int | None = None) -> LinearAdapter:
        shape = (dim if dim_out is None else dim_out, dim)
        return LinearAdapter(np.random.default_rng(seed).normal(size=shape))

    return make


@pytest.fixture
def adapter(make_adapter: Callable[..., LinearAdapter]) -> LinearAdapter:
    return make_adapter()


@pytest.fixture
def make_limiter() -> Callable[[], CountingLimiter]:
    return CountingLimiter


@pytest.fixture
def events() -> Iterator[list[BaseEvent]]:
    """Every instrumentation event of the test."""
    recorder = EventRecorder()
    root_dispatcher.add_event_handler(recorder)
    yield recorder.events
    root_dispatcher.event_handlers.remove(recorder)


@pytest.fixture
def spans() -> Iterator[SimpleSpanHandler]:
    """Every instrumentation span of the test."""
    recorder = SimpleSpanHandler()
    root_dispatcher.add_span_handler(recorder)
    yield recorder
    root_dispatcher.span_handlers.remove(recorder)
