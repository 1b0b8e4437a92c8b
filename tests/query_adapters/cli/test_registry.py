"""Tests of the commands `registry …`."""

from pathlib import Path

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import save_adapter
from tests.query_adapters.cli.command_line import CommandLine


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("QUERY_ADAPTERS_REGISTRY_CACHE", str(tmp_path / "cache"))
    adapters = [LinearAdapter(factor * np.eye(2, dtype=np.float32)) for factor in (1, 2)]
    return [save_adapter(one, tmp_path / f"adapter{n}") for n, one in enumerate(adapters)]


def test_a_version_lives_from_push_to_removal(cli: CommandLine, folders: list[Path]) -> None:
    one, two = (cli.text("registry", "push", folder, "faq").strip() for folder in folders)
    for version in (one, two):
        cli.text("registry", "promote", "faq", version[:12], "--reason", "better", "--by", "ann")
    assert cli.json("registry", "rollback", "faq")["version"] == one
    listed = cli.text("registry", "list", "faq")
    assert [row.split()[:3] for row in listed.splitlines()[1:]] == [
        ["faq", one[:12], "production"],
        ["faq", two[:12], cli.json("registry", "list")["versions"][1]["pushed"]],
    ]
    told = cli.text("registry", "history", "faq", "--alias", "production")
    assert [row.split()[2] for row in told.splitlines()[1:]] == ["promote", "promote", "rollback"]
    assert "better" in told
    refusal = cli.refusal("registry", "delete", "faq", one)
    assert refusal.startswith("error: 'faq': expected a version that no alias names")
    cli.text("registry", "delete", "faq", two)
    assert cli.json("registry", "gc", "--hours", "0")["removed"] == 1
    assert len(cli.json("registry", "list")["versions"]) == 1
    assert cli.json("registry", "push", "registry://faq@production", "copy")["version"] == one


def test_a_missing_registry_is_one_line(cli: CommandLine, folders: list[Path]) -> None:
    refusal = cli.refusal("registry", "list", "--registry", folders[0])
    assert refusal.startswith("error: ")
    assert "found no registry.json" in refusal
