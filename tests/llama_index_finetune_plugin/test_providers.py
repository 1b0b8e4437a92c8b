"""Real SDKs against a provider on loopback: roles and retries of an adapted model."""

import pytest

from llama_index_finetune_plugin import AdapterEmbedding
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
from tests.providers.llama_index import MODELS
from tests.servers.chat import RATE_LIMITED, Fault

pytestmark = ignore_own_warnings


@each_provider
@pytest.mark.parametrize("faults", [[], [RATE_LIMITED, RATE_LIMITED]], ids=["well", "rate limit"])
def test_roles_reach_the_wire_and_a_rate_limit_is_waited_for(
    provider: str, faults: list[Fault], serve: Serve
) -> None:
    server = serve(faults)
    model = AdapterEmbedding(MODELS[provider](server), ADAPTER)
    query, documents = (
        model.get_query_embedding("q"),
        model.get_text_embedding_batch(["a", "b"]),
    )
    check_vectors(provider, query, documents)
    assert model.get_text_embedding("a") == documents[0]
    assert [r.status for r in server.requests] == [429 for _ in faults] + [200, 200, 200]
    asked_as, kept_as = ROLES[provider]
    well = [(r.texts, r.input_type) for r in server.requests if r.status == 200]
    assert well == [(("q",), asked_as), (("a", "b"), kept_as), (("a",), kept_as)]
    check_told(provider, server)


@each_provider
@pytest.mark.parametrize("faults", [[], [RATE_LIMITED, RATE_LIMITED]], ids=["well", "rate limit"])
async def test_the_same_asynchronously(provider: str, faults: list[Fault], serve: Serve) -> None:
    server = serve(faults)
    model = AdapterEmbedding(MODELS[provider](server), ADAPTER)
    query = await model.aget_query_embedding("q")
    documents = await model.aget_text_embedding_batch(["a", "b"])
    check_vectors(provider, query, documents)
    assert await model.aget_text_embedding("a") == documents[0]
    asked_as, kept_as = ROLES[provider]
    assert [r.status for r in server.requests] == [429 for _ in faults] + [200, 200, 200]
    assert [r.input_type for r in server.requests if r.status == 200] == [
        asked_as,
        kept_as,
        kept_as,
    ]


@each_provider
def test_an_identity_is_the_same_before_and_after_a_call(provider: str, serve: Serve) -> None:
    server = serve()
    model = MODELS[provider](server)
    before = identity_of(model)
    model.get_query_embedding("q")
    assert identity_of(model) == before == identity_of(MODELS[provider](server))
