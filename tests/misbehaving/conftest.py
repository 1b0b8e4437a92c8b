"""Models of two providers that are connected to a server that misbehaves."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from query_adapters import resolve_embedder
from query_adapters.embedders import TextEmbedder
from tests.misbehaving.answers import KEY
from tests.servers.misbehaving import MisbehavingServer

Make = Callable[..., TextEmbedder]


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as server:
        yield server


@pytest.fixture(autouse=True)
def connected(monkeypatch: pytest.MonkeyPatch, server: MisbehavingServer) -> None:
    """Set key and address in the environment, and let no retry wait."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    monkeypatch.setenv("CO_API_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CO_API_KEY", KEY)
    monkeypatch.setattr("query_adapters.embedders.openai.BACKOFF", 0.001)
    monkeypatch.setattr("query_adapters.embedders.cohere.BACKOFF", 0.001)
    monkeypatch.setattr("cohere.core.http_client.INITIAL_RETRY_DELAY_SECONDS", 0.001)


@pytest.fixture
def embedder(provider: str) -> Callable[..., Any]:
    """Return a function that makes this package's embedder of the provider."""

    def make(**options: Any) -> TextEmbedder:
        return resolve_embedder(f"{provider}:m", **options)

    return make
