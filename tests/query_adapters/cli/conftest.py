"""Fixtures with a command line and with models of the provider `fake`, without network."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data.formats import write_beir
from query_adapters.data.splits import split_by_query
from query_adapters.embedders import EMBEDDERS, TextEmbedder
from query_adapters.generation import GENERATORS
from tests.query_adapters.cli.command_line import CommandLine
from tests.query_adapters.generation.conftest import ScriptedWriter


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("COLUMNS", "200")  # no message is wrapped
    monkeypatch.delenv("QUERY_ADAPTERS_CACHE", raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # else the command line sets it
    return CommandLine()


@pytest.fixture
def embedder(
    make_embedder: Callable[..., Any],
    make_problem: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Register the provider `fake` and return its model `fake:8`.

    `fake:8` returns the vectors of the problem. `fake:6` has another dimension.
    """
    known = make_embedder(vectors=make_problem().vectors)
    others: dict[str, TextEmbedder] = {
        "8": known,
        "6": make_embedder(dim=6),
        "other": make_embedder(identity="another/1"),
        "namesake": make_embedder(),
    }
    monkeypatch.setitem(EMBEDDERS, "fake", lambda model: others[model])
    return known


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> ScriptedWriter:
    """Register and return the chat model `fake:writer`."""
    known = ScriptedWriter()
    monkeypatch.setitem(GENERATORS, "fake", lambda model: known)
    return known


@pytest.fixture
def data(make_problem: Callable[..., Any], embedder: Any, tmp_path: Path) -> Path:
    """Return a BEIR folder with the splits `train` and `test` of the problem."""
    training, test = split_by_query(make_problem().dataset)
    write_beir(training, tmp_path / "data", split="train")
    write_beir(test, tmp_path / "data", split="test")
    return tmp_path / "data"


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that trains by a command, or copies what the same options gave before."""
    kept: dict[tuple[str, ...], Path] = {}

    def train(cli: CommandLine, data: Path, *options: str) -> Path:
        folder = data.parent / "adapter"
        if options in kept:
            return Path(shutil.copytree(kept[options], folder))
        cli.text("train", data, *options, "-o", folder)
        kept[options] = Path(shutil.copytree(folder, tmp_path_factory.mktemp("trained") / "copy"))
        return folder

    return train


@pytest.fixture
def adapter(cli: CommandLine, data: Path, trained_once: Callable[..., Path]) -> Path:
    """Return the folder of an adapter trained on `fake:8`."""
    return trained_once(cli, data, "-m", "fake:8")
