"""Tests of adapters of tenants, in both frameworks."""

import asyncio
import copy
import logging
import os
import pickle
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from langchain_core.runnables import RunnableLambda

from langchain_adapter import TenantAdapterEmbeddings
from llama_index_finetune_plugin import TenantAdapterEmbedding
from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.deployment import AdapterRegistry, TenantAdapters, current_tenant, use_tenant
from query_adapters.deployment import tenants as tenants_module
from tests.forked import child_of_fork
from tests.integrations.framework import Framework
from tests.integrations.test_refreshing import wait_for
from tests.rotated_model import RotatedEmbedding

CLASSES: dict[str, Any] = {
    "llama_index": TenantAdapterEmbedding,
    "langchain": TenantAdapterEmbeddings,
}


def times(factor: float) -> LinearAdapter:
    return LinearAdapter(factor * np.eye(8), keeps_length=False)


@pytest.fixture
def folders(tmp_path: Path) -> str:
    """Return the folder of a tenant's adapter; tenant `t3` has the adapter `3 × q`."""
    for factor in range(2, 6):
        save_adapter(times(factor), tmp_path / "adapters" / f"t{factor}")
    return str(tmp_path / "adapters" / "{tenant}")


@pytest.fixture
def make(framework: Framework, base: Any) -> Callable[..., Any]:
    """Return a function that makes a model over the base."""
    return lambda *arguments, **options: CLASSES[framework.name](base, *arguments, **options)


@pytest.fixture
def factor(framework: Framework, base: Any) -> Callable[..., float]:
    """Return a function that asks a model for a tenant and returns its adapter's factor."""

    def asked(model: Any, tenant: str | None) -> float:
        with use_tenant(tenant):
            return ratio(framework.calls.query(model, "q"), base)

    return asked


def ratio(vector: list[float], base: Any) -> float:
    ratios = np.array(vector) / base.vector("query", "q")
    assert ratios == pytest.approx(np.full(len(ratios), ratios[0]), rel=1e-5)
    return round(float(ratios[0]), 3)


def test_each_request_is_served_with_its_tenants_adapter(
    make: Callable[..., Any], folders: str, factor: Callable[..., float]
) -> None:
    model = make(folders)
    assert [factor(model, f"t{n}") for n in (2, 5, 2, 3)] == [2, 5, 2, 3]
    assert factor(model, None) == factor(model, "unknown") == 1
    shared = make(folders, times(7))
    assert [factor(shared, tenant) for tenant in (None, "unknown", "t2")] == [7, 7, 2]


async def test_tasks_have_tenants_of_their_own(
    framework: Framework, base: Any, make: Callable[..., Any], folders: str
) -> None:
    model = make(folders)

    async def asked(n: int) -> float:
        with use_tenant(f"t{n}"):
            await asyncio.sleep(0)
            return ratio(await framework.calls.aquery(model, "q"), base)

    wanted = [2 + n % 4 for n in range(40)]
    assert await asyncio.gather(*map(asked, wanted)) == wanted
    assert current_tenant() is None


def test_a_function_may_know_the_tenant_and_the_adapter(
    framework: Framework, base: Any, make: Callable[..., Any], folders: str
) -> None:
    adapters = {"Acme GmbH": times(2), "folder": folders.format(tenant="t3"), "none": None}
    now = {"tenant": "Acme GmbH"}
    model = make(adapters.get, tenant=lambda: now["tenant"])
    found = []
    for now["tenant"] in (*adapters, "missing"):
        found.append(ratio(framework.calls.query(model, "q"), base))
    assert found == [2, 3, 1, 1]


def test_a_chain_of_langchain_names_its_tenant(base: Any, folders: str) -> None:
    model = TenantAdapterEmbeddings(base, folders)
    chain = RunnableLambda(lambda text: text) | RunnableLambda(model.embed_query)
    given: Any = {"configurable": {"tenant": "t4"}}
    assert ratio(chain.invoke("q", given), base) == 4
    assert ratio(chain.invoke("q"), base) == 1
    with use_tenant("t2"):
        assert ratio(chain.invoke("q", given), base) == 2, "the context variable is first"


async def test_an_asynchronous_chain_names_its_tenant(base: Any, folders: str) -> None:
    model = TenantAdapterEmbeddings(base, folders)
    chain = RunnableLambda(lambda text: text) | RunnableLambda(model.aembed_query)
    given: Any = {"configurable": {"tenant": "t4"}}
    assert ratio(await chain.ainvoke("q", given), base) == 4


