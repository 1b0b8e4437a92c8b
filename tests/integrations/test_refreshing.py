"""Tests of adapters that are refreshed while they serve, in both frameworks."""

import copy
import gc
import logging
import os
import pickle
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langchain_adapter import LinearAdapterEmbeddings
from llama_index_finetune_plugin import LinearAdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.deployment import AdapterRegistry
from query_adapters.deployment.refreshing import pause
from tests.forked import child_of_fork
from tests.integrations.framework import Framework

URI = "registry://faq@production"
SOON = 0.02  # seconds between two looks
LIMIT = 10.0  # seconds that a change may take at most on a busy machine
CLASSES: dict[str, Any] = {
    "llama_index": LinearAdapterEmbedding,
    "langchain": LinearAdapterEmbeddings,
}


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AdapterRegistry:
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY", str(tmp_path / "registry"))
    return AdapterRegistry(tmp_path / "registry")


@pytest.fixture
def promote(registry: AdapterRegistry, tmp_path: Path) -> Callable[..., str]:
    """Return a function that puts the adapter `factor × q` into production."""

    def promoted(factor: float, *, dim: int = 8, base_model: str | None = None) -> str:
        adapter = LinearAdapter(factor * np.eye(dim), keeps_length=False)
        saved = SavedAdapter(adapter=adapter, record=AdapterRecord(base_model=base_model))
        version = registry.push(save_adapter(saved, tmp_path / "adapter"), "faq")
        registry.promote("faq", version)
        return version

    return promoted


@pytest.fixture
def model(framework: Framework, base: Any, promote: Callable[..., str]) -> Any:
    promote(2)
    return CLASSES[framework.name](base, URI, refresh_s=SOON)


@pytest.fixture
def factor(framework: Framework, base: Any) -> Callable[..., float]:
    """Return a function that asks a model and returns the factor of its adapter."""

    def asked(model: Any) -> float:
        ratio = np.array(framework.calls.query(model, "q")) / base.vector("query", "q")
        assert ratio == pytest.approx(np.full(len(ratio), ratio[0]), rel=1e-5)
        return round(float(ratio[0]), 3)

    return asked


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "nothing has changed"
        time.sleep(0.005)


def looks(model: Any, n: int = 3) -> None:
    """Wait until the model has looked some more times."""
    looked, look = [0], model.followed.look

    def counted() -> float:
        looked[0] += 1
        seconds: float = look()
        return seconds

    model.followed.look = counted
    wait_for(lambda: looked[0] >= n)
    del model.followed.look


def test_a_moved_alias_is_served_without_a_restart(
    model: Any, promote: Callable[..., str], registry: AdapterRegistry, factor: Callable[..., float]
) -> None:
    assert factor(model) == 2
    promote(3)
    wait_for(lambda: factor(model) == 3)
    registry.rollback("faq")
    wait_for(lambda: factor(model) == 2)


def test_a_folder_that_is_saved_again_is_served_too(
    framework: Framework, base: Any, tmp_path: Path, factor: Callable[..., float]
) -> None:
    folder = tmp_path / "folder"
    save_adapter(LinearAdapter(2 * np.eye(8), keeps_length=False), folder)
    model = CLASSES[framework.name](base, folder, refresh_s=SOON)
    assert factor(model) == 2
    save_adapter(LinearAdapter(4 * np.eye(8), keeps_length=False), folder)
    wait_for(lambda: factor(model) == 4)


