"""Registries on each kind of store, and adapters to push to them."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.deployment import AdapterRegistry
from tests.servers.s3 import BUCKET, environment, s3_server

Saved = Callable[..., Path]
WITH_S3 = all(importlib.util.find_spec(name) for name in ("moto", "s3fs"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("QUERY_ADAPTERS_REGISTRY", raising=False)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    if not WITH_S3:
        pytest.skip("needs s3fs and moto[server], which need an older python-dateutil")
    import s3fs

    with s3_server() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url).items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir(BUCKET)
        yield f"s3://{BUCKET}"


@pytest.fixture(params=["local", "memory", "s3"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AdapterRegistry:
    """Return an empty registry on each kind of store."""
    if request.param == "local":
        return AdapterRegistry(tmp_path / "registry")
    if request.param == "memory":
        return AdapterRegistry(f"memory://{uuid4().hex}")
    return AdapterRegistry(f"{request.getfixturevalue('s3')}/{uuid4().hex}")


@pytest.fixture
def local(tmp_path: Path) -> AdapterRegistry:
    return AdapterRegistry(tmp_path / "registry")


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """Return a function that saves the adapter `factor × q` and returns its folder."""

    def save(factor: float, *, dim: int = 2, base_model: str | None = None) -> Path:
        record = AdapterRecord(base_model=base_model, created="2026-01-01T00:00:00+00:00")
        adapter = LinearAdapter(factor * np.eye(dim, dtype=np.float32), keeps_length=False)
        folder = tmp_path / f"adapter-{factor:g}-{dim}-{base_model}"
        if folder.exists():  # another save would order the header of the file in another way
            return folder
        return save_adapter(SavedAdapter(adapter=adapter, record=record), folder)

    return save
