"""Tests of the output to a file, a pipe and a narrow terminal."""

import io
from pathlib import Path

import numpy as np
import pytest

from query_adapters.cli import output
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.terminal_report import systems_table
from tests.query_adapters.cli.command_line import CommandLine


class Terminal(io.StringIO):
    """A stdout that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_every_line_whole(
    cli: CommandLine, data: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    folder = "with-a-long-name-" * 4
    adapter.rename(data.parent / folder)
    monkeypatch.chdir(data.parent)
    lines = cli.text("compare", data, "-m", "fake:8", "-a", folder).splitlines()
    assert sum(folder in line and "+" in line for line in lines) == 3
    lines = cli.text("inspect", folder).splitlines()
    verdict = cli.json("inspect", folder)["training"]["verdict"].splitlines()
    assert len(verdict) > 3
    assert [line for line in lines if line in verdict] == verdict


def test_a_narrow_terminal_breaks_no_name_of_a_metric_and_no_figure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    ids = tuple(map(str, range(2_000)))
    systems = {
        name: Evaluation({"hit_rate@10": rng.integers(0, 2, 2_000).astype(float)}, query_ids=ids)
        for name in ("base", "adapted by a memory")
    }
    table = systems_table(compare_systems(systems, baseline="base"))
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout", printed := Terminal())
    output.show(table)
    assert "hit_rate@10" in printed.getvalue()
    assert "…" not in printed.getvalue()