@pytest.mark.parametrize("fault", ["gone", "garbage", "newer"])
def test_a_store_that_fails_is_said_once_and_the_last_adapter_serves_until_it_is_back(
    fault: str,
    model: Any,
    promote: Callable[..., str],
    registry: AdapterRegistry,
    factor: Callable[..., float],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert factor(model) == 2
    looks(model)
    store = tmp_path / "registry"
    kept = shutil.copytree(store, tmp_path / "kept")
    if fault == "gone":
        store.rename(tmp_path / "away")
    elif fault == "garbage":
        (*_, last) = (store / "adapters" / "faq" / "aliases" / "production").iterdir()
        last.write_bytes(b"\x00 garbage")
    else:
        (store / "registry.json").write_text('{"format_version": 2}')
    looks(model, 4)
    assert factor(model) == 2
    (said,) = [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]
    assert "cannot be looked at" in said
    shutil.rmtree(store, ignore_errors=True)
    shutil.copytree(kept, store)
    promote(3)
    wait_for(lambda: factor(model) == 3)


@pytest.mark.parametrize(
    ("unfit", "told"),
    [({"dim": 5}, "DimensionMismatchError"), ({"base_model": "other"}, "AdapterMismatchError")],
)
def test_an_adapter_that_does_not_fit_is_refused_once_and_the_next_one_is_served(
    unfit: dict[str, Any],
    told: str,
    model: Any,
    promote: Callable[..., str],
    factor: Callable[..., float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert factor(model) == 2
    promote(3, **unfit)
    wait_for(lambda: bool(caplog.records))
    looks(model)
    assert factor(model) == 2
    (said,) = [one.getMessage() for one in caplog.records]
    assert told in said
    assert "the one before it keeps serving" in said
    promote(4)
    wait_for(lambda: factor(model) == 4)


def test_no_query_waits_for_a_store_that_hangs(
    model: Any, factor: Callable[..., float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, release = threading.Event(), threading.Event()

    def hang(*_: Any) -> str:
        hangs.set()
        release.wait(LIMIT)
        raise OSError("released")

    monkeypatch.setattr("query_adapters.deployment.refreshing.revision_of", hang)
    assert factor(model) == 2
    assert hangs.wait(LIMIT)
    began = time.monotonic()
    assert factor(model) == 2
    assert time.monotonic() - began < LIMIT / 2
    release.set()


def test_an_adapter_that_is_assigned_ends_the_looking(
    model: Any, promote: Callable[..., str], factor: Callable[..., float]
) -> None:
    assert factor(model) == 2
    model.adapter = None
    promote(3)
    time.sleep(5 * SOON)
    assert factor(model) == 1
    model.adapter = URI
    assert factor(model) == 3
    promote(4)
    wait_for(lambda: factor(model) == 4)


@pytest.mark.parametrize(
    "duplicate",
    [
        copy.deepcopy,
        lambda model: pickle.loads(pickle.dumps(model)),  # noqa: S301
        lambda model: model.model_copy(),
    ],
    ids=["deepcopy", "pickle", "model_copy"],
)
def test_a_copy_looks_for_itself(
    duplicate: Callable[[Any], Any],
    model: Any,
    promote: Callable[..., str],
    factor: Callable[..., float],
) -> None:
    twin = duplicate(model)
    model.adapter = None
    assert factor(twin) == 2
    promote(3)
    wait_for(lambda: factor(twin) == 3)
    assert factor(model) == 1


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if "_keep_looking" in one.name]


def test_the_thread_starts_with_the_first_query_and_ends_with_the_model(
    framework: Framework, base: Any, promote: Callable[..., str], factor: Callable[..., float]
) -> None:
    promote(2)
    before = threads()
    model = CLASSES[framework.name](base, URI, refresh_s=3600)
    assert threads() == before
    assert factor(model) == 2
    assert len(threads()) == len(before) + 1
    del model
    gc.collect()
    wait_for(lambda: threads() == before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_looks_for_itself(
    model: Any, promote: Callable[..., str], factor: Callable[..., float]
) -> None:
    assert factor(model) == 2

    def served() -> float:
        assert factor(model) == 2
        promote(3)
        wait_for(lambda: factor(model) == 3)
        return factor(model)

    assert child_of_fork(served) == b"3.0"


def test_looking_is_stored_and_costs_no_field_without(
    framework: Framework, base: Any, promote: Callable[..., str]
) -> None:
    promote(2)
    plain = CLASSES[framework.name](base, URI)
    assert plain.followed is None
    assert "refresh_s" not in plain.model_dump()
    if framework.name == "llama_index":
        model = CLASSES[framework.name](base, URI, refresh_s=5)
        again = CLASSES[framework.name].from_dict(model.to_dict(), base)
        assert (again.refresh_s, again.adapter_path) == (5, URI)


@pytest.mark.parametrize(
    ("adapter", "refresh_s", "error"),
    [(None, 5, TypeError), (LinearAdapter(np.eye(8)), 5, TypeError), (URI, 0, ValueError)],
)
def test_there_must_be_something_to_look_at(
    adapter: Any, refresh_s: float, error: type[Exception], framework: Framework, base: Any
) -> None:
    with pytest.raises(error, match="refresh_s: expected"):
        CLASSES[framework.name](base, adapter, refresh_s=refresh_s)


def test_looks_are_rarer_while_they_fail_and_never_in_step() -> None:
    assert all(54 <= pause(60, 0) <= 66 for _ in range(100))
    assert all(216 <= pause(60, 2) <= 264 for _ in range(100))
    assert all(810 <= pause(60, 1_000) <= 990 for _ in range(100))
    assert all(3_240 <= pause(3_600, 9) <= 3_960 for _ in range(100))
    assert len({pause(60, 0) for _ in range(20)}) == 20
