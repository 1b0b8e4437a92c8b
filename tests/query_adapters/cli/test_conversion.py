"""Test that commands read test sets of other tools, say how, and convert them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data import load_dataset, write_dataset
from query_adapters.errors import DatasetWarning
from tests.query_adapters.cli.command_line import CommandLine

pytestmark = pytest.mark.slow

RAGAS = {"user_input": "how far?", "reference_contexts": ["Four miles."], "reference": "Four."}


@pytest.fixture
def ragas(tmp_path: Path) -> Path:
    path = tmp_path / "testset.jsonl"
    path.write_text(json.dumps(RAGAS), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [("data", []), ("qa.json", []), ("t.csv", []), ("goldens.json", ["--to", "deepeval"])],
)
def test_a_test_set_is_written_in_another_format(
    name: str, options: list[str], cli: CommandLine, ragas: Path
) -> None:
    output = ragas.parent / name
    assert cli.text("convert", ragas, output, *options) == f"1 questions, 1 documents: {output}\n"
    assert load_dataset(output) == load_dataset(ragas)


def test_how_columns_were_understood_is_on_stderr(cli: CommandLine, ragas: Path) -> None:
    ran = cli.run("convert", ragas, ragas.parent / "data", "--json")
    assert json.loads(ran.stdout) == {
        "output": str(ragas.parent / "data"),
        "questions": 1,
        "documents": 1,
    }
    assert ran.stderr == (
        f"{ragas}: format ragas, question from 'user_input', document from 'reference_contexts', "
        "answer from 'reference'\n"
    )


def test_columns_and_formats_can_be_named(cli: CommandLine, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("Frage,context,passage\nwie weit?,Vier Meilen.,x\n", encoding="utf-8")
    named = ["--column", "question=Frage"]
    refused = cli.refusal("convert", table, tmp_path / "data", *named)
    assert "'context', 'passage' may all hold the document" in refused
    assert "--column document=context" in refused
    named += ["--column", "document=context", "--from", "table"]
    cli.text("convert", table, tmp_path / "data", *named)
    assert list(load_dataset(tmp_path / "data").corpus.values()) == ["Vier Meilen."]
    assert "data: expected a name that is free" in cli.refusal(
        "convert", table, tmp_path / "data", *named
    )
    cli.text("convert", table, tmp_path / "data", *named, "--overwrite")
    wrong = cli.refusal("convert", table, tmp_path / "x", "--column", "Frage", status=2)
    assert "expected <role>=<name>, got 'Frage'" in wrong


def test_other_commands_take_a_test_set_as_it_is(
    cli: CommandLine, embedder: Any, make_problem: Callable[..., Any], tmp_path: Path
) -> None:
    dataset = make_problem().dataset
    for name, format in (("t.jsonl", "ragas"), ("goldens.json", "deepeval")):
        with pytest.warns(DatasetWarning, match="does not hold"):
            write_dataset(dataset, tmp_path / name, format=format)
        measured = cli.json("evaluate", tmp_path / name, "-m", "fake:8")
        assert measured["queries"] == len(dataset.queries)
    cli.text("train", tmp_path / "t.jsonl", "-m", "fake:8", "-o", tmp_path / "adapter")
    assert (tmp_path / "adapter" / "adapter.safetensors").exists()


def test_a_saved_table_of_hugging_face_has_no_split_to_ask_for(
    cli: CommandLine, embedder: Any, make_problem: Callable[..., Any], tmp_path: Path
) -> None:
    hugging_face = pytest.importorskip("datasets")
    rows = [{"anchor": text, "positive": text} for text in make_problem().dataset.queries.values()]
    hugging_face.Dataset.from_list(rows).save_to_disk(tmp_path / "saved")
    hugging_face.DatasetDict({"test": hugging_face.Dataset.from_list(rows)}).save_to_disk(
        tmp_path / "splits"
    )
    for name in ("saved", "splits"):
        measured = cli.json("evaluate", tmp_path / name, "-m", "fake:8", "--metric", "mrr@1")
        assert measured["queries"] == len(rows)
