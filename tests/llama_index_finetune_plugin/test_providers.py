"""Tests of embedding a single document, for which LlamaIndex calls a separate method."""

from typing import Any

import pytest

from llama_index_finetune_plugin import AdapterEmbedding
from tests.providers.expected import ADAPTER, ROLES, Serve, each_provider, ignore_own_warnings
from tests.providers.llama_index import MODELS
from tests.servers.chat import RATE_LIMITED, Fault

pytestmark = ignore_own_warnings


@each_provider
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("faults", [[], [RATE_LIMITED] * 2], ids=["no fault", "rate limit"])
async def test_a_single_document_has_the_vector_and_the_role_of_a_batch(
    provider: str, asynchronous: bool, faults: list[Fault], serve: Serve
) -> None:
    server = serve(faults)
    model: Any = AdapterEmbedding(MODELS[provider](server), ADAPTER)
    if asynchronous:
        (batch, single) = (
            await model.aget_text_embedding_batch(["a"]),
            await model.aget_text_embedding("a"),
        )
    else:
        batch, single = model.get_text_embedding_batch(["a"]), model.get_text_embedding("a")
    assert [single] == batch
    assert [r.status for r in server.requests] == [429 for _ in faults] + [200, 200]
    answered = [(r.texts, r.input_type) for r in server.requests if r.status == 200]
    assert answered == [(("a",), ROLES[provider][1])] * 2
