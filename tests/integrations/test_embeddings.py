"""Tests of adapted models: documents use the base, queries use an adapter that can be swapped."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

from query_adapters.adapters import KernelAdapter, LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.embedders.identity import identity_of, model_name_of
from query_adapters.errors import AdapterFileError, AdapterMismatchError, DimensionMismatchError
from query_adapters.typing import Vectors
from tests.integrations.framework import Framework
from tests.integrations.recording import NAME, mapped

Make = Callable[..., Any]
TEXTS = [f"text {i}" for i in range(30)]


class Shifting(QueryAdapter):
    """A non-linear adapter that adds a constant."""

    kind = "shifting"
    dim_in = dim_out = 8
    is_identity = False

    def __call__(self, queries: Vectors) -> Vectors:
        return queries + np.float32(1)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        return {"shift": np.ones(1, np.float32)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        return cls()


@pytest.fixture
def saved(base: Any, adapter: LinearAdapter) -> SavedAdapter:
    """Return an adapter with a complete record."""
    record = AdapterRecord(base_model=NAME, probe_text="probe")
    vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    return SavedAdapter(adapter=adapter, record=record, probe_vector=vector)


@pytest.fixture
def folder(saved: SavedAdapter, tmp_path: Path) -> Path:
    return save_adapter(saved, tmp_path / "adapter")


@pytest.fixture
def kernel(base: Any, adapter: LinearAdapter) -> KernelAdapter:
    """Return a kernel adapter with the queries "one" and "two" of the base as landmarks."""
    queries = np.array([base.vector("query", text) for text in ("one", "two")])
    landmarks = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    values = 5 * np.random.default_rng(1).normal(size=landmarks.shape)
    return KernelAdapter(adapter, landmarks, values, 5.0)


def ask(framework: Framework, model: Any, text: str, *, asynchronous: bool = False) -> list[float]:
    if asynchronous:
        vector: list[float] = asyncio.run(framework.calls.aquery(model, text))
        return vector
    return framework.calls.query(model, text)


# Vectors


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("from_folder", [False, True])
def test_queries_go_through_the_adapter_by_the_same_method_of_the_base(
    framework: Framework, base: Any, kernel: KernelAdapter, tmp_path: Path,
    asynchronous: bool, from_folder: bool,
) -> None:  # fmt: skip
    source = save_adapter(kernel, tmp_path / "kernel") if from_folder else kernel
    found = ask(framework, framework.adapted(base, source), "one", asynchronous=asynchronous)
    assert found == mapped(kernel, base.vector("query", "one"))
    assert not np.allclose(found, mapped(kernel.linear, base.vector("query", "one")), atol=0.1)
    assert [type(number) for number in found] == [float] * 8
    assert base.calls == [(framework.calls.names[asynchronous], ("one",))]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_documents_are_those_of_the_base_by_the_same_method(
    framework: Framework, make_base: Make, kernel: KernelAdapter, asynchronous: bool
) -> None:
    base = make_base(batch_size=len(TEXTS))
    model = framework.adapted(base, kernel)
    if asynchronous:
        found = asyncio.run(framework.calls.adocuments(model, TEXTS))
    else:
        found = framework.calls.documents(model, TEXTS)
    assert found == [base.vector("document", text) for text in TEXTS]
    assert base.calls == [(framework.calls.names[2 + asynchronous], tuple(TEXTS))]


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("unchanging", [None, LinearAdapter.identity(8)], ids=["none", "identity"])
def test_without_a_change_a_query_is_the_list_of_the_base(
    framework: Framework, make_base: Make, unchanging: Any, asynchronous: bool
) -> None:
    vector = [0.1] * 8  # not a float32, so a conversion by numpy would change it
    base = make_base(query=lambda _: vector)
    model = framework.adapted(base, unchanging)
    assert ask(framework, model, "q", asynchronous=asynchronous) is vector


def test_a_query_keeps_its_length(framework: Framework, make_base: Make) -> None:
    base = make_base(query=lambda _: [0.5, 0.5], document=lambda _: [0.5, 0.5])
    model = framework.linear(base, weight=[[3.0, 0.0], [0.0, 4.0]])
    expected = np.array([0.6, 0.8]) * np.sqrt(0.5)
    np.testing.assert_allclose(framework.calls.query(model, "any"), expected, rtol=1e-6)
    assert framework.calls.documents(model, ["any"]) == [[0.5, 0.5]]


def test_an_adapter_may_change_the_dimension(
    framework: Framework, base: Any, make_adapter: Make
) -> None:
    model = framework.adapted(base, make_adapter(dim_out=3))
    assert len(framework.calls.query(model, "q")) == model.dim == 3


def test_a_store_of_the_base_is_searched_with_adapted_queries(
    framework: Framework, base: Any, adapter: LinearAdapter
) -> None:
    store = framework.stores.in_memory({text: text for text in TEXTS}, base)
    served = framework.stores.served(store, framework.adapted(base, adapter))
    found = framework.stores.scored(served, "q", 5)

    documents = np.array([base.vector("document", text) for text in TEXTS])
    query = np.array(mapped(adapter, base.vector("query", "q")))
    cosines = documents @ query / np.linalg.norm(documents, axis=1) / np.linalg.norm(query)
    best = np.argsort(-cosines)[:5]
    assert [key for key, _ in found] == [TEXTS[i] for i in best]
    np.testing.assert_allclose([score for _, score in found], cosines[best], rtol=1e-6)


def test_an_adapter_over_an_adapted_model_maps_twice(
    framework: Framework, base: Any, make_adapter: Make
) -> None:
    inner, second = framework.adapted(base, make_adapter(1)), make_adapter(2)
    outer = framework.adapted(inner, second)
    for first in (make_adapter(1), make_adapter(3)):
        inner.adapter = first
        once = mapped(first, base.vector("query", "q"))
        assert framework.calls.query(outer, "q") == mapped(second, once)
    assert framework.calls.documents(outer, ["d"]) == [base.vector("document", "d")]
    assert identity_of(outer).startswith(identity_of(inner))


# Arguments


@pytest.mark.parametrize("form", ["adapter", "saved", "path", "str"])
def test_an_adapter_is_accepted_in_every_form(
    framework: Framework, base: Any, adapter: LinearAdapter, saved: SavedAdapter, folder: Path,
    form: str,
) -> None:  # fmt: skip
    forms: dict[str, Any] = {"adapter": adapter, "saved": saved, "path": folder, "str": str(folder)}
    expected = mapped(adapter, base.vector("query", "q"))
    for model in (
        framework.adapted(base, forms[form]),
        framework.adapted(adapter=forms[form], **{framework.base_field: base}),
        framework.linear(base, forms[form]),
    ):
        assert framework.calls.query(model, "q") == expected


@pytest.mark.parametrize("bias", [None, [0.5] * 8])
def test_a_linear_adapter_may_be_given_as_arrays(
    framework: Framework, base: Any, adapter: LinearAdapter, bias: list[float] | None
) -> None:
    model = framework.linear(base, weight=adapter.weight, bias=bias)
    expected = mapped(LinearAdapter(adapter.weight, bias), base.vector("query", "q"))
    assert framework.calls.query(model, "q") == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "got neither"),
        ({"bias": [0.0] * 8}, "a weight to go with the bias, got none"),
        ({"adapter": None, "weight": np.eye(8)}, "adapter or a weight, got both"),
        ({"adapter": 3}, "expected an adapter.* path of a folder or None, got int"),
        ({"adapter": None, "adaptor": 1}, "adaptor"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    framework: Framework, base: Any, arguments: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        framework.linear(base, **arguments)


@pytest.mark.parametrize("other", [None, object(), len])
def test_a_base_of_another_type_is_refused(
    framework: Framework, other: Any, adapter: LinearAdapter
) -> None:
    told = (
        rf"{framework.label} embedding model \((langchain_core Embeddings|BaseEmbedding)\)"
        rf".* got {type(other).__name__}"
    )
    with pytest.raises(TypeError, match=told):
        framework.adapted(other, adapter)


def test_any_kind_of_adapter_serves(framework: Framework, base: Any) -> None:
    for served in (framework.adapted(base, Shifting()), framework.linear(base, Shifting())):
        found = framework.calls.query(served, "q")
        assert found == mapped(Shifting(), base.vector("query", "q"))
        assert found[0] == pytest.approx(1 + base.vector("query", "q")[0], abs=1e-6)


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("from_folder", [False, True])
def test_the_class_that_takes_arrays_serves_a_memory_too(
    framework: Framework, base: Any, adapter: LinearAdapter, kernel: KernelAdapter,
    tmp_path: Path, from_folder: bool, asynchronous: bool,
) -> None:  # fmt: skip
    source = save_adapter(kernel, tmp_path / "kernel") if from_folder else kernel
    expected = mapped(kernel, base.vector("query", "one"))
    given = framework.linear(base, source)
    replaced = framework.linear(base, weight=adapter.weight)
    before = ask(framework, replaced, "one", asynchronous=asynchronous)
    assert before == mapped(adapter, base.vector("query", "one"))
    replaced.adapter = source
    for model in (given, replaced):
        assert ask(framework, model, "one", asynchronous=asynchronous) == expected
        assert model.adapter.fingerprint == kernel.fingerprint


def test_an_adapter_of_another_model_is_refused_by_default(
    framework: Framework, make_base: Make, folder: Path
) -> None:
    other = make_base(model_name="fake/other")
    with pytest.raises(AdapterMismatchError, match=r"fake/tiny-embedder.*fake/other"):
        framework.adapted(other, folder)
    assert framework.adapted(other, folder, check_model=False).adapter is not None
    assert other.calls == []


def test_the_same_model_in_another_folder_is_accepted(
    framework: Framework, make_base: Make, folder: Path
) -> None:
    base = make_base(model_name="/home/me/Tiny-Embedder/")
    assert framework.adapted(base, folder).adapter is not None


def test_a_known_dimension_is_checked_at_construction(
    framework: Framework, make_base: Make, make_adapter: Make
) -> None:
    base = make_base(dimensions=8)
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8"):
        framework.adapted(base, make_adapter(dim=5))
    assert base.calls == []


def test_an_unknown_dimension_is_checked_at_the_first_query(
    framework: Framework, base: Any, make_adapter: Make
) -> None:
    model = framework.adapted(base, make_adapter(dim=5))
    with pytest.raises(DimensionMismatchError, match="expected 5 dimensions, got 8"):
        framework.calls.query(model, "q")


def test_a_folder_without_an_adapter_is_refused(
    framework: Framework, base: Any, tmp_path: Path
) -> None:
    with pytest.raises(AdapterFileError):
        framework.adapted(base, tmp_path)


# Identity


def test_the_adapter_is_part_of_the_identity(
    framework: Framework, base: Any, make_adapter: Make
) -> None:
    model = framework.adapted(base, make_adapter(1))
    first = model.identity
    assert first == identity_of(model) == f"{identity_of(base)}+{make_adapter(1).fingerprint}"
    model.adapter = make_adapter(2)
    assert model.identity not in (first, identity_of(base))
    for unchanging in (None, LinearAdapter.identity(8)):
        model.adapter = unchanging
        assert model.identity == identity_of(model) == identity_of(base)


@pytest.mark.parametrize(
    "settings",
    [{"model_name": "another"}, {"dimensions": 4}, {"instruction": "query: "}, {"width": 9}],
    ids=["model", "dimension", "instruction", "any other field"],
)
def test_what_changes_vectors_changes_the_identity(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) != identity_of(make_base())


@pytest.mark.parametrize("settings", [{"api_key": "rotated"}, {"batch_size": 99}])
def test_secrets_and_batch_sizes_do_not_change_the_identity(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) == identity_of(make_base())


def test_the_name_and_the_dimension_are_known(
    framework: Framework, make_base: Make, adapter: LinearAdapter
) -> None:
    model = framework.adapted(make_base(dimensions=8), None)
    assert model_name_of(model) == f"Adapter for {NAME}"
    assert model.dim == 8
    assert framework.adapted(make_base(), None).dim is None
    assert framework.adapted(make_base(), adapter).dim == 8


def test_no_printed_form_shows_a_secret(
    framework: Framework, base: Any, adapter: LinearAdapter, secret: str
) -> None:
    model = framework.linear(base, adapter)
    assert secret not in f"{model} {model!r} {model.model_dump()} {model.model_dump_json()}"


# Swapping


def test_a_swapped_adapter_serves_at_once(
    framework: Framework, base: Any, make_adapter: Make, folder: Path
) -> None:
    model = framework.adapted(base, make_adapter(1))
    vector = base.vector("query", "q")
    model.adapter = folder
    assert framework.calls.query(model, "q") == mapped(make_adapter(), vector)
    model.adapter = make_adapter(2)
    assert framework.calls.query(model, "q") == mapped(make_adapter(2), vector)
    model.adapter = None
    assert framework.calls.query(model, "q") == vector


def test_a_swap_that_does_not_fit_leaves_the_old_adapter(
    framework: Framework, make_base: Make, make_adapter: Make, folder: Path
) -> None:
    model = framework.linear(make_base(model_name="other", dimensions=8), make_adapter())
    before = model.adapter
    memory = KernelAdapter(make_adapter(dim=5), np.eye(5)[:2], np.ones((2, 5)), 5.0)
    unfit: list[tuple[Any, type[Exception]]] = [
        (make_adapter(dim=5), DimensionMismatchError),
        (folder, AdapterMismatchError),
        (memory, DimensionMismatchError),
        (3, TypeError),
    ]
    for adapter, error in unfit:
        with pytest.raises(error):
            model.adapter = adapter
    assert model.adapter is before


def test_base_and_adapter_cannot_be_changed_without_the_checks(
    framework: Framework, base: Any, folder: Path
) -> None:
    model = framework.adapted(base, folder)
    for name in (framework.base_field, "saved_adapter"):
        with pytest.raises(ValueError, match="frozen"):
            setattr(model, name, None)


async def test_queries_under_way_during_a_thousand_swaps_use_the_old_map_or_the_new(
    framework: Framework, base: Any, make_adapter: Make
) -> None:
    maps = [make_adapter(1), make_adapter(2)]
    model = framework.adapted(base, maps[0])
    queries = ["q" * (15 * n) for n in range(1, 65)]  # the n-th query yields 15 n times

    async def swap() -> None:
        for adapter in islice(cycle(maps), 1_000):
            model.adapter = adapter
            await asyncio.sleep(0)

    asked = asyncio.gather(*(framework.calls.aquery(model, query) for query in queries))
    vectors, _ = await asyncio.gather(asked, swap())
    used = set()
    for query, vector in zip(queries, vectors, strict=True):
        expected = [mapped(adapter, base.vector("query", query)) for adapter in maps]
        used.add(expected.index(vector))  # raises an error if it is neither
    assert used == {0, 1}


def test_threads_use_the_old_map_or_the_new(
    framework: Framework, base: Any, make_adapter: Make
) -> None:
    maps = [make_adapter(1), make_adapter(2), None]
    model = framework.adapted(base, maps[0])
    vector = base.vector("query", "q")
    allowed = [vector if adapter is None else mapped(adapter, vector) for adapter in maps]
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(framework.calls.query, model, "q") for _ in range(200)]
        for adapter in islice(cycle(maps), 1_000):
            model.adapter = adapter
        assert all(future.result() in allowed for future in asked)


# The probe


def test_verify_accepts_the_model_of_the_training(
    framework: Framework, base: Any, folder: Path
) -> None:
    framework.adapted(base, folder).verify()
    assert base.calls == [("query", ("probe",))]


def test_verify_refuses_a_model_with_other_vectors(
    framework: Framework, make_base: Make, folder: Path
) -> None:
    with pytest.raises(AdapterMismatchError, match=r"cosine at least 0.999.*got cosine"):
        framework.adapted(make_base(instruction="query: "), folder).verify()
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 5"):
        framework.adapted(make_base(width=5), folder).verify()


def test_verify_needs_a_probe(framework: Framework, base: Any, saved: SavedAdapter) -> None:
    for without in (None, saved.adapter, replace(saved, probe_vector=None)):
        with pytest.raises(AdapterMismatchError, match="probe question and its vector, got none"):
            framework.adapted(base, without).verify()
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
def test_a_copy_gives_the_same_vectors_and_is_independent(
    framework: Framework, base: Any, kernel: KernelAdapter, duplicate: Callable[[Any], Any]
) -> None:
    model = framework.adapted(base, kernel)
    twin = duplicate(model)
    assert getattr(twin, framework.base_field) is not base
    assert framework.calls.query(twin, "q") == framework.calls.query(model, "q")
    assert framework.calls.documents(twin, ["d"]) == framework.calls.documents(model, ["d"])
    assert twin.identity == model.identity
    twin.adapter = None
    assert model.adapter is kernel
