"""Tests of URIs where a folder is accepted."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langchain_adapter import LinearAdapterEmbeddings
from llama_index_finetune_plugin import LinearAdapterEmbedding
from query_adapters.adapters.storage import load_adapter
from query_adapters.deployment import AdapterRegistry
from query_adapters.remote.locations import local_folder, parsed, revision_of
from tests.query_adapters.cli.command_line import CommandLine
from tests.rotated_model import RotatedEmbedding, RotatedEmbeddings, vector

Saved = Callable[..., Path]
URI = "registry://faq@production"


@pytest.fixture
def version(
    local: AdapterRegistry, saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return the version in production of the registry of the environment."""
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY", str(tmp_path / "registry"))
    version = local.push(saved(2, dim=8), "faq")
    local.promote("faq", version)
    return version


def test_both_frameworks_serve_an_alias(version: str) -> None:
    expected = [2 * number for number in vector("question 1")]
    for model in (
        LinearAdapterEmbedding(RotatedEmbedding(), URI).get_query_embedding("question 1"),
        LinearAdapterEmbeddings(RotatedEmbeddings(), URI).embed_query("question 1"),
    ):
        assert model == pytest.approx(expected, rel=1e-6)


def test_a_uri_is_kept_by_a_model_that_is_stored(version: str) -> None:
    model = LinearAdapterEmbedding(RotatedEmbedding(), adapter_path=URI)
    again = LinearAdapterEmbedding.from_dict(model.to_dict(), RotatedEmbedding())
    assert again.adapter_path == URI
    assert again.identity == model.identity


@pytest.mark.parametrize("reference", ["production", "full", "short"])
def test_aliases_versions_and_starts_of_versions_name_a_folder(
    reference: str, version: str, local: AdapterRegistry
) -> None:
    named = {"production": "production", "full": version, "short": version[:8]}[reference]
    folder = local_folder(f"registry://faq@{named}")
    assert folder.name == version
    assert local_folder(local.uri("faq", named)) == folder
    assert revision_of(f"registry://faq@{named}") == version


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("registry://faq", "add what is missing, such as @production"),
        ("registry://@production", "add what is missing"),
        ("registry://a/b@production", "add what is missing"),
        ("registry://faq@a@b", "add what is missing"),
        ("registry://faq@production", "in the environment variable QUERY_ADAPTERS_REGISTRY"),
        ("hf://user", "expected hf://<user>/<repository>"),
    ],
)
def test_a_uri_that_is_not_complete_is_refused(uri: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        local_folder(uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("registry+s3://bucket/a/b/faq@x", ("s3://bucket/a/b", "faq", "x")),
        ("registry+file:///srv/registry/faq@x", ("file:///srv/registry", "faq", "x")),
        ("registry+s3://bucket/faq@x", ("s3://bucket", "faq", "x")),
    ],
)
def test_a_uri_may_name_its_registry(uri: str, expected: tuple[str, str, str]) -> None:
    found = parsed(uri)
    assert (found.url, found.name, found.reference) == expected


def test_a_path_that_looks_like_a_uri_stays_a_path(tmp_path: Path) -> None:
    assert local_folder(tmp_path / "registry:" / "x@y") == tmp_path / "registry:" / "x@y"


def test_commands_take_a_uri(version: str) -> None:
    cli = CommandLine()
    assert cli.json("inspect", URI)["dim_in"] == 8
    assert "no alias 'staging'" in cli.refusal("inspect", "registry://faq@staging")
    assert "such as @production" in cli.refusal("inspect", "registry://faq", status=2)
    assert "does not exist" in cli.refusal("inspect", "nowhere", status=2)


def test_an_adapter_is_read_from_the_hub(saved: Saved, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    commit = hashlib.sha1(b"commit", usedforsecurity=False).hexdigest()
    repository = tmp_path / "hub" / "models--user--faq"
    shutil.copytree(saved(3), repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    code = (
        "from query_adapters.adapters.storage import load_adapter as load\n"
        "print(load('hf://user/faq').fingerprint)\n"
        f"print(load('hf://user/faq@{commit}').fingerprint)\n"
        "try:\n    load('hf://user/other')\n"
        "except Exception as error:\n    print(type(error).__name__)\n"
    )
    offline: dict[str, Any] = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env=os.environ | offline, capture_output=True, text=True
    )
    expected = load_adapter(saved(3)).fingerprint
    assert ran.stdout.split() == [expected, expected, "RegistryError"], ran.stderr
