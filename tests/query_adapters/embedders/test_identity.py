"""Test that identities differ if and only if vectors can differ, and contain no secrets."""

import os
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from query_adapters.embedders.identity import (
    check_name,
    dim_of,
    identity_of,
    model_name_of,
    own_name,
)
from query_adapters.errors import AdapterMismatchError

Make = Callable[..., Any]
IN_A_FRESH_PROCESS = """
from query_adapters.embedders.identity import identity_of
class Plain:
    def __init__(self):
        self.model, self.instructions, self.pool = "m", {"b", "a"}, object()
print(identity_of(Plain()))
"""


class Opaque:
    """An arbitrary object as a setting."""


class Pooling(Enum):
    CLS = "cls"
    MEAN = "mean"


class SparseVector(BaseModel):
    indices: list[int]
    values: list[float]


class Model(BaseModel):
    """A pydantic model, like most embedding models of both frameworks."""

    model_config = ConfigDict(extra="allow")

    model_name: str = "fake/tiny-embedder"
    dimensions: int | None = None
    instruction: str = ""
    api_key: str = "sk-do-not-tell"
    settings: Any = None
    _n_calls: int = PrivateAttr(0)

    @cached_property
    def expensive(self) -> str:
        return "computed when first asked for"


class Instructed(BaseModel):
    """A pydantic model with private settings, as in LlamaIndex's guide."""

    _instruction: str = PrivateAttr()
    _scale: float = PrivateAttr()
    _device: str = PrivateAttr()
    _dim: int | None = PrivateAttr(None)
    _n_calls: int = PrivateAttr(0)

    def __init__(self, instruction: str = "", *, scale: float = 1, device: str = "cpu") -> None:
        super().__init__()
        self._instruction, self._scale, self._device = instruction, scale, device

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._dim, self._n_calls = 1, self._n_calls + 1
        return [[self._scale] for _ in texts]


class Scaled(Opaque):
    def __init__(self, _scale: float, *, normalize: bool = True) -> None:
        self._scale, self._normalize = _scale, normalize


class Deployed(BaseModel):
    model: str = "the-default"
    deployment: str | None = None
    openai_api_key: SecretStr = SecretStr("sk-do-not-tell")


class Plain:
    """A model without pydantic, with plain attributes."""

    def __init__(self, model: Any = "plain/embedder", *, prefix: str = "", **other: Any) -> None:
        self.model = model
        self._prefix = prefix
        self._session = Opaque()
        self._n_calls = 0
        self.__dict__.update(other)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._n_calls += 1
        return [[1.0] for _ in texts]


class Cached:
    """A cache around a model, like that of LangChain."""

    def __init__(self, underlying_embeddings: Any) -> None:
        self.underlying_embeddings = underlying_embeddings


class Slotted:
    __slots__ = ()


def test_an_identity_reads_class_model_and_digest() -> None:
    head, _, digest = identity_of(Model()).partition("#")
    assert head == "Model:fake/tiny-embedder"
    assert len(digest) == 16
    int(digest, 16)


@pytest.mark.parametrize(
    "settings",
    [{"model_name": "another"}, {"dimensions": 4}, {"instruction": "query: "}, {"pooling": "cls"}],
    ids=["model", "dimension", "instruction", "an extra field"],
)
def test_what_changes_vectors_changes_the_identity(settings: Any) -> None:
    assert identity_of(Model(**settings)) != identity_of(Model())


@pytest.mark.parametrize(
    "name",
    [
        "api_key", "openai_api_key", "azure_ad_token_provider", "embed_batch_size", "chunk_size",
        "num_workers", "embeddings_cache", "cache_folder", "rate_limiter", "max_retries",
        "request_timeout", "default_headers", "openai_proxy", "http_client", "async_client",
        "user_agent", "show_progress_bar", "parallel_process", "max_concurrency",
    ],
)  # fmt: skip
def test_secrets_and_plumbing_do_not_change_it(name: str) -> None:
    settings: Any = {name: "rotated"}
    assert identity_of(Model(**settings)) == identity_of(Model())
    assert identity_of(Plain(**settings)) == identity_of(Plain())


def test_a_secret_under_any_name_counts_by_its_type_alone() -> None:
    one, other = (identity_of(Model(settings=SecretStr(secret))) for secret in ("sk-1", "sk-2"))
    assert one == other


def test_secrets_inside_nested_settings_do_not_change_it_either() -> None:
    def identity(**extra: Any) -> str:
        return identity_of(Model(settings={"http": [{"seed": 1} | extra]}))

    assert identity(Authorization="one", session_token=2, timeout=3, device="cuda") == identity()
    assert identity(max_tokens=3) != identity()


@pytest.mark.parametrize(
    "make",
    [Opaque, lambda: lambda text: text, lambda: {Opaque()}, lambda: [Opaque()]],
    ids=["object", "function", "set", "list"],
)
def test_of_an_unknown_object_only_the_type_counts(make: Make) -> None:
    one, again = make(), make()  # both are alive and have different addresses
    assert identity_of(Model(settings=one)) == identity_of(Model(settings=again))
    assert identity_of(Model(settings=one)) != identity_of(Model(settings=Slotted()))


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: Pooling.MEAN, Pooling.CLS),
        (lambda: Path("folder") / "model", Path("folder")),
        (lambda: np.array([1.0, 2.0]), np.array([1.0, 3.0])),
        (lambda: {"b", "a"}, {"a"}),
        (lambda: SparseVector(indices=[1], values=[2.0]), SparseVector(indices=[1], values=[3.0])),
        (lambda: Plain(prefix="one: "), Plain(prefix="other: ")),
    ],
    ids=["enum", "path", "array", "set", "fields", "model"],
)
def test_of_a_known_object_the_value_counts(make: Make, other: Any) -> None:
    one, again, differs = (identity_of(Model(settings=s)) for s in (make(), make(), other))
    assert one == again != differs