@pytest.mark.parametrize("tenant", ["../t2", "T2", "a/b", "", "t2\n"])
def test_a_tenant_that_could_lead_to_another_place_is_refused(
    tenant: str, make: Callable[..., Any], folders: str, factor: Callable[..., float]
) -> None:
    with pytest.raises(ValueError, match="tenant: expected lower-case letters"):
        factor(make(folders), tenant)
    with pytest.raises(TypeError, match="tenant: expected a text or None, got int"):
        factor(make(folders), 3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"adapters": "adapters"}, "expected {tenant}"),
        ({"max_tenants": 0}, "max_tenants: expected"),
        ({"refresh_s": -1}, "refresh_s: expected"),
    ],
)
def test_wrong_arguments_are_refused(
    options: dict[str, Any], told: str, make: Callable[..., Any], folders: str
) -> None:
    with pytest.raises(ValueError, match=told):
        make(**{"adapters": folders, **options})


def test_only_the_adapters_that_were_used_last_are_in_memory(folders: str) -> None:
    loaded: list[str] = []

    def source(tenant: str) -> str | None:
        loaded.append(tenant)
        return folders.format(tenant=tenant)

    tenants = TenantAdapters(source, max_tenants=2)
    for tenant in ("t2", "t3", "t2", "t4", "t2", "t3"):
        found = tenants.of(tenant)
        assert found is not None
        assert found.adapter.tensors()["weight"][0, 0] == int(tenant[1])
    assert loaded == ["t2", "t3", "t4", "t3"]


def test_many_unknown_tenants_do_not_push_out_the_known(folders: str) -> None:
    tenants = TenantAdapters(folders, max_tenants=2)
    kept = tenants.of("t2")
    for n in range(100):
        assert tenants.of(f"unknown-{n}") is None
    assert tenants.of("t2") is kept
    assert len(tenants._without) == 2


def test_an_adapter_is_loaded_once_for_all_who_wait(folders: str) -> None:
    calls, start = [], threading.Barrier(8)

    def source(tenant: str) -> str:
        calls.append(tenant)
        threading.Event().wait(0.05)
        return folders.format(tenant=tenant)

    tenants = TenantAdapters(source)

    def asked(_: int) -> Any:
        start.wait()
        return tenants.of("t2")

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(asked, range(8)))
    assert calls == ["t2"]
    assert len({id(one) for one in found}) == 1


def test_who_asks_after_forgetting_does_not_get_what_was_being_loaded(folders: str) -> None:
    began, release, names = threading.Event(), threading.Event(), iter(["t2", "t3"])

    def source(tenant: str) -> str:
        folder = folders.format(tenant=next(names))
        if not began.is_set():
            began.set()
            assert release.wait(10)
        return folder

    tenants = TenantAdapters(source)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(tenants.of, "acme")
        assert began.wait(10)
        tenants.forget("acme")
        newer = tenants.of("acme")
        release.set()
        older = slow.result()
    factors = [one and one.adapter.tensors()["weight"][0, 0] for one in (older, newer)]
    assert factors == [2, 3]
    assert tenants.of("acme") is newer


async def test_loading_does_not_hold_up_the_event_loop(
    framework: Framework, base: Any, make: Callable[..., Any], folders: str
) -> None:
    release = threading.Event()

    def source(tenant: str) -> str:
        assert release.wait(10)
        return folders.format(tenant=tenant)

    model = make(source)

    async def asked() -> float:
        with use_tenant("t2"):
            return ratio(await framework.calls.aquery(model, "q"), base)

    waiting = asyncio.gather(asked(), asked())
    await asyncio.sleep(0.05)  # the loop runs on while both wait
    release.set()
    assert list(await waiting) == [2, 2]


def test_an_adapter_that_cannot_be_loaded_leaves_the_request_with_the_default(
    make: Callable[..., Any],
    folders: str,
    factor: Callable[..., float],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tenants_module, "RETRY_S", 0.0)
    unfit = SavedAdapter(adapter=times(3), record=AdapterRecord(base_model="another"))
    adapters: dict[str, Any] = {"a": unfit}
    model = make(lambda tenant: adapters[tenant])
    assert [factor(model, tenant) for tenant in ("a", "a", "missing")] == [1, 1, 1]
    (said,) = [one.getMessage() for one in caplog.records]
    assert "adapter of the tenant 'a': AdapterMismatchError" in said
    adapters["a"] = times(4)
    assert factor(model, "a") == 4


def test_a_new_tenant_is_found_after_a_while_or_at_once_after_forgetting(
    make: Callable[..., Any], folders: str, factor: Callable[..., float]
) -> None:
    model = make(folders)
    assert factor(model, "t9") == 1
    save_adapter(times(9), folders.format(tenant="t9"))
    assert factor(model, "t9") == 1
    model.adapters.forget("t9")
    assert factor(model, "t9") == 9


def test_adapters_in_memory_are_refreshed_and_kept_when_they_are_gone(
    make: Callable[..., Any], folders: str, factor: Callable[..., float], caplog: Any
) -> None:
    model = make(folders, refresh_s=0.02)
    assert [factor(model, f"t{n}") for n in (2, 3)] == [2, 3]
    save_adapter(times(8), folders.format(tenant="t3"))
    wait_for(lambda: factor(model, "t3") == 8)
    shutil.rmtree(folders.format(tenant="t2"))
    wait_for(lambda: bool(caplog.records))
    assert [factor(model, f"t{n}") for n in (2, 3)] == [2, 8]
    assert sum(one.levelno == logging.WARNING for one in caplog.records) == 1


