"""Tests of LangChain-specific features of an adapted model: query cache and repr."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import LocalFileStore
from langchain_core.stores import InMemoryByteStore

from langchain_adapter import AdapterEmbeddings, LinearAdapterEmbeddings
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from tests.integrations.recording import NAME, mapped

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(30)]

QUERY_ROUTES: dict[str, Callable[[Any, str], list[float]]] = {
    "query": lambda model, text: model.embed_query(text),
    "async query": lambda model, text: asyncio.run(model.aembed_query(text)),
}
DOCUMENT_ROUTES: dict[str, Callable[[Any, list[str]], list[list[float]]]] = {
    "documents": lambda model, texts: model.embed_documents(texts),
    "async documents": lambda model, texts: asyncio.run(model.aembed_documents(texts)),
}


@pytest.fixture(params=list(QUERY_ROUTES))
def query_route(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("route", list(DOCUMENT_ROUTES))
def test_documents_are_the_very_list_of_the_base(
    base: Any, adapter: LinearAdapter, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    returned: list[Any] = []
    embed = type(base)._embed

    def remember(*args: Any) -> list[list[float]]:
        returned.append(embed(*args))
        vectors: list[list[float]] = returned[-1]
        return vectors

    monkeypatch.setattr(type(base), "_embed", remember)
    assert DOCUMENT_ROUTES[route](AdapterEmbeddings(base, adapter), TEXTS) is returned[0]
    assert returned[0] == [base.vector("document", text) for text in TEXTS]
    assert base.calls == [(route, tuple(TEXTS))]


def test_a_cache_that_is_no_store_is_refused(base: Any) -> None:
    with pytest.raises(ValueError, match="query_cache"):
        AdapterEmbeddings(base, None, query_cache={})  # type: ignore[arg-type]


def test_the_printed_form_names_base_and_adapter(base: Any, adapter: LinearAdapter) -> None:
    model = LinearAdapterEmbeddings(base, adapter, query_cache=InMemoryByteStore())
    assert repr(model) == (
        "LinearAdapterEmbeddings(base='RecordingEmbeddings:fake/tiny-embedder', "
        f"adapter='linear:{adapter.fingerprint}')"
    )
    assert repr(AdapterEmbeddings(base, None)).endswith("adapter='None')")


# The cache of queries


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return InMemoryByteStore() if request.param == "memory" else LocalFileStore(tmp_path)


def test_a_cached_query_is_embedded_once_by_either_method(
    base: Any, adapter: LinearAdapter, store: Any, query_route: str
) -> None:
    model = AdapterEmbeddings(base, adapter, query_cache=store)
    expected = mapped(adapter, base.vector("query", "q"))
    assert QUERY_ROUTES[query_route](model, "q") == expected
    for ask in QUERY_ROUTES.values():
        assert ask(model, "q") == expected
    assert base.calls == [(query_route, ("q",))]


def test_what_is_cached_is_the_bases_vector_to_the_last_bit(
    base: Any, make_adapter: Make, store: Any, query_route: str
) -> None:
    ask = QUERY_ROUTES[query_route]
    ask(AdapterEmbeddings(base, make_adapter(1), query_cache=store), "q")
    again = AdapterEmbeddings(base, make_adapter(2), query_cache=store)
    assert ask(again, "q") == mapped(make_adapter(2), base.vector("query", "q"))
    again.adapter = None
    assert ask(again, "q") == base.vector("query", "q")
    assert len(base.calls) == 1


def test_roles_and_models_never_mix_in_a_store(
    make_base: Make, adapter: LinearAdapter, store: Any
) -> None:
    for base in (make_base(), make_base(instruction="query: ")):
        cached = CacheBackedEmbeddings.from_bytes_store(base, store, key_encoder="sha256")
        model = AdapterEmbeddings(cached, adapter, query_cache=store)
        for _ in range(2):
            assert model.embed_query("same") == mapped(adapter, base.vector("query", "same"))
        store.mdelete([key for key in store.yield_keys() if not key.startswith("query-")])
        assert model.embed_documents(["same"]) == [base.vector("document", "same")]
        assert model.embed_documents(["same"]) == [base.vector("document", "same")]
        assert base.calls == [("query", ("same",)), ("documents", ("same",))]


def test_verify_embeds_the_probe_although_caches_hold_it(base: Any, adapter: LinearAdapter) -> None:
    record = AdapterRecord(base_model=NAME, probe_text="probe")
    vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=vector)
    cached = CacheBackedEmbeddings.from_bytes_store(
        base,
        InMemoryByteStore(),
        query_embedding_cache=InMemoryByteStore(),
        key_encoder="sha256",
    )
    model = AdapterEmbeddings(cached, saved, query_cache=InMemoryByteStore())
    model.embed_query("probe")
    model.verify()
    assert [texts for _, texts in base.calls] == [("probe",)] * 2


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
        lambda model: model.model_copy(deep=True),
    ],
    ids=["deepcopy", "pickle", "model_copy"],
)
def test_a_copy_has_a_copy_of_the_cache(
    base: Any, adapter: LinearAdapter, duplicate: Callable[[Any], Any]
) -> None:
    model = AdapterEmbeddings(base, adapter, query_cache=InMemoryByteStore())
    vector = model.embed_query("q")
    twin = duplicate(model)
    assert twin.query_cache is not model.query_cache
    assert twin.embed_query("q") == vector
    assert twin.base.queries == ["q"]  # logged before the copy
