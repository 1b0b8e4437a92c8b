"""Documents are the base's, queries go through the adapter, and the adapter can be swapped."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import LocalFileStore
from langchain_core.documents import Document
from langchain_core.stores import InMemoryByteStore
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_adapter import AdapterEmbeddings, LinearAdapterEmbeddings
from query_adapters.adapters import KernelAdapter, LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.embedders.identity import identity_of, model_name_of
from query_adapters.errors import AdapterFileError, AdapterMismatchError, DimensionMismatchError

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


@pytest.fixture
def saved(base: Any, adapter: LinearAdapter) -> SavedAdapter:
    record = AdapterRecord(base_model="fake/tiny-embedder", probe_text="probe")
    vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    return SavedAdapter(adapter=adapter, record=record, probe_vector=vector)


@pytest.fixture
def folder(saved: SavedAdapter, tmp_path: Path) -> Path:
    return save_adapter(saved, tmp_path / "adapter")


@pytest.fixture
def kernel(adapter: LinearAdapter) -> KernelAdapter:
    rng = np.random.default_rng(3)
    return KernelAdapter(adapter, np.eye(8), rng.normal(size=(8, 8)), 5.0)


def mapped(adapter: QueryAdapter, vector: list[float]) -> list[float]:
    result: list[float] = adapter(np.array(vector, dtype=np.float32)).tolist()
    return result


# Vectors


def test_queries_go_through_the_adapter_by_the_bases_own_method(
    base: Any, kernel: KernelAdapter, query_route: str
) -> None:
    found = QUERY_ROUTES[query_route](AdapterEmbeddings(base, kernel), "q")
    assert found == mapped(kernel, base.vector("query", "q"))
    assert [type(number) for number in found] == [float] * 8
    assert base.calls == [(query_route, ("q",))]


@pytest.mark.parametrize("route", list(DOCUMENT_ROUTES))
def test_documents_are_what_the_base_returns(
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


@pytest.mark.parametrize("unchanging", [None, LinearAdapter.identity(8)], ids=["none", "identity"])
def test_without_a_change_a_query_is_the_bases_own_list(
    base: Any, unchanging: Any, query_route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vector = [0.1] * 8  # not a float32, so any way through numpy would show
    monkeypatch.setattr(type(base), "_embed", lambda *_: [vector])
    assert QUERY_ROUTES[query_route](AdapterEmbeddings(base, unchanging), "q") is vector


def test_an_adapter_may_change_the_dimension(base: Any, make_adapter: Make) -> None:
    model = AdapterEmbeddings(base, make_adapter(dim_out=3))
    assert len(model.embed_query("q")) == model.dim == 3


def test_a_vector_store_of_the_base_is_searched_with_adapted_queries(
    base: Any, adapter: LinearAdapter
) -> None:
    store = InMemoryVectorStore(base)
    store.add_documents([Document(text, id=text) for text in TEXTS])
    store.embedding = AdapterEmbeddings(base, adapter)
    found = store.similarity_search_with_score("q", k=5)

    documents = np.array([base.vector("document", text) for text in TEXTS])
    query = np.array(mapped(adapter, base.vector("query", "q")))
    cosines = documents @ query / np.linalg.norm(documents, axis=1) / np.linalg.norm(query)
    best = np.argsort(-cosines)[:5]
    assert [document.id for document, _ in found] == [TEXTS[i] for i in best]
    np.testing.assert_allclose([score for _, score in found], cosines[best], rtol=1e-6)


def test_an_adapter_over_an_adapted_model_maps_twice(base: Any, make_adapter: Make) -> None:
    first, second = make_adapter(1), make_adapter(2)
    outer = AdapterEmbeddings(AdapterEmbeddings(base, first), second)
    once = mapped(first, base.vector("query", "q"))
    assert outer.embed_query("q") == mapped(second, once)
    assert outer.embed_documents(["d"]) == [base.vector("document", "d")]


# What is given


@pytest.mark.parametrize("form", ["adapter", "saved", "path", "str"])
def test_an_adapter_is_taken_in_every_form(
    base: Any, adapter: LinearAdapter, saved: SavedAdapter, folder: Path, form: str
) -> None:
    forms: dict[str, Any] = {"adapter": adapter, "saved": saved, "path": folder, "str": str(folder)}
    expected = mapped(adapter, base.vector("query", "q"))
    for model in (
        AdapterEmbeddings(base, forms[form]),
        AdapterEmbeddings(base=base, adapter=forms[form]),
        LinearAdapterEmbeddings(base, forms[form]),
    ):
        assert model.embed_query("q") == expected


@pytest.mark.parametrize("bias", [None, [0.5] * 8])
def test_a_linear_adapter_may_be_given_as_arrays(
    base: Any, adapter: LinearAdapter, bias: list[float] | None
) -> None:
    model = LinearAdapterEmbeddings(base, weight=adapter.weight, bias=bias)
    expected = mapped(LinearAdapter(adapter.weight, bias), base.vector("query", "q"))
    assert model.embed_query("q") == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "adapter or a weight, got neither"),
        ({"bias": [0.0] * 8}, "a weight to go with the bias, got none"),
        ({"adapter": None, "weight": np.eye(8)}, "adapter or a weight, got both"),
        ({"adapter": 3}, "path of a folder or None, got int"),
        ({"adapter": None, "adaptor": 1}, "adaptor"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    base: Any, arguments: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        LinearAdapterEmbeddings(base, **arguments)


def test_a_cache_that_is_no_store_is_refused(base: Any) -> None:
    with pytest.raises(ValueError, match="query_cache"):
        AdapterEmbeddings(base, None, query_cache={})  # type: ignore[arg-type]


@pytest.mark.parametrize("other", [None, object(), len])
def test_a_base_of_another_kind_is_refused(other: Any, adapter: LinearAdapter) -> None:
    with pytest.raises(TypeError, match=f"langchain_core Embeddings.*{type(other).__name__}"):
        AdapterEmbeddings(other, adapter)


def test_only_linear_adapters_go_into_the_linear_one(base: Any, kernel: KernelAdapter) -> None:
    with pytest.raises(AdapterMismatchError, match=r"a linear.*kernel.*AdapterEmbeddings"):
        LinearAdapterEmbeddings(base, kernel)


def test_an_adapter_of_another_model_is_refused(make_base: Make, folder: Path) -> None:
    other = make_base(model_name="fake/other")
    with pytest.raises(AdapterMismatchError, match=r"fake/tiny-embedder.*fake/other"):
        AdapterEmbeddings(other, folder)
    assert AdapterEmbeddings(other, folder, check_model=False).adapter is not None


def test_another_dimension_is_refused_at_once_where_the_base_tells_it(
    make_base: Make, make_adapter: Make
) -> None:
    base = make_base(dimensions=8)
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8"):
        AdapterEmbeddings(base, make_adapter(dim=5))
    assert base.calls == []


def test_another_dimension_is_refused_at_the_first_query_otherwise(
    base: Any, make_adapter: Make
) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8"):
        AdapterEmbeddings(base, make_adapter(dim=5)).embed_query("q")


def test_a_folder_without_an_adapter_is_refused(base: Any, tmp_path: Path) -> None:
    with pytest.raises(AdapterFileError):
        AdapterEmbeddings(base, tmp_path)


# What it tells


def test_it_is_told_from_its_base_by_the_adapter(base: Any, make_adapter: Make) -> None:
    model = AdapterEmbeddings(base, make_adapter(1))
    first = model.identity
    assert first == f"{identity_of(base)}+{make_adapter(1).fingerprint}"
    model.adapter = make_adapter(2)
    assert model.identity != first
    model.adapter = None
    assert model.identity == identity_of(base)


def test_it_tells_name_and_dimension(make_base: Make, adapter: LinearAdapter) -> None:
    model = AdapterEmbeddings(make_base(dimensions=8), None)
    assert model_name_of(model) == "Adapter for fake/tiny-embedder"
    assert model.dim == 8
    assert AdapterEmbeddings(make_base(), None).dim is None
    assert AdapterEmbeddings(make_base(), adapter).dim == 8


def test_its_printed_form_tells_neither_secrets_nor_weights(
    base: Any, adapter: LinearAdapter, secret: str
) -> None:
    model = LinearAdapterEmbeddings(base, adapter, query_cache=InMemoryByteStore())
    assert repr(model) == (
        "LinearAdapterEmbeddings(base='RecordingEmbeddings:fake/tiny-embedder', "
        f"adapter='linear:{adapter.fingerprint}')"
    )
    assert repr(AdapterEmbeddings(base, None)).endswith("adapter='None')")
    assert secret not in f"{model} {model.model_dump()} {model.model_dump_json()}"


# Swapping


def test_a_swapped_adapter_serves_at_once(base: Any, make_adapter: Make, folder: Path) -> None:
    model = AdapterEmbeddings(base, make_adapter(1))
    vector = base.vector("query", "q")
    model.adapter = folder
    assert model.embed_query("q") == mapped(make_adapter(), vector)
    model.adapter = make_adapter(2)
    assert model.embed_query("q") == mapped(make_adapter(2), vector)
    model.adapter = None
    assert model.embed_query("q") == vector


def test_a_swap_that_does_not_fit_leaves_the_old_adapter(
    make_base: Make, make_adapter: Make, folder: Path, kernel: KernelAdapter
) -> None:
    model = LinearAdapterEmbeddings(make_base(model_name="other", dimensions=8), make_adapter())
    before = model.adapter
    unfit: Any
    for unfit, error in (
        (make_adapter(dim=5), DimensionMismatchError),
        (folder, AdapterMismatchError),
        (kernel, AdapterMismatchError),
        (3, TypeError),
    ):
        with pytest.raises(error):
            model.adapter = unfit
    assert model.adapter is before


def test_base_and_adapter_cannot_be_changed_past_the_checks(base: Any, folder: Path) -> None:
    model = AdapterEmbeddings(base, folder)
    for name in ("base", "saved_adapter"):
        with pytest.raises(ValueError, match="frozen"):
            setattr(model, name, None)


async def test_queries_under_way_during_a_thousand_swaps_get_the_old_map_or_the_new(
    base: Any, make_adapter: Make
) -> None:
    maps = [make_adapter(1), make_adapter(2)]
    model = AdapterEmbeddings(base, maps[0])
    queries = ["q" * (15 * n) for n in range(1, 65)]  # the n-th takes 15 n turns of the loop

    async def swap() -> None:
        for adapter in islice(cycle(maps), 1_000):
            model.adapter = adapter
            await asyncio.sleep(0)

    asked = asyncio.gather(*map(model.aembed_query, queries))
    vectors, _ = await asyncio.gather(asked, swap())
    served = set()
    for query, vector in zip(queries, vectors, strict=True):
        expected = [mapped(adapter, base.vector("query", query)) for adapter in maps]
        served.add(expected.index(vector))  # exactly one of the two, or an error
    assert served == {0, 1}


def test_threads_get_the_old_map_or_the_new(base: Any, make_adapter: Make) -> None:
    maps = [make_adapter(1), make_adapter(2), None]
    model = AdapterEmbeddings(base, maps[0])
    vector = base.vector("query", "q")
    allowed = [vector if m is None else mapped(m, vector) for m in maps]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(model.embed_query, "q") for _ in range(200)]
        for adapter in islice(cycle(maps), 1_000):
            model.adapter = adapter
        assert all(future.result() in allowed for future in asked)


# The cache of queries


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return InMemoryByteStore() if request.param == "memory" else LocalFileStore(tmp_path)


def test_a_query_is_asked_once_in_either_way(
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


# The probe


def test_verify_asks_the_model_past_every_cache(base: Any, folder: Path) -> None:
    store = InMemoryByteStore()
    cached = CacheBackedEmbeddings.from_bytes_store(
        base, store, query_embedding_cache=True, key_encoder="sha256"
    )
    model = AdapterEmbeddings(cached, folder, query_cache=InMemoryByteStore())
    model.embed_query("probe")
    model.verify()
    assert [texts for _, texts in base.calls] == [("probe",)] * 2


def test_verify_refuses_a_model_with_other_vectors(make_base: Make, folder: Path) -> None:
    with pytest.raises(AdapterMismatchError, match=r"cosine at least 0.999.*got cosine"):
        AdapterEmbeddings(make_base(instruction="query: "), folder).verify()
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 5"):
        AdapterEmbeddings(make_base(width=5), folder).verify()


def test_verify_says_so_if_there_is_no_probe(base: Any, saved: SavedAdapter) -> None:
    for without in (None, saved.adapter, replace(saved, probe_vector=None)):
        with pytest.raises(AdapterMismatchError, match="probe question and its vector, got none"):
            AdapterEmbeddings(base, without).verify()
    assert base.calls == []


# Copies


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
        lambda model: model.model_copy(deep=True),
    ],
    ids=["deepcopy", "pickle", "model_copy"],
)
def test_a_copy_gives_the_same_vectors_and_goes_its_own_way(
    base: Any, kernel: KernelAdapter, duplicate: Callable[[Any], Any]
) -> None:
    model = AdapterEmbeddings(base, kernel, query_cache=InMemoryByteStore())
    twin = duplicate(model)
    assert twin.base is not base
    assert twin.embed_query("q") == model.embed_query("q")
    assert twin.embed_documents(["d"]) == model.embed_documents(["d"])
    assert twin.identity == model.identity
    twin.adapter = None
    assert model.adapter is kernel
