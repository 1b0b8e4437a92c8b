"""Tests of the API embedders through the providers' SDKs, with a local server."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from query_adapters import EmbeddingCache, resolve_embedder
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import MissingKeyError, ProviderError, ProviderRefusedError
from tests.servers.chat import BROKEN_DOWN, RATE_LIMITED, Fault
from tests.servers.embeddings import DIM, KEY, EmbeddingServer, vector_of

OPENAI, COHERE = "openai:text-embedding-3-small", "cohere:embed-v4.0"
ROLES = {OPENAI: (None, None), COHERE: ("search_query", "search_document")}
Connect = Callable[..., TextEmbedder]
both_providers = pytest.mark.parametrize("name", [OPENAI, COHERE])


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes a model by name and connects it to the server."""

    def make(name: str, url: str, *, key: str = KEY, **settings: Any) -> TextEmbedder:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        monkeypatch.setenv("CO_API_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", key)
        monkeypatch.setenv("CO_API_KEY", key)
        return resolve_embedder(name, **settings)

    return make


def texts(n: int) -> list[str]:
    return [f"text {i}" for i in range(n)]


@both_providers
def test_each_text_gets_the_vector_of_its_role(name: str, connect: Connect) -> None:
    query_role, document_role = ROLES[name]
    with EmbeddingServer() as server:
        model = connect(name, server.url)
        queries, documents = model.embed_queries(texts(3)), model.embed_documents(texts(3))
    np.testing.assert_array_equal(queries, [vector_of(text, query_role) for text in texts(3)])
    np.testing.assert_array_equal(documents, [vector_of(text, document_role) for text in texts(3)])
    assert queries.dtype == np.float32
    assert {request.model for request in server.requests} == {name.partition(":")[2]}


@both_providers
def test_dimensions_are_asked_of_the_provider(name: str, connect: Connect) -> None:
    with EmbeddingServer() as server:
        assert connect(name, server.url, dimensions=5).embed_queries(["q"]).shape == (1, 5)
        assert connect(name, server.url).embed_queries(["q"]).shape == (1, DIM)
    assert [request.dimensions for request in server.requests] == [5, None]


@pytest.mark.parametrize(("name", "limit"), [(OPENAI, 2048), (COHERE, 96)])
def test_no_request_is_above_the_limit_of_the_api(name: str, limit: int, connect: Connect) -> None:
    with EmbeddingServer() as server:
        model = connect(name, server.url, concurrency=1, batch_size=2 * limit + 1)
        vectors = model.embed_documents(texts(2 * limit + 1))
    assert [len(request.texts) for request in server.requests] == [limit, limit, 1]
    np.testing.assert_array_equal(vectors[-1], vector_of(texts(2 * limit + 1)[-1], ROLES[name][1]))


@both_providers
def test_a_batch_is_spread_over_requests_and_comes_back_in_order(
    name: str, connect: Connect
) -> None:
    with EmbeddingServer() as server:
        model = connect(name, server.url, batch_size=10, concurrency=4)
        vectors = EmbeddingCache().embed_documents(model, texts(20))
    np.testing.assert_array_equal(vectors, [vector_of(t, ROLES[name][1]) for t in texts(20)])
    assert sorted(len(request.texts) for request in server.requests) == [1, 1, 3, 3, 3, 3, 3, 3]


@both_providers
@pytest.mark.parametrize("fault", [RATE_LIMITED, BROKEN_DOWN], ids=["429", "500"])
def test_a_request_that_failed_is_sent_again(name: str, fault: Fault, connect: Connect) -> None:
    with EmbeddingServer([fault]) as server:
        vectors = connect(name, server.url).embed_queries(["q"])
    np.testing.assert_array_equal(vectors, [vector_of("q", ROLES[name][0])])
    assert [request.status for request in server.requests] == [fault.status, 200]


@both_providers
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RATE_LIMITED, "status 429: not now; wait"),
        (Fault(404), "status 404: not now; check the model's name"),
        (Fault(400), "status 400: not now; check the model's settings"),
        (BROKEN_DOWN, "status 500: not now; try again later"),
    ],
    ids=["429", "404", "400", "500"],
)
def test_a_provider_that_keeps_failing_is_named(
    name: str, fault: Fault, told: str, connect: Connect
) -> None:
    with EmbeddingServer([fault]) as server:
        model = connect(name, server.url, max_retries=0)
        with pytest.raises(ProviderError, match=f"{name}.*{told}"):
            model.embed_queries(["q"])
    assert len(server.requests) == 1


@both_providers
def test_a_refused_key_is_named_at_once_and_never_shown(name: str, connect: Connect) -> None:
    with EmbeddingServer() as server:
        model = connect(name, server.url, key="sk-another")
        with pytest.raises(ProviderRefusedError, match="refused the key") as refusal:
            model.embed_queries(["q"])
    assert len(server.requests) == 1
    assert "sk-another" not in str(refusal.value)


@both_providers
def test_a_provider_that_cannot_be_reached_is_named(name: str, connect: Connect) -> None:
    with EmbeddingServer() as server:
        model = connect(name, server.url, max_retries=0)
    with pytest.raises(ProviderError, match=f"{name}: no answer.*check network"):
        model.embed_queries(["q"])


@both_providers
@pytest.mark.parametrize("key", ["", "  ", None])
def test_without_a_key_nothing_is_sent(
    name: str, key: str | None, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = {OPENAI: "OPENAI_API_KEY", COHERE: "CO_API_KEY"}[name]
    with EmbeddingServer() as server:
        connect(name, server.url)
        monkeypatch.delenv("COHERE_API_KEY", raising=False)
        monkeypatch.delenv(variable)
        if key is not None:
            monkeypatch.setenv(variable, key)
        with pytest.raises(MissingKeyError, match=f"environment variable {variable}, got none"):
            resolve_embedder(name)
    assert server.requests == []


@both_providers
def test_identity_tells_settings_apart_and_holds_no_secret(name: str, connect: Connect) -> None:
    url = "http://user:secret@localhost:1"
    one = connect(name, url)
    same = connect(name, url, key="sk-another", batch_size=7, max_retries=0, timeout=1.0)
    assert one.identity == same.identity
    assert connect(name, url, dimensions=5).identity != one.identity
    assert connect(name, "http://localhost:2").identity != one.identity
    assert connect(f"{name}-2", url).identity != one.identity
    assert KEY not in one.identity
    assert "secret" not in one.identity
    assert one.model_name == name.partition(":")[2]


@both_providers
@pytest.mark.parametrize("setting", ["dimensions", "batch_size", "concurrency"])
def test_a_setting_below_one_is_refused(name: str, setting: str, connect: Connect) -> None:
    with pytest.raises(ValueError, match=f"{setting}: expected at least 1, got 0"):
        connect(name, "http://localhost:1", **{setting: 0})
