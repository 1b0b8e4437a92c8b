"""Tests of settings from a file, which are command defaults that options override."""

from pathlib import Path

import pytest

from tests.query_adapters.cli.command_line import CommandLine

SETTINGS = """
dataset = "data"
model = "fake:8"
metric = ["mrr@3", "ndcg@3"]

[train]
output = "from_file"
metric = "mrr@5"
seen-share = 1.0
memory = true

[compare]
adapter = "from_file"
"""


@pytest.fixture
def config(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the settings file to the working directory and return its path."""
    monkeypatch.chdir(data.parent)
    path = data.parent / "run.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def test_a_whole_run_is_repeated_from_a_file(cli: CommandLine, config: Path) -> None:
    trained = cli.json("train", "--config", config)
    assert trained["output"] == "from_file"
    assert trained["training"]["metric"] == "mrr@5"
    assert all(row["unseen"] is None for row in trained["training"]["table"])
    assert any(row["candidate"]["memory"] for row in trained["training"]["table"])
    compared = cli.json("compare", "--config", config)
    assert list(compared["parts"][0]["scores"]) == ["mrr@3", "ndcg@3"]


def test_options_override_the_file(cli: CommandLine, config: Path) -> None:
    trained = cli.json("train", "--config", config, "-o", "elsewhere", "--metric", "hit_rate@1")
    assert (trained["output"], trained["training"]["metric"]) == ("elsewhere", "hit_rate@1")
    assert not Path("from_file").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("model = ", "expected TOML"),
        ("modle = 'fake:8'", "'modle' is unknown"),
        ("[train]\nmodle = 'fake:8'", "[train] 'modle' is unknown"),
        ("[trian]\nmodel = 'fake:8'", "'trian' is unknown; expected one of compare, convert, demo"),
        ("[train]\nfolds = 'many'", "'--folds': run.toml: "),
        ("[train]\nguard = 'strickt'", "'--guard': run.toml: "),
        ("[train]\nconfig = 'other.toml'", "'config' is unknown"),
        ("a = " + "[" * 5_000, "expected TOML"),
        ("a = " + "9" * 5_000, "expected TOML"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(
    content: str, told: str, cli: CommandLine, config: Path
) -> None:
    config.write_text(content, encoding="utf-8")
    options = ["-m", "fake:8", "-o", "a", "--config", config.name]
    error = cli.refusal("train", "data", *options, status=2)
    assert told in error
    assert not Path("a").exists()


def test_a_wrong_option_is_not_laid_to_the_file(cli: CommandLine, config: Path) -> None:
    options = ["-m", "fake:8", "-o", "a", "--config", config.name, "--folds", "many"]
    assert "run.toml" not in cli.refusal("train", "data", *options, status=2)
