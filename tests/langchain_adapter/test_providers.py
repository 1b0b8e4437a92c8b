"""Real SDKs against a provider on loopback: roles and retries of an adapted model."""

from langchain_adapter import AdapterEmbeddings
from query_adapters.embedders.identity import identity_of
from tests.providers.expected import (
    ADAPTER,
    ROLES,
    Serve,
    check_told,
    check_vectors,
    each_provider,
    ignore_own_warnings,
)
from tests.providers.langchain import MODELS
from tests.servers.chat import RATE_LIMITED

pytestmark = ignore_own_warnings


@each_provider
def test_roles_reach_the_wire_in_both_ways_of_calling(provider: str, serve: Serve) -> None:
    server = serve()
    model = AdapterEmbeddings(MODELS[provider](server), ADAPTER)
    check_vectors(provider, model.embed_query("q"), model.embed_documents(["a", "b"]))
    asked_as, kept_as = ROLES[provider]
    assert [(r.texts, r.input_type) for r in server.requests] == [
        (("q",), asked_as),
        (("a", "b"), kept_as),
    ]
    check_told(provider, server)


@each_provider
async def test_roles_reach_the_wire_asynchronously(provider: str, serve: Serve) -> None:
    server = serve()
    model = AdapterEmbeddings(MODELS[provider](server), ADAPTER)
    query = await model.aembed_query("q")
    check_vectors(provider, query, await model.aembed_documents(["a", "b"]))
    assert [r.input_type for r in server.requests] == list(ROLES[provider])


@each_provider
def test_a_rate_limit_is_waited_for(provider: str, serve: Serve) -> None:
    server = serve([RATE_LIMITED, RATE_LIMITED])
    model = AdapterEmbeddings(MODELS[provider](server), ADAPTER)
    query, documents = model.embed_query("q"), model.embed_documents(["a", "b"])
    check_vectors(provider, query, documents)
    assert [r.status for r in server.requests] == [429, 429, 200, 200]


@each_provider
async def test_a_rate_limit_is_waited_for_asynchronously(provider: str, serve: Serve) -> None:
    server = serve([RATE_LIMITED, RATE_LIMITED])
    model = AdapterEmbeddings(MODELS[provider](server), ADAPTER)
    query = await model.aembed_query("q")
    check_vectors(provider, query, await model.aembed_documents(["a", "b"]))
    assert [r.status for r in server.requests] == [429, 429, 200, 200]


@each_provider
def test_an_identity_is_the_same_before_and_after_a_call(provider: str, serve: Serve) -> None:
    server = serve()
    model = MODELS[provider](server)
    before = identity_of(model)
    model.embed_query("q")
    assert identity_of(model) == before == identity_of(MODELS[provider](server))