def test_what_a_model_remembers_of_its_use_does_not_count() -> None:
    model, plain = Model(), Plain()
    before = identity_of(model), identity_of(plain)
    model._n_calls += 1
    assert model.expensive
    plain.embed_documents(["text"])
    assert (identity_of(model), identity_of(plain)) == before


def test_of_a_plain_model_public_settings_and_private_texts_count() -> None:
    identities = {
        identity_of(model)
        for model in (Plain(), Plain("other"), Plain(prefix="query: "), Plain(pooling="cls"))
    }
    assert len(identities) == 4


@pytest.mark.parametrize(
    ("model", "other"),
    [
        (Instructed("a"), Instructed("b")),
        (Instructed(scale=1), Instructed(scale=2)),
        (Scaled(1), Scaled(2)),
        (Scaled(1), Scaled(1, normalize=False)),
    ],
    ids=["pydantic text", "pydantic number", "number", "flag"],
)
def test_private_settings_count(model: Any, other: Any) -> None:
    assert identity_of(model) != identity_of(other)


def test_private_state_and_the_place_where_a_model_runs_do_not_count() -> None:
    model = Instructed("a")
    before = identity_of(model)
    model.embed_documents(["text"])
    assert model._n_calls == model._dim == 1
    assert identity_of(model) == before == identity_of(Instructed("a", device="cuda"))


def test_a_model_without_attributes_has_an_identity() -> None:
    assert identity_of(Slotted()).startswith("Slotted:Slotted#")


def test_a_models_own_identity_is_taken() -> None:
    assert identity_of(Plain(identity="own")) == "own"
    assert identity_of(Plain(identity=3)).startswith("Plain:plain/embedder#")


def test_it_is_the_same_in_another_process() -> None:
    ran = [
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", IN_A_FRESH_PROCESS],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("7", "8")
    ]
    assert ran[0] == ran[1] != ""


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (Model(model_name="given"), "given"),
        (Deployed(model="given"), "given"),
        (Deployed(), "the-default"),
        (Deployed(deployment="own-name"), "own-name"),
        (Deployed(deployment="own-name", model="given"), "given"),
        (Plain(Pooling.CLS), "cls"),
        (Plain(Opaque()), "Plain"),
        (Model(model_name="unknown"), "Model"),
        (Cached(Cached(Model(model_name="given"))), "given"),
    ],
)
def test_a_model_goes_by_the_name_that_was_given_else_by_its_class(model: Any, name: str) -> None:
    assert model_name_of(model) == name


def test_the_dimension_is_told_where_an_attribute_holds_it() -> None:
    assert dim_of(Model(dimensions=5)) == 5
    assert dim_of(Plain(output_dim=3)) == 3
    assert dim_of(Cached(Model(dimensions=5))) == 5
    for untold in (Model(), Plain(dim=True), Plain(dim=0), Plain(dim="8")):
        assert dim_of(untold) is None


@pytest.mark.parametrize(
    "expected", ["Fake/Tiny-Embedder", "/models/tiny-embedder", r"C:\models\tiny-embedder", None]
)
def test_a_name_is_compared_by_its_last_part(expected: str | None) -> None:
    check_name("fake/tiny-embedder", expected)


def test_another_name_is_refused_with_the_way_out() -> None:
    with pytest.raises(AdapterMismatchError, match=r"fake/large.*fake/tiny.*check_model=False"):
        check_name("fake/tiny-embedder", "fake/large")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text-embedding-3-small", "text-embedding-3-small"),
        ("org/model", "org/model"),
        ("/home/someone/models/tiny-embedder/", "tiny-embedder"),
        ("~/models/tiny-embedder", "tiny-embedder"),
        (r"C:\models\tiny-embedder", "tiny-embedder"),
        ("/home/someone/hub/models--org--model/snapshots/0f3a", "org/model"),
    ],
)
def test_a_path_is_left_out_of_a_models_own_name(name: str, expected: str) -> None:
    assert own_name(name) == expected


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (None, "folder"),
        ("---\n# a comment\nlicense: mit\n---\n\n# tiny-v2\n# other-1\n", "tiny-v2"),
        ("# SentenceTransformer based on org/model\n", "folder"),
        ("# Usage\n", "folder"),
    ],
    ids=["none", "named", "sentence", "word"],
)
def test_the_model_card_of_a_folder_names_the_model(
    card: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if card is not None:
        (folder / "README.md").write_text(card, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert own_name(str(folder)) == own_name("folder") == own_name("./folder/") == expected
    for recorded in (expected, f"/elsewhere/{expected}", "/saved/earlier/folder"):
        check_name(str(folder), recorded)
    with pytest.raises(AdapterMismatchError):
        check_name(str(folder), "another")
