"""Tests of adapters in MLflow's registry, by its own client and a store in a folder."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from query_adapters.adapters.storage import load_adapter
from query_adapters.deployment import AdapterRegistry
from query_adapters.errors import AdapterFileError, RegistryError
from query_adapters.remote.locations import local_folder, revision_of
from tests.servers.failing import MlflowServer

Saved = Callable[..., Path]
Registered = Callable[..., str]
URI = "mlflow:/models:/faq@production"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # a database needs the whole mlflow
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    client = MlflowClient()
    client.create_registered_model("faq")
    return client


@pytest.fixture
def register(client: Any) -> Registered:
    """Return a function that registers a folder, and returns the number of its version."""

    def registered(folder: Path, path: str = "adapter", *, within: str = "") -> str:
        run = client.create_run("0")
        client.log_artifacts(run.info.run_id, str(folder), path)
        source = f"{run.info.artifact_uri}/{path}".removesuffix(f"/{within}" if within else "")
        version = client.create_model_version("faq", source, run.info.run_id)
        client.set_registered_model_alias("faq", "production", version.version)
        return str(version.version)

    return registered


def test_versions_and_aliases_name_an_adapter(saved: Saved, register: Registered) -> None:
    register(saved(2))
    register(saved(3))
    read = [load_adapter(f"mlflow:/models:/faq{at}") for at in ("/1", "/2", "@production")]
    expected = [load_adapter(saved(factor)).fingerprint for factor in (2, 3, 3)]
    assert [one.fingerprint for one in read] == expected


def test_only_the_adapters_own_files_are_downloaded(
    saved: Saved, register: Registered, tmp_path: Path
) -> None:
    folder = shutil.copytree(saved(2), tmp_path / "with others")
    (folder / "embeddings.sqlite").write_bytes(b"a cache")
    (folder / "lexical").mkdir()
    (folder / "lexical" / "index.json").write_text("{}")
    register(folder)
    found = {path.name for path in local_folder(URI).rglob("*") if path.is_file()}
    assert found == {"adapter.safetensors", "adapter.json", "README.md", "index.json"}


def test_an_adapter_may_lie_in_a_folder_of_the_artifacts(
    saved: Saved, register: Registered
) -> None:
    register(saved(2), "model/artifacts/adapter", within="artifacts/adapter")
    found = load_adapter(f"{URI}/artifacts/adapter")
    assert found.fingerprint == load_adapter(saved(2)).fingerprint


def test_what_was_downloaded_goes_to_the_registry(
    saved: Saved, register: Registered, local: AdapterRegistry
) -> None:
    register(saved(2))
    assert local.push(URI, "faq") == local.push(saved(2), "faq")


def test_a_model_that_is_made_again_is_another_one(
    saved: Saved, register: Registered, client: Any
) -> None:
    number = register(saved(2))
    before = revision_of(URI)
    assert revision_of(f"mlflow:/models:/faq/{number}") == before
    client.delete_registered_model("faq")
    client.create_registered_model("faq")
    assert register(saved(3)) == number
    assert revision_of(URI) != before


def test_a_model_without_an_adapter_is_refused_unread(tmp_path: Path, register: Registered) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "model.pkl").write_bytes(b"\x80 a pickle")
    register(tmp_path / "other")
    with pytest.raises(AdapterFileError, match=r"expected adapter.safetensors .* got 'model.pkl'"):
        local_folder(URI)


@pytest.mark.parametrize("at", ["/9", "@staging"])
def test_what_is_not_registered_is_missing(at: str, saved: Saved, register: Registered) -> None:
    register(saved(2))
    with pytest.raises(FileNotFoundError, match=f"models:/faq{at}: expected a registered version"):
        local_folder(f"mlflow:/models:/faq{at}")


@pytest.mark.parametrize(
    "uri", ["mlflow:/faq/3", "mlflow:/models:/faq", "mlflow:/models:/faq/3/../secret"]
)
def test_a_uri_that_is_not_complete_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="expected mlflow:/models:/<name>/<version>"):
        local_folder(uri)


@pytest.fixture
def server(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowServer]:
    with MlflowServer() as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        yield server


@pytest.mark.parametrize("fault", ["forbidden", "garbage"])
def test_a_server_that_fails_is_said(fault: str, saved: Saved, server: MlflowServer) -> None:
    server.folders["1"] = saved(2)
    assert load_adapter(URI).fingerprint == load_adapter(saved(2)).fingerprint
    server.fault = fault
    with pytest.raises(RegistryError, match="expected the registry's store to answer"):
        local_folder(URI)
