"""Test that adapted models support LlamaIndex's caches, rate limiters, events and pipelines."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.embedding import (
    EmbeddingEndEvent,
    EmbeddingStartEvent,
)
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import TextNode
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_finetune_plugin.embedding import AdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.embedders.identity import identity_of

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(30)]

ROUTES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "text": ("document", lambda model: model.get_text_embedding("d")),
    "async text": ("document", lambda model: asyncio.run(model.aget_text_embedding("d"))),
    "batch": ("document", lambda model: model.get_text_embedding_batch(["d"])[0]),
    "async batch": (
        "document",
        lambda model: asyncio.run(model.aget_text_embedding_batch(["d"]))[0],
    ),
    "query": ("query", lambda model: model.get_query_embedding("d")),
    "async query": ("query", lambda model: asyncio.run(model.aget_query_embedding("d"))),
}


@pytest.fixture(params=list(ROUTES))
def route(request: pytest.FixtureRequest) -> str:
    """Return the name of one of the six methods that embed the text "d"."""
    name: str = request.param
    return name


def adapted(adapter: LinearAdapter, vector: list[float]) -> list[float]:
    result: list[float] = adapter(np.array(vector, dtype=np.float32)).tolist()
    return result


def expected_vector(route: str, base: Any, adapter: LinearAdapter) -> list[float]:
    vector: list[float] = base.vector(ROUTES[route][0], "d")
    return adapted(adapter, vector) if ROUTES[route][0] == "query" else vector


def test_each_method_of_the_base_is_reached_by_its_namesake(
    base: Any, adapter: LinearAdapter, route: str
) -> None:
    found = ROUTES[route][1](AdapterEmbedding(base, adapter))
    assert found == expected_vector(route, base, adapter)
    assert base.calls == [(route, ("d",))]


async def test_documents_go_in_the_bases_batches_and_come_back_bit_for_bit(
    make_base: Make, adapter: LinearAdapter
) -> None:
    base = make_base(embed_batch_size=10)
    model = AdapterEmbedding(base, adapter)
    expected = [base.vector("document", text) for text in TEXTS]
    assert model.get_text_embedding_batch(TEXTS) == expected
    assert await model.aget_text_embedding_batch(TEXTS) == expected
    assert [call for call, _ in base.calls] == ["batch"] * 3 + ["async batch"] * 3
    assert {len(texts) for _, texts in base.calls} == {10}


def test_several_queries_are_averaged_after_the_map(base: Any, adapter: LinearAdapter) -> None:
    model = AdapterEmbedding(base, adapter)
    both = [adapted(adapter, base.vector("query", query)) for query in ("a", "b")]
    found = model.get_agg_embedding_from_queries(["a", "b"])
    np.testing.assert_allclose(found, np.mean(both, axis=0))


def test_asking_without_a_loop_and_within_one_gives_equal_vectors(
    base: Any, adapter: LinearAdapter
) -> None:
    model = AdapterEmbedding(base, adapter)
    assert model._get_query_embedding("q") == model.get_query_embedding("q")
    assert asyncio.run(model._aget_query_embedding("q")) == model.get_query_embedding("q")
    assert asyncio.run(model.aget_query_embedding("q")) == model.get_query_embedding("q")


# Caches


@pytest.mark.parametrize("owner", ["wrapper", "base"])
def test_a_cached_text_is_asked_once_and_roles_never_mix(
    make_base: Make, adapter: LinearAdapter, owner: str, route: str
) -> None:
    store = SimpleKVStore()
    base = make_base(embeddings_cache=store if owner == "base" else None)
    model = AdapterEmbedding(base, adapter, embeddings_cache=store if owner == "wrapper" else None)
    for other in ROUTES:
        assert ROUTES[other][1](model) == expected_vector(other, base, adapter)
    base.calls.clear()
    assert ROUTES[route][1](model) == expected_vector(route, base, adapter)
    assert base.calls == []


@pytest.mark.parametrize("owner", ["wrapper", "base"])
@pytest.mark.parametrize("query_route", ["query", "async query"])
def test_queries_are_cached_unadapted_in_a_collection_of_their_own(
    make_base: Make, make_adapter: Make, owner: str, query_route: str
) -> None:
    store = SimpleKVStore()
    base = make_base(embeddings_cache=store if owner == "base" else None)
    model = AdapterEmbedding(
        base, make_adapter(1), embeddings_cache=store if owner == "wrapper" else None
    )
    ROUTES[query_route][1](model)
    assert store.get_all("embeddings") == {}
    model.adapter = make_adapter(2)
    assert ROUTES[query_route][1](model) == adapted(make_adapter(2), base.vector("query", "d"))
    assert base.calls == [(query_route, ("d",))], "a new adapter must keep the cache"


def test_documents_that_the_base_has_cached_are_used(
    make_base: Make, adapter: LinearAdapter
) -> None:
    base = make_base(embeddings_cache=SimpleKVStore())
    base.get_text_embedding_batch(TEXTS)
    base.calls.clear()
    expected = [base.vector("document", text) for text in TEXTS]
    assert AdapterEmbedding(base, adapter).get_text_embedding_batch(TEXTS) == expected
    assert base.calls == []


def test_models_that_share_a_store_do_not_share_queries(
    make_base: Make, adapter: LinearAdapter
) -> None:
    store = SimpleKVStore()
    one, other = make_base(), make_base(instruction="query: ")
    for base in (one, other):
        model = AdapterEmbedding(base, adapter, embeddings_cache=store)
        assert model.get_query_embedding("q") == adapted(adapter, base.vector("query", "q"))


def test_an_entry_of_a_core_that_keys_queries_by_text_is_not_taken(
    base: Any, adapter: LinearAdapter
) -> None:
    store = SimpleKVStore()
    for collection in ("embeddings", "query_embeddings", "text_embeddings"):
        store.put("q", {"some-uuid": [9.0] * 8}, collection=collection)
    model = AdapterEmbedding(base, adapter, embeddings_cache=store)
    assert model.get_query_embedding("q") == adapted(adapter, base.vector("query", "q"))


# Rate limiters


@pytest.mark.parametrize("owner", ["wrapper", "base", "both the same", "each its own"])
def test_each_limiter_is_asked_once_a_call(
    make_base: Make, make_limiter: Make, adapter: LinearAdapter, owner: str, route: str
) -> None:
    one, other = make_limiter(), make_limiter()
    base = make_base(rate_limiter=None if owner == "wrapper" else one)
    limiter = {"wrapper": one, "base": None, "both the same": one, "each its own": other}[owner]
    ROUTES[route][1](AdapterEmbedding(base, adapter, rate_limiter=limiter))
    assert (one.n_acquired, other.n_acquired) == (1, int(owner == "each its own"))


@pytest.mark.parametrize("owner", ["base", "both the same"])
def test_a_limiter_is_asked_once_behind_a_cache_too(
    make_base: Make, make_limiter: Make, adapter: LinearAdapter, owner: str, route: str
) -> None:
    limiter = make_limiter()
    model = AdapterEmbedding(
        make_base(rate_limiter=limiter),
        adapter,
        embeddings_cache=SimpleKVStore(),
        rate_limiter=limiter if owner == "both the same" else None,
    )
    ROUTES[route][1](model)
    assert limiter.n_acquired == 1


@pytest.mark.parametrize("query_route", ["query", "async query"])
@pytest.mark.parametrize("owner", ["wrapper", "base"])
def test_a_cached_query_takes_no_permit(
    make_base: Make, make_limiter: Make, adapter: LinearAdapter, owner: str, query_route: str
) -> None:
    limiter, store = make_limiter(), SimpleKVStore()
    base = make_base(embeddings_cache=store if owner == "base" else None, rate_limiter=limiter)
    model = AdapterEmbedding(
        base,
        adapter,
        rate_limiter=limiter,
        embeddings_cache=store if owner == "wrapper" else None,
    )
    for _ in range(3):
        ROUTES[query_route][1](model)
    assert limiter.n_acquired == 1


def test_verify_asks_the_limiter(
    make_base: Make, make_limiter: Make, adapter: LinearAdapter
) -> None:
    limiter = make_limiter()
    base = make_base(rate_limiter=limiter)
    record = AdapterRecord(probe_text="probe")
    vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=vector)
    AdapterEmbedding(base, saved, rate_limiter=limiter).verify()
    assert limiter.n_acquired == 1


# Events, spans, callbacks


def test_a_call_emits_one_start_and_one_end_without_secrets(
    base: Any, adapter: LinearAdapter, events: list[BaseEvent], route: str, secret: str
) -> None:
    model = AdapterEmbedding(base, adapter)
    ROUTES[route][1](model)
    start, end = events
    assert isinstance(start, EmbeddingStartEvent)
    assert isinstance(end, EmbeddingEndEvent)
    assert start.model_dict["class_name"] == "AdapterEmbedding"
    assert start.model_dict["base_class"] == "RecordingEmbedding"
    assert start.model_dict["base_model"] == "fake/tiny-embedder"
    assert start.model_dict["dim"] == 8
    assert secret not in str(start)
    assert end.chunks == ["d"]
    assert end.embeddings == [expected_vector(route, base, adapter)]


def test_events_of_queries_name_the_adapter(
    base: Any, adapter: LinearAdapter, events: list[BaseEvent]
) -> None:
    AdapterEmbedding(base, adapter).get_query_embedding("q")
    (start,) = (event for event in events if isinstance(event, EmbeddingStartEvent))
    assert start.model_dict["adapter"] == adapter.fingerprint


def test_a_query_opens_as_many_spans_as_on_the_base(
    base: Any, adapter: LinearAdapter, spans: SimpleSpanHandler
) -> None:
    base.get_query_embedding("q")
    on_the_base = len(spans.completed_spans)
    AdapterEmbedding(base, adapter).get_query_embedding("q")
    assert len(spans.completed_spans) == 2 * on_the_base


def test_tokens_are_counted_once(make_base: Make, adapter: LinearAdapter, route: str) -> None:
    def tokens(of: Callable[[CallbackManager], Any]) -> int:
        counter = TokenCountingHandler(tokenizer=list)
        ROUTES[route][1](of(CallbackManager([counter])))
        return counter.total_embedding_token_count

    def both(manager: CallbackManager) -> AdapterEmbedding:
        base = make_base(callback_manager=manager)
        return AdapterEmbedding(base, adapter, callback_manager=manager)

    alone = tokens(lambda manager: make_base(callback_manager=manager))
    assert tokens(both) == alone == 1


# In an index and in a pipeline


async def test_an_index_is_searched_asynchronously_as_it_is_synchronously(
    base: Any, adapter: LinearAdapter
) -> None:
    index = VectorStoreIndex([TextNode(text=t, id_=t) for t in TEXTS], embed_model=base)
    retriever = index.as_retriever(similarity_top_k=5, embed_model=AdapterEmbedding(base, adapter))
    expected = [(node.node_id, node.get_score()) for node in retriever.retrieve("q")]
    found = await retriever.aretrieve("q")
    assert [(node.node_id, node.get_score()) for node in found] == expected


def test_a_pipeline_embeds_again_for_another_base_but_not_for_another_adapter(
    make_base: Make, make_adapter: Make
) -> None:
    base = make_base()
    model = AdapterEmbedding(base, make_adapter(1))
    pipeline = IngestionPipeline(transformations=[model])

    def embedded() -> list[float] | None:
        (node,) = pipeline.run(nodes=[TextNode(text="d", id_="d")])
        return node.embedding

    assert embedded() == base.vector("document", "d")
    model.adapter = make_adapter(2)
    assert embedded() == base.vector("document", "d")
    assert len(base.calls) == 1, "another training of the adapter must not embed again"

    for changed in ({"dimensions": 8}, {"instruction": "say: "}, {"model_name": "other"}):
        other = make_base(**changed)
        pipeline.transformations = [AdapterEmbedding(other, make_adapter(1))]
        assert embedded() == other.vector("document", "d")
        assert len(other.calls) == 1, f"{changed} must embed again"

    pipeline.transformations = [AdapterEmbedding(make_base(api_key="rotated"), make_adapter(1))]
    assert embedded() == base.vector("document", "d")
    rotated: Any = pipeline.transformations[0]
    assert rotated.base_embed_model.calls == [], "another key must not embed again"


def test_an_adapter_over_an_adapted_model_with_a_cache_maps_twice(
    base: Any, make_adapter: Make
) -> None:
    first, second = make_adapter(1), make_adapter(2)
    inner = AdapterEmbedding(base, first, embeddings_cache=SimpleKVStore())
    outer = AdapterEmbedding(inner, second)
    for adapter in (first, make_adapter(3)):
        inner.adapter = adapter
        once = adapted(adapter, base.vector("query", "q"))
        assert outer.get_query_embedding("q") == adapted(second, once)
    assert outer.get_text_embedding("d") == base.vector("document", "d")
    assert identity_of(outer).startswith(identity_of(inner))
