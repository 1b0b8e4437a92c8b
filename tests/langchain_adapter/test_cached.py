"""Test the trap that `CacheBackedEmbeddings` sets, and the warning about it."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.stores import InMemoryByteStore

from langchain_adapter import (
    AdapterEmbeddings,
    CachedEmbeddings,
    LangChainEmbedder,
    LinearAdapterEmbeddings,
)
from llama_index_finetune_plugin import AdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import QueryAdaptersWarning
from tests.integrations.recording import mapped


def backed(model: Any, **options: Any) -> CacheBackedEmbeddings:
    store = InMemoryByteStore()
    return CacheBackedEmbeddings.from_bytes_store(model, store, key_encoder="sha256", **options)


def shared_by_name(model: Any) -> CacheBackedEmbeddings:
    store = InMemoryByteStore()
    return CacheBackedEmbeddings.from_bytes_store(
        model, store, key_encoder="sha256", query_embedding_cache=True
    )


def shared_by_hand(model: Any) -> CacheBackedEmbeddings:
    store: Any = InMemoryByteStore()
    return CacheBackedEmbeddings(model, store, query_embedding_store=store)


def test_langchains_own_cache_around_an_adapted_model_mixes_roles(
    base: Any, adapter: LinearAdapter
) -> None:
    model = shared_by_name(LinearAdapterEmbeddings(base, adapter))
    query = model.embed_query("d")
    assert query == mapped(adapter, base.vector("query", "d"))
    assert model.embed_documents(["d"]) == [query], "if this fails, LangChain has mended its cache"


def test_the_cache_of_this_package_around_it_does_not(
    base: Any, adapter: LinearAdapter, tmp_path: Path
) -> None:
    model = CachedEmbeddings(LinearAdapterEmbeddings(base, adapter), tmp_path / "vectors.sqlite")
    model.embed_query("d")
    (document,) = model.embed_documents(["d"])
    assert document == pytest.approx(base.vector("document", "d"), rel=1e-6)


@pytest.mark.parametrize("shared", [shared_by_name, shared_by_hand])
@pytest.mark.parametrize(
    "use",
    [
        lambda model: AdapterEmbeddings(model, None),
        LangChainEmbedder,
        lambda model: CachedEmbeddings(model, "unused.sqlite"),
        lambda model: AdapterEmbedding(model, None),
    ],
    ids=["adapted", "evaluated or trained on", "cached", "adapted in LlamaIndex"],
)
def test_a_cache_that_mixes_roles_is_noticed_wherever_a_model_is_given(
    base: Any, adapter: LinearAdapter, shared: Any, use: Any
) -> None:
    for model in (shared(base), shared(AdapterEmbeddings(base, adapter))):
        with pytest.warns(QueryAdaptersWarning, match="under the same keys(.|\n)*CachedEmbedding"):
            use(model)


def test_a_cache_within_a_wrapped_model_is_noticed(base: Any, adapter: LinearAdapter) -> None:
    with pytest.warns(QueryAdaptersWarning):
        inner = AdapterEmbeddings(shared_by_name(base), adapter)
    with pytest.warns(QueryAdaptersWarning):
        LangChainEmbedder(backed(inner))


def test_caches_that_keep_roles_apart_are_accepted(base: Any, adapter: LinearAdapter) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (base, backed(base), backed(base, query_embedding_cache=InMemoryByteStore())):
            AdapterEmbeddings(model, adapter)
            LangChainEmbedder(model)
