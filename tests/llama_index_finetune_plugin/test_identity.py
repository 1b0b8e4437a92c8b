"""An identity tells models apart whose vectors differ, and nothing else: no secret, no address."""

import os
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.storage.kvstore import SimpleKVStore
from pydantic import BaseModel

from llama_index_finetune_plugin._identity import check_name, dim_of, identity_of, model_name_of
from llama_index_finetune_plugin.embedding import AdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import AdapterMismatchError

Make = Callable[..., Any]
IN_A_FRESH_PROCESS = """
from llama_index.core.embeddings import MockEmbedding
from llama_index_finetune_plugin._identity import identity_of
print(identity_of(MockEmbedding(embed_dim=8, model_name="m")))
"""


class Opaque:
    """A setting that nothing but Python knows."""


class Pooling(Enum):
    CLS = "cls"
    MEAN = "mean"


class SparseVector(BaseModel):
    indices: list[int]
    values: list[float]


class ManySettings(MockEmbedding):
    settings: Any = None


class Unnamed(MockEmbedding):
    @classmethod
    def class_name(cls) -> str:
        return "base_component"


def test_an_identity_reads_class_model_and_digest(base: Any) -> None:
    head, _, digest = identity_of(base).partition("#")
    assert head == "FakeEmbedding:fake/tiny-embedder"
    assert len(digest) == 16
    int(digest, 16)


@pytest.mark.parametrize(
    "settings",
    [{"model_name": "another"}, {"dimensions": 4}, {"instruction": "query: "}, {"width": 9}],
    ids=["model", "dimension", "instruction", "any other field"],
)
def test_what_changes_vectors_changes_the_identity(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) != identity_of(make_base())


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "rotated"},
        {"embed_batch_size": 99},
        {"num_workers": 4},
        {"embeddings_cache": SimpleKVStore()},
        {"rate_limiter": Opaque()},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_secrets_and_plumbing_do_not_change_it(make_base: Make, settings: Any) -> None:
    assert identity_of(make_base(**settings)) == identity_of(make_base())


def test_secrets_inside_nested_settings_do_not_change_it_either() -> None:
    def identity(**extra: Any) -> str:
        return identity_of(ManySettings(embed_dim=8, settings={"http": [{"seed": 1} | extra]}))

    assert identity(Authorization="one", session_token=2, timeout=3) == identity()
    assert identity(max_tokens=3) != identity()


@pytest.mark.parametrize(
    "make",
    [Opaque, lambda: lambda text: text, lambda: {Opaque()}, lambda: [Opaque()]],
    ids=["object", "function", "set", "list"],
)
def test_of_an_unknown_object_only_the_type_counts(make: Make) -> None:
    one, again = make(), make()  # both alive, so at two addresses
    assert identity_of(ManySettings(embed_dim=8, settings=one)) == identity_of(
        ManySettings(embed_dim=8, settings=again)
    )
    assert identity_of(ManySettings(embed_dim=8, settings=one)) != identity_of(
        ManySettings(embed_dim=8, settings=SimpleKVStore())
    )


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: Pooling.MEAN, Pooling.CLS),
        (lambda: Path("folder") / "model", Path("folder")),
        (lambda: np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (lambda: {"b", "a"}, {"a"}),
        (lambda: SparseVector(indices=[1], values=[2.0]), SparseVector(indices=[1], values=[3.0])),
    ],
    ids=["enum", "path", "array", "set", "model"],
)
def test_of_a_known_object_the_value_counts(make: Make, other: Any) -> None:
    one, again, differs = (
        identity_of(ManySettings(embed_dim=8, settings=settings))
        for settings in (make(), make(), other)
    )
    assert one == again != differs


def test_it_is_the_same_in_another_process() -> None:
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", IN_A_FRESH_PROCESS],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert ran.stdout.strip() == identity_of(MockEmbedding(embed_dim=8, model_name="m"))


def test_an_adapted_model_is_told_from_its_base_by_the_adapter(
    base: Any, make_adapter: Make
) -> None:
    model = AdapterEmbedding(base, make_adapter(1))
    first = identity_of(model)
    model.adapter = make_adapter(2)
    assert len({identity_of(base), first, identity_of(model)}) == 3


@pytest.mark.parametrize("adapter", [None, LinearAdapter.identity(8)], ids=["none", "identity"])
def test_an_adapter_that_changes_nothing_keeps_the_identity(base: Any, adapter: Any) -> None:
    assert identity_of(AdapterEmbedding(base, adapter)) == identity_of(base)


def test_a_model_without_a_name_goes_by_its_class() -> None:
    assert model_name_of(MockEmbedding(embed_dim=3)) == "MockEmbedding"
    assert model_name_of(Unnamed(embed_dim=3)) == "Unnamed"


def test_the_dimension_is_told_where_a_field_holds_it(make_base: Make) -> None:
    assert dim_of(MockEmbedding(embed_dim=3)) == 3
    assert dim_of(make_base(dimensions=5)) == 5
    assert dim_of(make_base()) is None


@pytest.mark.parametrize(
    "expected", ["Fake/Tiny-Embedder", "/models/tiny-embedder", r"C:\models\tiny-embedder", None]
)
def test_a_name_is_compared_by_its_last_part(base: BaseEmbedding, expected: str | None) -> None:
    check_name(base, expected)


def test_another_name_is_refused_with_the_way_out(base: BaseEmbedding) -> None:
    with pytest.raises(AdapterMismatchError, match=r"fake/large.*fake/tiny.*check_model=False"):
        check_name(base, "fake/large")
