"""Tests of adapted models: construction, checks, swaps, verification, storage and copies."""

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index_finetune_plugin.embedding import AdapterEmbedding, LinearAdapterEmbedding
from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import AdapterMismatchError

Make = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, base: Any, adapter: LinearAdapter) -> Path:
    """Return the folder of a saved adapter with a complete record."""
    record = AdapterRecord(base_model=base.model_name, probe_text="probe")
    probe_vector = np.array(base.vector("query", "probe"), dtype=np.float32)
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=probe_vector)
    return save_adapter(saved, tmp_path / "adapter")


def adapted(adapter: QueryAdapter, vector: list[float]) -> list[float]:
    result: list[float] = adapter(np.array(vector, dtype=np.float32)).tolist()
    return result


@pytest.mark.parametrize("given", ["adapter", "saved", "str", "path", "adapter_path", "weight"])
def test_the_path_of_a_folder_is_kept_in_whatever_form_it_was_given(
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


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"adapter": None, "adapter_path": "folder"}, "got both"),
        ({"adapter_path": "folder", "weight": [[1.0]]}, "got both"),
        ({"adapter": None, "transform_query": True}, "transform_query"),
        ({"adapter": None, "embeddings_cache": {}}, "BaseKVStore"),
    ],
)
def test_a_wrong_call_is_refused(base: Any, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        LinearAdapterEmbedding(base, **options)


def test_every_field_of_an_embedding_model_is_accepted(
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


def test_the_path_follows_a_swapped_adapter(
    base: Any, make_adapter: Make, adapter: LinearAdapter, folder: Path
) -> None:
    model = AdapterEmbedding(base, make_adapter(1))
    model.adapter = folder
    assert model.get_query_embedding("q") == adapted(adapter, base.vector("query", "q"))
    assert model.adapter_path == str(folder)
    model.adapter = None
    assert model.get_query_embedding("q") == base.vector("query", "q")
    assert model.adapter_path is None


def test_the_path_cannot_be_changed_alone(base: Any, folder: Path) -> None:
    model = AdapterEmbedding(base, folder)
    with pytest.raises(ValueError, match="frozen"):
        model.adapter_path = None


def test_verify_embeds_the_probe_although_caches_hold_it(base: Any, folder: Path) -> None:
    base.embeddings_cache = SimpleKVStore()
    model = AdapterEmbedding(base, folder, embeddings_cache=SimpleKVStore())
    model.get_query_embedding("probe")
    model.verify()
    assert base.calls == [("query", ("probe",))] * 2, "a cache answered for the model"


def test_the_stored_form_holds_base_and_path(make_base: Make, folder: Path) -> None:
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
def test_a_copy_has_the_same_stored_form(
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
