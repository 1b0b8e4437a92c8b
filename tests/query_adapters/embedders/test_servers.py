"""Tests of what providers with OpenAI's API differ in, through its SDK, with a local server."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from langchain_adapter import NamedEmbeddings
from llama_index_finetune_plugin import NamedEmbedding
from query_adapters import EmbeddingCache, resolve_embedder
from query_adapters.embedders import SERVERS, OpenAIEmbedder, TextEmbedder
from query_adapters.embedders.openai_servers import NO_KEY
from query_adapters.errors import MissingKeyError, ProviderError
from tests.servers.chat import BROKEN_DOWN, RATE_LIMITED
from tests.servers.embeddings import KEY, EmbeddingServer, vector_of

Connect = Callable[..., TextEmbedder]
ROLES = {"voyage": ("query", "document"), "jina": ("retrieval.query", "retrieval.passage")}
LOCAL = [name for name, server in SERVERS.items() if not server.needs_key]
each_server = pytest.mark.parametrize("name", [name for name in SERVERS if name != "openai"])
TEXTS = [f"text {n}" for n in range(3)]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that connects a provider's model to the server, by the environment."""

    def make(name: str, url: str, model: str = "m", **settings: Any) -> TextEmbedder:
        server = SERVERS[name]
        monkeypatch.setenv(server.url_variable, url)
        monkeypatch.setenv(server.key_variable, KEY)
        return resolve_embedder(f"{name}/{model}", **settings)

    return make


@each_server
def test_each_text_gets_the_vector_of_its_role(name: str, connect: Connect) -> None:
    query_role, document_role = ROLES.get(name, (None, None))
    with EmbeddingServer() as server:
        model = connect(name, server.url)
        queries, documents = model.embed_queries(TEXTS), model.embed_documents(TEXTS)
    np.testing.assert_array_equal(queries, [vector_of(text, query_role) for text in TEXTS])
    np.testing.assert_array_equal(documents, [vector_of(text, document_role) for text in TEXTS])
    assert {request.path for request in server.requests} == {f"{SERVERS[name].url_path}/embeddings"}
    assert {request.encoding for request in server.requests} == {SERVERS[name].encoding}


@each_server
def test_dimensions_have_the_providers_name(name: str, connect: Connect) -> None:
    with EmbeddingServer() as server:
        model = connect(name, server.url, dimensions=5)
        assert model.embed_queries(["q"]).shape == (1, 5)
    assert [request.dimensions for request in server.requests] == [5]


@each_server
def test_no_request_is_above_the_limits(name: str, connect: Connect) -> None:
    limits = SERVERS[name]
    texts = [f"{n:06} {'word ' * 60}" for n in range(limits.texts_per_request + 1)]
    with EmbeddingServer() as server:
        connect(name, server.url, concurrency=1).embed_documents(texts)
    asked = [request.texts for request in server.requests]
    assert sorted(text for part in asked for text in part) == texts
    assert max(map(len, asked)) <= limits.texts_per_request
    if limits.tokens_per_request is not None:
        assert max(sum(map(len, part)) for part in asked) <= 2 * limits.tokens_per_request


@pytest.mark.parametrize("name", ["voyage", "ollama"])
def test_a_text_is_paid_for_once(name: str, connect: Connect) -> None:
    with EmbeddingServer([RATE_LIMITED, BROKEN_DOWN]) as server:
        model = connect(name, server.url, concurrency=1, batch_size=2)
        vectors = EmbeddingCache().embed_documents(model, [*TEXTS, *TEXTS])
        model.embed_queries(["a", "b", "a"])
    assert set(server.paid.values()) == {1}
    np.testing.assert_array_equal(vectors[:3], vectors[3:])


@pytest.mark.parametrize("name", LOCAL)
def test_a_server_of_ones_own_needs_no_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVERS[name].key_variable, raising=False)
    with EmbeddingServer(key=NO_KEY) as server:
        model = resolve_embedder(f"{name}/m?base_url={server.url}")
        assert len(model.embed_queries(["q"])) == 1


@pytest.mark.parametrize("name", [name for name in SERVERS if name not in LOCAL])
def test_a_provider_needs_a_key_and_is_not_asked_without(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SERVERS[name].key_variable, raising=False)
    with pytest.raises(MissingKeyError, match=SERVERS[name].key_variable):
        OpenAIEmbedder("m", provider=name, base_url="http://localhost:1")


def test_azure_needs_an_address_and_its_key_goes_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("AZURE_OPENAI_ENDPOINT", raising=False)
    with pytest.raises(MissingKeyError, match="environment variable AZURE_OPENAI_ENDPOINT"):
        resolve_embedder("azure/my-deployment")
    with pytest.raises(ValueError, match="provider: expected one of openai, azure"):
        OpenAIEmbedder("m", provider="azzure")


def test_a_failure_names_the_provider(connect: Connect) -> None:
    with EmbeddingServer([BROKEN_DOWN]) as server:
        model = connect("mistral", server.url, max_retries=0)
        with pytest.raises(ProviderError, match="mistral:m: the provider answered with status 500"):
            model.embed_queries(["q"])


def test_a_family_gets_its_prefixes_where_the_server_has_no_roles(connect: Connect) -> None:
    with EmbeddingServer() as server:
        connect("ollama", server.url, "nomic-embed-text:latest").embed_queries(["a"])
        connect("jina", server.url, "jina-embeddings-v3").embed_queries(["a"])
    assert [request.texts for request in server.requests] == [("search_query: a",), ("a",)]


@pytest.mark.parametrize("wrapped", [NamedEmbeddings, NamedEmbedding])
def test_the_frameworks_get_roles_and_batches(wrapped: Any, connect: Connect) -> None:
    with EmbeddingServer() as server:
        connect("voyage", server.url)
        model = wrapped("voyage/voyage-4")
        query = getattr(model, "aembed_query", None) or model.aget_query_embedding
        documents = getattr(model, "embed_documents", None) or model.get_text_embedding_batch
        assert asyncio.run(query("q")) == vector_of("q", "query")
        assert documents(TEXTS) == [vector_of(text, "document") for text in TEXTS]
    assert sum(len(request.texts) for request in server.requests) == 4
    assert model.dim == 1024
