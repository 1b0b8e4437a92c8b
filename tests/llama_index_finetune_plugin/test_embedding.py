"""Adapted embedding models: made, checked, swapped, verified, stored and copied."""

import copy
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore
from numpy.typing import NDArray

from llama_index_finetune_plugin.embedding import AdapterEmbedding, LinearAdapterEmbedding
from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import AdapterFileError, AdapterMismatchError, DimensionMismatchError
from query_adapters.typing import Vectors

Make = Callable[..., Any]


class Shifting(QueryAdapter):
    """Adds a constant: an adapter that is not linear."""

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
def folder(tmp_path: Path, base: Any, adapter: LinearAdapter) -> Path:
    """A saved adapter with its whole record."""
    record = AdapterRecord(base_model=base.model_name, probe_text="probe")
    probe_vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=probe_vector)
    return save_adapter(saved, tmp_path / "adapter")


def adapted(adapter: QueryAdapter, vector: list[float]) -> list[float]:
    result: list[float] = adapter(np.array(vector, dtype=np.float32)).tolist()
    return result


def test_a_query_is_mapped_and_keeps_its_length() -> None:
    base = MockEmbedding(embed_dim=2)  # every vector is (1/2, 1/2)
    model = LinearAdapterEmbedding(base, weight=[[3.0, 0.0], [0.0, 4.0]])
    expected = np.array([0.6, 0.8]) * np.sqrt(0.5)
    np.testing.assert_allclose(model.get_query_embedding("any"), expected, rtol=1e-6)
    assert model.get_text_embedding("any") == [0.5, 0.5]


@pytest.mark.parametrize("given", ["adapter", "saved", "str", "path", "adapter_path", "weight"])
def test_an_adapter_is_taken_in_every_form(
    base: Any, adapter: LinearAdapter, folder: Path, given: str
) -> None:
    forms: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "adapter": ((adapter,), {}),
        "saved": ((SavedAdapter(adapter=adapter),), {}),
        "str": ((str(folder),), {}),
        "path": ((folder,), {}),
        "adapter_path": ((), {"adapter_path": folder}),
        "weight": ((), {"weight": adapter.weight}),
    }
    positional, named = forms[given]
    model = LinearAdapterEmbedding(base, *positional, **named)
    expected = adapted(adapter, base.vector("query", "q"))
    assert model.get_query_embedding("q") == expected
    assert model.adapter_path == (str(folder) if "path" in given or given == "str" else None)


def test_weight_and_bias_make_an_adapter(base: Any, adapter: LinearAdapter) -> None:
    bias = np.arange(8.0)
    model = LinearAdapterEmbedding(base, weight=adapter.weight, bias=bias)
    expected = adapted(LinearAdapter(adapter.weight, bias), base.vector("query", "q"))
    assert model.get_query_embedding("q") == expected


def test_any_kind_of_adapter_serves(base: Any) -> None:
    model = AdapterEmbedding(base, Shifting())
    assert model.get_query_embedding("q") == adapted(Shifting(), base.vector("query", "q"))
    assert model.get_query_embedding("q")[0] == pytest.approx(
        1 + base.vector("query", "q")[0], abs=1e-6
    )


@pytest.mark.parametrize("nothing", [None, LinearAdapter.identity(8)], ids=["none", "identity"])
def test_without_a_change_the_bases_values_come_back_untouched(base: Any, nothing: Any) -> None:
    model = AdapterEmbedding(base, nothing)
    assert model.get_query_embedding("q") == base.vector("query", "q")


