"""Tests of the command `upgrade`."""

from pathlib import Path
from typing import Any

from query_adapters.adapters.storage import read_adapter
from tests.query_adapters.cli.command_line import CommandLine


def options(data: Path, output: Path, *, new: str = "fake:8") -> list[Any]:
    return ["upgrade", data, "-m", new, "--old-model", "fake:8", "-o", output]


def test_a_model_on_its_own_vectors_gets_a_bridge_that_can_be_verified(
    cli: CommandLine, data: Path, tmp_path: Path
) -> None:
    prices = "--price", 0.02, "--old-price", 0.13
    record = cli.json(*options(data, tmp_path / "bridge"), *prices)
    assert record["bridge"]["neighbours"] > 0.9
    assert next(iter(record["means"])) == "old model as it is"
    assert read_adapter(tmp_path / "bridge").record.training["decision"] == record["decision"]
    assert "fits fake:8" in cli.text("verify", tmp_path / "bridge", "-m", "fake:8")
    assert record["advice"] in record["verdict"]
    assert [cost["per_thousand"] > 0 for cost in record["costs"]] == [True, True]
    assert read_adapter(tmp_path / "bridge" / "both").record.base_model == "fake and fake"


def test_a_dry_run_shows_the_price_and_asks_the_new_model_nothing(
    cli: CommandLine, data: Path, tmp_path: Path
) -> None:
    shown = cli.text(
        *options(data, tmp_path / "bridge", new="fake:other"), "--dry-run", "--price", 1000
    )
    assert "at the price given" in shown
    assert not (tmp_path / "bridge" / "adapter.safetensors").exists()


def test_an_unrelated_model_is_refused(cli: CommandLine, data: Path, tmp_path: Path) -> None:
    refusal = cli.refusal(*options(data, tmp_path / "bridge", new="fake:other"))
    assert "check that the texts are those" in refusal


def test_a_model_that_changed_under_its_name_is_refused(
    cli: CommandLine, data: Path, tmp_path: Path
) -> None:
    refusal = cli.refusal(*options(data, tmp_path / "bridge", new="fake:6"))
    assert "expected 8 dimensions, got 6" in refusal