def test_tenants_may_be_names_in_a_registry(
    make: Callable[..., Any],
    folders: str,
    factor: Callable[..., float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY", str(tmp_path / "registry"))
    registry = AdapterRegistry(tmp_path / "registry")
    for n in (2, 3):
        registry.promote("acme", registry.push(folders.format(tenant=f"t{n}"), "acme"))
    model = make("registry://{tenant}@production")
    assert [factor(model, tenant) for tenant in ("acme", "globex")] == [3, 1]


def test_a_tenant_whose_alias_was_removed_gets_the_adapter_for_all(
    make: Callable[..., Any],
    folders: str,
    factor: Callable[..., float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))
    registry = AdapterRegistry(tmp_path / "registry")
    for name in ("acme", "globex"):
        registry.promote(name, registry.push(folders.format(tenant="t3"), name))
    model = make(registry.uri("{tenant}"), refresh_s=0.02)
    assert [factor(model, name) for name in ("acme", "globex")] == [3, 3]
    registry.remove_alias("acme", alias="production")
    wait_for(lambda: factor(model, "acme") == 1)
    assert factor(model, "globex") == 3
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    (tmp_path / "registry").rename(tmp_path / "away")  # the store is down: what was read stays
    wait_for(lambda: "what is in memory keeps serving" in caplog.text)
    assert [factor(model, name) for name in ("acme", "globex")] == [1, 3]


@pytest.mark.parametrize(
    "duplicate",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],  # noqa: S301
    ids=["deepcopy", "pickle"],
)
def test_a_copy_serves_the_same_tenants(
    duplicate: Callable[[Any], Any],
    make: Callable[..., Any],
    folders: str,
    factor: Callable[..., float],
) -> None:
    model = make(folders, times(7), refresh_s=60, max_tenants=3)
    twin = duplicate(model)
    assert [factor(twin, tenant) for tenant in ("t2", None)] == [2, 7]
    assert (twin.refresh_s, twin.adapters.max_tenants) == (60, 3)
    model.adapter = None
    assert factor(twin, None) == 7


def test_a_stored_model_of_llama_index_is_made_anew_with_its_tenants(folders: str) -> None:
    base = RotatedEmbedding()
    model = TenantAdapterEmbedding(base, folders, folders.format(tenant="t5"), refresh_s=60)
    again = TenantAdapterEmbedding.from_dict(model.to_dict(), base, adapters=folders)
    assert (again.refresh_s, again.adapter_path) == (60, folders.format(tenant="t5"))
    for tenant, factor in (("t2", 2), (None, 5)):
        with use_tenant(tenant):
            expected = factor * np.array(base.get_query_embedding("q"))
            assert again.get_query_embedding("q") == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_loads_for_itself(
    make: Callable[..., Any], folders: str, factor: Callable[..., float]
) -> None:
    model = make(folders, refresh_s=60)
    assert factor(model, "t2") == 2
    said = child_of_fork(lambda: [factor(model, tenant) for tenant in ("t2", "t3")])
    assert said == b"[2.0, 3.0]"


def test_no_request_is_served_with_another_tenants_adapter(  # noqa: C901
    framework: Framework, base: Any, make: Callable[..., Any]
) -> None:
    """Threads and tasks ask for many more tenants than fit, whose adapters change meanwhile."""
    n_tenants, changes = 60, [1.0] * 60

    def source(tenant: str) -> LinearAdapter:
        number = int(tenant)
        return times(1 + number + 0.001 * changes[number])

    model, wrong = make(source, max_tenants=16), []

    def check(number: int, vector: list[float]) -> None:
        factor = ratio(vector, base)
        if not 1 + number <= factor < 1.5 + number:
            wrong.append((number, factor))

    def in_thread(seed: int) -> None:
        random = Random(seed)  # noqa: S311
        for _ in range(60):
            number = random.randrange(n_tenants)
            if random.random() < 0.1:
                changes[number] += 1
                model.adapters.forget(str(number))
            with use_tenant(str(number)):
                check(number, framework.calls.query(model, "q"))

    async def in_task(seed: int) -> None:
        random = Random(seed)  # noqa: S311
        for _ in range(10):
            number = random.randrange(n_tenants)
            with use_tenant(str(number)):
                check(number, await framework.calls.aquery(model, "q"))

    async def in_tasks() -> None:
        await asyncio.gather(*map(in_task, range(16)))

    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(copy_context().run, in_thread, seed) for seed in range(8)]
        asked.append(pool.submit(asyncio.run, in_tasks()))
        for future in asked:
            future.result()
    assert wrong == []
    assert len(model.adapters._loaded) <= 16
