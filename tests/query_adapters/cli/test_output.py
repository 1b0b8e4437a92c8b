"""Tests of the output to a file, a pipe and a narrow terminal."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.cli import output
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.terminal_report import systems_table
from tests.faults import put
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


HOSTILE = "a\x1b[31m\x1b]0;title\x07\r\u202e[red]b[/red]\ud800"


def effects(text: str) -> set[str]:
    """Return the characters of the text that act on a terminal."""
    return set("\x1b\x07\r\u202e\ud800\x9b") & set(text)


def test_what_a_folder_says_has_no_effect_on_the_terminal(cli: CommandLine, tmp_path: Path) -> None:
    score = {"mean": 0.1, "error": 0.0}
    training = {
        "verdict": f"{HOSTILE}\n{HOSTILE}",
        "metric": HOSTILE,
        "table": [
            {"candidate": {"whitening": 0, "strength": None, "memory": None}, "overall": score}
        ],
    }
    record = AdapterRecord(base_model=HOSTILE, created=HOSTILE, training=training)
    save_adapter(SavedAdapter(adapter=LinearAdapter(np.eye(2)), record=record), tmp_path)
    assert not effects(cli.text("inspect", tmp_path))
    told = cli.text("inspect", tmp_path, "--json")
    assert not effects(told)
    assert json.loads(told)["base_model"] == HOSTILE
    broken = tmp_path / "a\x1b[31m\r"
    broken.mkdir()
    refused = cli.run("inspect", broken)
    assert refused.exit_code == 1
    assert not effects(refused.output)
    assert "expected" in refused.output


@pytest.mark.parametrize(
    "training",
    [
        {"verdict": 1},
        {"table": "x"},
        {"table": [{"candidate": {"whitening": "x"}, "overall": {"mean": 1, "error": 1}}]},
    ],
)
def test_a_record_that_is_not_understood_is_one_line(
    training: Any, cli: CommandLine, tmp_path: Path
) -> None:
    record = AdapterRecord(training=training)
    save_adapter(SavedAdapter(adapter=LinearAdapter(np.eye(2)), record=record), tmp_path)
    refused = cli.run("inspect", tmp_path)
    assert refused.exit_code == 1
    assert refused.output.startswith("error: training record")
    assert len(refused.output.splitlines()) == 1


@pytest.mark.parametrize("arguments", [(f"--{HOSTILE}",), (HOSTILE,), ("inspect", f"--{HOSTILE}")])
def test_a_wrong_call_has_no_effect_on_the_terminal(
    arguments: tuple[str, ...], cli: CommandLine
) -> None:
    assert not effects(cli.refusal(*arguments, status=2))


def test_a_loop_of_links_is_no_folder_for_a_split(
    cli: CommandLine, data: Path, tmp_path: Path
) -> None:
    loop = put("link loop", tmp_path / "loop")
    assert "loop" in cli.refusal("split", data, "-o", loop)


def test_a_value_of_any_length_is_shortened_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 1_000_000
    output.show(output.facts({"base model": long}), output.plain_table(["name"], [[long]]))
    assert len(capsys.readouterr().out) < 50_000
