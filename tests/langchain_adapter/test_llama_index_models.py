"""Test that LangChain uses the cache of a LlamaIndex model and leaves the model unchanged."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore

from langchain_adapter import AdapterEmbeddings, LangChainEmbedder
from query_adapters.adapters import LinearAdapter
from tests.integrations.llama_index import LLAMA_INDEX
from tests.integrations.recording import mapped

ASK: dict[str, Callable[[Any, str], list[float]]] = {
    "query": lambda model, text: model.embed_query(text),
    "async query": lambda model, text: asyncio.run(model.aembed_query(text)),
}


@pytest.mark.parametrize("way", list(ASK))
@pytest.mark.parametrize("with_cache", [False, True])
def test_queries_are_cached_apart_from_documents(
    adapter: LinearAdapter, way: str, with_cache: bool
) -> None:
    model = LLAMA_INDEX.make_base(embeddings_cache=SimpleKVStore() if with_cache else None)
    adapted = AdapterEmbeddings(model, adapter)
    for _ in range(2):
        assert ASK[way](adapted, "same") == mapped(adapter, model.vector("query", "same"))
        assert adapted.embed_documents(["same"]) == [model.vector("document", "same")]
    queries = [call for call, _ in model.calls if call.endswith("query")]
    assert queries == [way] * (1 if with_cache else 2)


def test_both_integrations_find_a_query_in_the_cache_of_the_model(adapter: LinearAdapter) -> None:
    model = LLAMA_INDEX.make_base(embeddings_cache=SimpleKVStore())
    ours = AdapterEmbeddings(model, adapter).embed_query("q")
    assert LLAMA_INDEX.adapted(model, adapter).get_query_embedding("q") == ours
    assert model.calls == [("query", ("q",))]


def test_the_model_is_asked_one_by_one_and_left_unchanged() -> None:
    model = MockEmbedding(embed_dim=8)
    manager = model.callback_manager
    assert LangChainEmbedder(model).max_concurrency == 1
    AdapterEmbeddings(model, None)
    assert model.callback_manager is manager


def test_a_string_is_resolved_by_llama_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IS_TESTING", "1")
    assert AdapterEmbeddings("default", None).dim == 8  # LlamaIndex's mock
