"""Tests of an adapted embedding model whose store fails while it looks there, over a network."""

import importlib.util
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from query_adapters.deployment import AdapterRegistry
from tests.servers.failing import Before, Failing, MlflowServer
from tests.servers.s3 import environment, s3_server

Saved = Callable[..., Path]
SOON = 0.02  # seconds between two looks
LOOKS = 4  # requests of more than one look
LIMIT = 10.0  # seconds that a change may take at most on a busy machine


@dataclass(frozen=True)
class Store:
    """A store behind a server that can fail.

    Attributes:
        server: The server.
        uri: What is in production there.
        promote: Puts a folder into production.
    """

    server: Failing
    uri: str
    promote: Callable[[Path], object]


@pytest.fixture
def s3_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if not all(importlib.util.find_spec(name) for name in ("moto", "s3fs")):
        pytest.skip("needs s3fs and moto[server], which need an older python-dateutil")
    import s3fs

    with s3_server() as url, Before(url) as server:
        for name, value in environment(server.url).items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        bucket = uuid4().hex  # moto keeps its buckets, whichever server made them
        s3fs.S3FileSystem().mkdir(bucket)
        registry = AdapterRegistry(f"s3://{bucket}/registry")
        yield Store(
            server,
            registry.uri("faq"),
            lambda folder: registry.promote("faq", registry.push(folder, "faq")),
        )
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def mlflow_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    with MlflowServer() as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        yield Store(server, "mlflow:/models:/faq@production", server.promote)


@pytest.fixture(params=["s3", "mlflow"])
def store(request: pytest.FixtureRequest, saved: Saved) -> Store:
    """Return a store with the adapter `2 × q` in production."""
    store: Store = request.getfixturevalue(f"{request.param}_store")
    store.promote(saved(2))
    return store


@pytest.fixture
def ask(store: Store) -> Callable[[], float]:
    """Return a function that asks a model and returns the factor of its adapter."""
    pytest.importorskip("langchain_core")
    from langchain_core.embeddings import Embeddings

    from langchain_adapter import LinearAdapterEmbeddings

    class Ones(Embeddings):
        def embed_query(self, text: str) -> list[float]:
            return [1.0, 1.0]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [self.embed_query(text) for text in texts]

    model = LinearAdapterEmbeddings(Ones(), store.uri, refresh_s=SOON)
    return lambda: model.embed_query("q")[0]


def ask_until(ask: Callable[[], float], condition: Callable[[float], bool]) -> set[float]:
    """Ask until the answer is as wanted, and return all different answers."""
    answers, deadline = {ask()}, time.monotonic() + LIMIT
    while not condition(ask()):
        answers.add(ask())
        assert time.monotonic() < deadline, "nothing has changed"
        time.sleep(0.002)
    return answers


@pytest.mark.parametrize("fault", ["forbidden", "garbage"])
def test_a_store_that_refuses_or_raves_is_said_once_and_harms_no_query(
    fault: str,
    store: Store,
    ask: Callable[[], float],
    saved: Saved,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def said() -> list[str]:
        return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]

    store.server.fault = fault
    assert ask_until(ask, lambda _: store.server.failed >= LOOKS and bool(said())) == {2.0}
    (warning,) = said()
    assert "cannot be looked at (RegistryError" in warning
    store.server.fault = None
    store.promote(saved(3))
    assert ask_until(ask, lambda answer: answer == 3) <= {2.0, 3.0}


def test_no_query_waits_for_a_store_that_is_slow(
    store: Store, ask: Callable[[], float], saved: Saved
) -> None:
    store.server.fault = "slow"
    ask_until(ask, lambda _: store.server.failed >= 1)
    assert {ask() for _ in range(100)} == {2.0}
    assert store.server.waiting >= 1  # it has still not answered
    store.server.fault = None
    store.server.release.set()
    store.promote(saved(3))
    ask_until(ask, lambda answer: answer == 3)
