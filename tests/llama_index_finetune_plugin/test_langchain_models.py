"""Tests of LangChain models in LlamaIndex: batch sizes, caches and serialization."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_finetune_plugin import AdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.embedders.identity import identity_of
from tests.integrations.langchain import LANGCHAIN

ROUTES: dict[str, Callable[[Any], Any]] = {
    "documents": lambda model: model.get_text_embedding("d"),
    "async documents": lambda model: asyncio.run(model.aget_text_embedding("d")),
}


@pytest.mark.parametrize("route", list(ROUTES))
def test_a_single_document_is_embedded_by_the_method_for_documents(
    adapter: LinearAdapter, route: str
) -> None:
    model = LANGCHAIN.make_base()
    found = ROUTES[route](AdapterEmbedding(model, adapter))
    assert found == model.vector("document", "d")
    assert model.calls == [(route, ("d",))]


@pytest.mark.parametrize(
    ("chunk_size", "sizes"), [(20, [20, 5]), (None, [10, 10, 5]), (9_999, [25])]
)
async def test_documents_are_embedded_in_whole_batches(
    adapter: LinearAdapter, chunk_size: int | None, sizes: list[int]
) -> None:
    model = LANGCHAIN.make_base(batch_size=chunk_size)
    adapted = AdapterEmbedding(model, adapter)
    texts = [f"text {i}" for i in range(25)]
    expected = [model.vector("document", text) for text in texts]
    assert adapted.get_text_embedding_batch(texts) == expected
    assert await adapted.aget_text_embedding_batch(texts) == expected
    calls = [(call, n) for call in ("documents", "async documents") for n in sizes]
    assert [(call, len(batch)) for call, batch in model.calls] == calls


def test_queries_are_cached_apart_from_documents() -> None:
    model = LANGCHAIN.make_base()
    adapted = AdapterEmbedding(model, None, embeddings_cache=SimpleKVStore())
    for _ in range(2):
        assert adapted.get_query_embedding("d") == model.vector("query", "d")
        assert adapted.get_text_embedding("d") == model.vector("document", "d")
    assert model.calls == [("query", ("d",)), ("documents", ("d",))]


def test_the_stored_form_is_restored_on_the_model(adapter: LinearAdapter) -> None:
    model = AdapterEmbedding(LANGCHAIN.make_base(), adapter)
    assert model.base_embed_model.class_name() == "LangChainEmbedding"
    data = model.to_dict()
    assert data["base_identity"] == identity_of(LANGCHAIN.make_base())
    again = AdapterEmbedding.from_dict(
        data, base_embed_model=LANGCHAIN.make_base(), adapter=adapter
    )
    assert again.get_query_embedding("q") == model.get_query_embedding("q")
