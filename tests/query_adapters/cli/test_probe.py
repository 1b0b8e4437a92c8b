"""Test the options of the text that identifies an adapter's model."""

from pathlib import Path

import pytest

from query_adapters.adapters.storage import read_adapter
from tests.query_adapters.cli.command_line import CommandLine

COMMANDS = {"train": ("-m", "fake:8"), "upgrade": ("-m", "fake:8", "--old-model", "fake:8")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_stores_the_given_text_or_none(
    command: str, cli: CommandLine, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    arguments = (command, data, *COMMANDS[command], "-o", folder)
    cli.text(*arguments, "--probe-text", "Who knows?")
    assert read_adapter(folder).record.probe_text == "Who knows?"
    assert "fits fake:8" in cli.text("verify", folder, "-m", "fake:8")
    cli.text(*arguments, "--no-probe")
    assert "without probe_text=None" in cli.refusal("verify", folder, "-m", "fake:8")
    both = cli.refusal(*arguments, "--no-probe", "--probe-text", "Who?", status=2)
    assert "expected one of them, got both" in both
