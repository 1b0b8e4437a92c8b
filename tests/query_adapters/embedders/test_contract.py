"""The contract of our embedding models: through the providers' SDKs, and local ones."""

from collections.abc import Callable

import pytest

from query_adapters import resolve_embedder
from query_adapters.embedders import TextEmbedder
from query_adapters.testing import TextEmbedderSuite
from tests.servers.embeddings import KEY, EmbeddingServer

Serve = Callable[..., EmbeddingServer]


class TestOpenAI(TextEmbedderSuite):
    has_roles = False

    @pytest.fixture
    def embedder(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> TextEmbedder:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{serve().url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        return resolve_embedder("openai:text-embedding-3-small", batch_size=20)


class TestCohere(TextEmbedderSuite):
    @pytest.fixture
    def embedder(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> TextEmbedder:
        monkeypatch.setenv("CO_API_URL", serve().url)
        monkeypatch.setenv("CO_API_KEY", KEY)
        return resolve_embedder("cohere:embed-v4.0", batch_size=20)