def test_an_adapter_may_change_the_dimension(base: Any, make_adapter: Make) -> None:
    model = AdapterEmbedding(base, make_adapter(dim_out=3))
    assert len(model.get_query_embedding("q")) == model.dim == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "got neither"),
        ({"adapter": None, "adapter_path": "folder"}, "got both"),
        ({"adapter": None, "weight": [[1.0]]}, "adapter or a weight, got both"),
        ({"adapter_path": "folder", "weight": [[1.0]]}, "got both"),
        ({"bias": [1.0]}, "a weight to go with the bias"),
        ({"adapter": 3}, "expected an adapter.* got int"),
        ({"adapter": None, "transform_query": True}, "transform_query"),
        ({"adapter": None, "embeddings_cache": {}}, "BaseKVStore"),
    ],
)
def test_a_wrong_call_is_refused(base: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        LinearAdapterEmbedding(base, **options)


def test_a_wrong_base_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a LlamaIndex embedding model"):
        AdapterEmbedding(object(), None)  # type: ignore[arg-type]


def test_a_folder_without_an_adapter_is_refused(base: Any, tmp_path: Path) -> None:
    with pytest.raises(AdapterFileError):
        AdapterEmbedding(base, tmp_path)


@pytest.mark.parametrize("checked", [True, False])
def test_another_model_is_refused_unless_told_otherwise(
    make_base: Make, folder: Path, checked: bool
) -> None:
    other = make_base(model_name="fake/other")
    if checked:
        with pytest.raises(AdapterMismatchError, match=r"fake/tiny-embedder.*fake/other"):
            AdapterEmbedding(other, folder)
    else:
        assert AdapterEmbedding(other, folder, check_model=False).adapter is not None
    assert other.calls == []


def test_the_same_model_in_another_folder_is_accepted(make_base: Make, folder: Path) -> None:
    assert AdapterEmbedding(make_base(model_name="/home/me/Tiny-Embedder/"), folder).adapter


def test_only_linear_adapters_go_into_the_linear_one(base: Any, adapter: LinearAdapter) -> None:
    with pytest.raises(AdapterMismatchError, match="expected a linear adapter, got a shifting"):
        LinearAdapterEmbedding(base, Shifting())
    model = LinearAdapterEmbedding(base, adapter)
    with pytest.raises(AdapterMismatchError, match="use AdapterEmbedding"):
        model.adapter = Shifting()
    assert model.adapter is adapter


def test_a_told_dimension_is_checked_at_construction(
    make_base: Make, adapter: LinearAdapter
) -> None:
    base = make_base(dimensions=5)
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 5"):
        AdapterEmbedding(base, adapter)
    assert base.calls == []


def test_an_untold_dimension_is_found_out_by_the_first_query(
    make_base: Make, adapter: LinearAdapter
) -> None:
    model = AdapterEmbedding(make_base(width=5), adapter)
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 5"):
        model.get_query_embedding("q")


def test_every_field_of_an_embedding_model_is_taken(
    base: Any, adapter: LinearAdapter, make_limiter: Make
) -> None:
    options: dict[str, Any] = {
        "model_name": "mine",
        "embed_batch_size": 3,
        "num_workers": 2,
        "embeddings_cache": SimpleKVStore(),
        "rate_limiter": make_limiter(),
        "callback_manager": base.callback_manager,
    }
    model = AdapterEmbedding(base, adapter, **options)
    assert {name: getattr(model, name) for name in options} == options


def test_what_is_left_out_comes_from_the_base(make_base: Make, adapter: LinearAdapter) -> None:
    model = AdapterEmbedding(make_base(embed_batch_size=100, num_workers=4), adapter)
    assert (model.embed_batch_size, model.num_workers) == (100, 4)
    assert model.model_name == "Adapter for fake/tiny-embedder"


def test_a_swapped_adapter_serves_at_once(
    base: Any, make_adapter: Make, adapter: LinearAdapter, folder: Path
) -> None:
    model = AdapterEmbedding(base, make_adapter(1))
    model.adapter = folder
    assert model.get_query_embedding("q") == adapted(adapter, base.vector("query", "q"))
    assert model.adapter_path == str(folder)
    model.adapter = None
    assert model.get_query_embedding("q") == base.vector("query", "q")
    assert model.adapter_path is None


def test_a_swap_that_does_not_fit_leaves_the_old_adapter(
    make_base: Make, make_adapter: Make, folder: Path
) -> None:
    model = AdapterEmbedding(make_base(model_name="other", dimensions=8), make_adapter())
    before = model.adapter
    with pytest.raises(DimensionMismatchError):
        model.adapter = make_adapter(dim=5)
    with pytest.raises(AdapterMismatchError):
        model.adapter = folder
    with pytest.raises(TypeError):
        model.adapter = 3  # type: ignore[assignment]
    assert model.adapter is before


def test_base_and_adapter_cannot_be_changed_past_the_checks(base: Any, folder: Path) -> None:
    model = AdapterEmbedding(base, folder)
    for name in ("base_embed_model", "saved_adapter", "adapter_path"):
        with pytest.raises(ValueError, match="frozen"):
            setattr(model, name, None)


def test_verify_accepts_the_model_of_the_training(base: Any, folder: Path) -> None:
    base.embeddings_cache = SimpleKVStore()
    model = AdapterEmbedding(base, folder, embeddings_cache=SimpleKVStore())
    model.get_query_embedding("probe")
    model.verify()
    assert base.calls == [("query", ("probe",))] * 2, "a cache answered for the model"


def test_verify_refuses_a_model_with_other_vectors(make_base: Make, folder: Path) -> None:
    model = AdapterEmbedding(make_base(instruction="query: "), folder)
    with pytest.raises(AdapterMismatchError, match=r"cosine at least 0.999.*got cosine"):
        model.verify()


def test_verify_refuses_vectors_of_another_length(make_base: Make, folder: Path) -> None:
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 5"):
        AdapterEmbedding(make_base(width=5), folder).verify()


@pytest.mark.parametrize("given", ["adapter", "none"])
def test_verify_says_so_if_there_is_no_probe(base: Any, adapter: LinearAdapter, given: str) -> None:
    with pytest.raises(AdapterMismatchError, match="probe question and its vector, got none"):
        AdapterEmbedding(base, adapter if given == "adapter" else None).verify()
    assert base.calls == []


def test_the_stored_form_tells_base_and_path(make_base: Make, folder: Path) -> None:
    base = make_base(embed_batch_size=5)
    data = LinearAdapterEmbedding(base, folder, embeddings_cache=SimpleKVStore()).to_dict()
    assert data == {
        "class_name": "LinearAdapterEmbedding",
        "model_name": "Adapter for fake/tiny-embedder",
        "embed_batch_size": 5,
        "num_workers": None,
        "check_model": True,
        "adapter_path": str(folder),
        "base_class": "RecordingEmbedding",
        "base_model": "fake/tiny-embedder",
        "base_identity": identity_of(base),
        "dim": 8,
    }


def test_the_stored_form_is_json_and_keeps_secrets(
    base: Any, adapter: LinearAdapter, make_limiter: Make, secret: str
) -> None:
    model = AdapterEmbedding(
        base, adapter, embeddings_cache=SimpleKVStore(), rate_limiter=make_limiter()
    )
    assert json.loads(model.to_json()) == model.to_dict()
    told = (
        f"{model.to_dict()} {model.to_json()} {model.model_dump()} {model.to_payload()} {model!r}"
    )
    assert secret not in told
    assert adapter.fingerprint not in model.to_json()


def test_a_stored_model_comes_back_on_its_base(base: Any, folder: Path) -> None:
    model = LinearAdapterEmbedding(base, folder, embed_batch_size=3, num_workers=2)
    restored = LinearAdapterEmbedding.from_dict(model.to_dict(), base_embed_model=base)
    assert restored.to_dict() == model.to_dict()
    assert restored.get_query_embedding("q") == model.get_query_embedding("q")
    from_json = LinearAdapterEmbedding.from_json(model.to_json(), base_embed_model=base)
    assert from_json.to_dict() == model.to_dict()


def test_arguments_replace_what_is_stored(base: Any, folder: Path, make_adapter: Make) -> None:
    data = LinearAdapterEmbedding(base, folder).to_dict()
    other = make_adapter(5)
    for replaced in ({"adapter": other}, {"weight": other.weight}):
        restored = LinearAdapterEmbedding.from_dict(
            data, base_embed_model=base, embed_batch_size=9, **replaced
        )
        assert restored.embed_batch_size == 9
        assert restored.get_query_embedding("q") == adapted(other, base.vector("query", "q"))


def test_restoring_needs_the_base(base: Any, folder: Path) -> None:
    data = AdapterEmbedding(base, folder).to_dict()
    with pytest.raises(TypeError, match=r"base_embed_model=RecordingEmbedding.*secrets"):
        AdapterEmbedding.from_dict(data)


def test_restoring_refuses_another_base(
    base: Any, make_base: Make, make_adapter: Make, folder: Path
) -> None:
    data = AdapterEmbedding(base, make_adapter()).to_dict()
    other = make_base(model_name="fake/other")
    with pytest.raises(AdapterMismatchError, match="fake/other"):
        AdapterEmbedding.from_dict(data, base_embed_model=other, adapter=make_adapter())
    unchecked = AdapterEmbedding(base, folder, check_model=False).to_dict()
    assert AdapterEmbedding.from_dict(unchecked, base_embed_model=other).adapter is not None


def test_restoring_needs_an_adapter_that_was_given_in_memory(
    base: Any, adapter: LinearAdapter
) -> None:
    data = AdapterEmbedding(base, adapter).to_dict()
    with pytest.raises(TypeError, match="given in memory is not stored"):
        AdapterEmbedding.from_dict(data, base_embed_model=base)
    restored = AdapterEmbedding.from_dict(data, base_embed_model=base, adapter=adapter)
    assert restored.to_dict() == data


@pytest.mark.parametrize("given", ["adapter", "folder", "none"])
@pytest.mark.parametrize("duplicate", ["pickle", "deepcopy"])
def test_a_copy_gives_the_same_vectors(
    base: Any, adapter: LinearAdapter, folder: Path, given: str, duplicate: str
) -> None:
    forms: dict[str, Any] = {"adapter": adapter, "folder": folder, "none": None}
    store = SimpleKVStore()
    model = LinearAdapterEmbedding(base, forms[given], check_model=False, embeddings_cache=store)
    twin = (
        copy.deepcopy(model) if duplicate == "deepcopy" else pickle.loads(pickle.dumps(model))  # noqa: S301
    )
    assert twin.base_embed_model is not base
    assert twin.get_query_embedding("q") == model.get_query_embedding("q")
    assert twin.get_text_embedding("d") == model.get_text_embedding("d")
    assert twin.to_dict() == model.to_dict()
    twin.adapter = None
    assert model.adapter_path == (str(folder) if given == "folder" else None)


def test_a_pickle_does_without_what_cannot_be_pickled(base: Any, adapter: LinearAdapter) -> None:
    class Unpicklable:
        def acquire(self) -> None: ...

    model = AdapterEmbedding(base, adapter, rate_limiter=Unpicklable())
    twin = pickle.loads(pickle.dumps(model))  # noqa: S301
    assert twin.rate_limiter is None
    assert model.rate_limiter is not None, "pickling must not change what is pickled"
    assert twin.get_query_embedding("q") == model.get_query_embedding("q")
