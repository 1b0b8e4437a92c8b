"""Test that errors print one line without traceback or key, and set the exit status."""

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from query_adapters import save_adapter
from query_adapters.adapters import LinearAdapter
from query_adapters.data.paths import write_dataset
from query_adapters.embedders import EMBEDDERS
from query_adapters.errors import QueryAdaptersError
from query_adapters.generation import GENERATORS
from tests.query_adapters.cli.command_line import CommandLine
from tests.servers.embeddings import EmbeddingServer

pytestmark = pytest.mark.slow

USAGE = 2


def one_line(error: str) -> str:
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-m", "fake:8", "--metric", "ndgc@10"], "unknown metric 'ndgc@10'"),
        (["-m", "fake", "-o", "a"], "expected a model as <provider>/<model>, got 'fake'"),
        (["-m", "nobody:m"], "providers are openai, cohere, sentence-transformers, st"),
        (["-m", "sentence-transformers:/no/model"], "got '/no/model'"),
        (["-m", "fake:8", "--split", "dev"], "No such file or directory"),
        (["-m", "fake:8", "--corpus", "docs.jsonl"], "holds its own documents"),
        (["-m", "fake:8", "--val", "data", "--val-split", "train"], "are training questions too"),
        (["-m", "fake:8", "-o", "docs.jsonl"], "expected a folder for the adapter"),
        (["-m", "fake:8", "--cache", "docs.jsonl"], "file is not a database"),
    ],
)
def test_train_refuses_in_one_line(
    options: list[str], told: str, cli: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    Path("docs.jsonl").write_text('{"id": "d", "text": "a"}', encoding="utf-8")
    output = [] if "-o" in options else ["-o", "adapter"]
    assert told in one_line(cli.refusal("train", "data", *options, *output))
    assert not Path("adapter", "adapter.safetensors").exists()


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_an_adapter_of_another_model_is_refused(
    command: str, cli: CommandLine, data: Path, adapter: Path
) -> None:
    other = one_line(cli.refusal(command, data, "-m", "fake:other", "-a", adapter))
    assert "expected the embedding model 'fake'" in other
    longer = one_line(cli.refusal(command, data, "-m", "fake:6", "-a", adapter))
    assert "expected 8 dimensions, got 6" in longer


@pytest.mark.parametrize(
    "arguments", [["inspect", "folder"], ["verify", "folder", "-m", "fake:8"]], ids=lambda a: a[0]
)
def test_a_folder_without_an_adapter_is_refused(
    arguments: list[str], cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    assert "expected adapter.safetensors, found none" in one_line(cli.refusal(*arguments))


def test_an_adapter_without_a_probe_cannot_be_verified(
    cli: CommandLine, embedder: Any, tmp_path: Path
) -> None:
    folder = save_adapter(LinearAdapter([[0.0, 1.0], [1.0, 0.0]]), tmp_path / "adapter")
    assert "probe question" in one_line(cli.refusal("verify", folder, "-m", "fake:8"))
    assert cli.json("inspect", folder)["training"] == {}
    assert "2 → 2" in cli.text("inspect", folder)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["trian"],
        ["train", "data", "-m", "fake:8"],
        ["train", "data", "-o", "adapter"],
        ["train", "nowhere", "-m", "fake:8", "-o", "adapter"],
        ["train", "data", "-m", "fake:8", "-o", "adapter", "--guard", "strickt"],
        ["train", "data", "-m", "fake:8", "-o", "adapter", "--folds", "1"],
        ["train", "data", "-m", "fake:8", "-o", "adapter", "--seen-share", "2"],
        ["compare", "data", "-m", "fake:8"],
        ["evaluate", "data", "-m", "fake:8", "-a", "nowhere"],
        ["compare", "data", "-m", "fake:8", "-a", "adapter", "-a", "adapter"],
        ["report", "data", "-m", "fake:8", "-a", "adapter"],
        ["export", "adapter", "-m", "fake:8", "-o", "new"],
        ["evaluate", "data", "-m", "fake:8", "--dimensions", "0"],
        ["split", "data", "-o", "parts", "--by", "author"],
        [
            "generate",
            "docs.jsonl",
            "--llm",
            "fake:writer",
            "-o",
            "qa.json",
            "--judge",
            "fake:writer",
        ],
        ["generate", "docs.jsonl", "--llm", "fake:writer", "-o", "qa.json", "--dimensions", "8"],
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_a_wrong_call_is_told_from_what_goes_wrong(
    arguments: list[str],
    cli: CommandLine,
    data: Path,
    adapter: Path,
    writer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data.parent)
    Path("docs.jsonl").write_text('{"id": "d", "text": "a"}', encoding="utf-8")
    ran = cli.run(*arguments)
    assert ran.exit_code == USAGE
    assert "Usage: " in ran.output
    assert "Traceback" not in ran.output


def test_documents_that_cannot_be_read_are_named_before_any_call(
    cli: CommandLine, writer: Any, tmp_path: Path
) -> None:
    documents = tmp_path / "docs.jsonl"
    documents.write_text('{"id": "d"}', encoding="utf-8")
    arguments = ["generate", documents, "--llm", "fake:writer", "-o", tmp_path / "qa.json"]
    assert "docs.jsonl:1: expected an object with id and text" in one_line(cli.refusal(*arguments))
    assert writer.prompts == []


def test_a_share_that_is_none_is_refused(cli: CommandLine, data: Path) -> None:
    error = cli.refusal("split", data, "-o", data.parent / "parts", "--held-out", 1.5)
    assert "held_out: expected a share between 0 and 1" in one_line(error)


def test_no_key_is_sent_nothing_and_a_refused_one_is_not_shown(
    cli: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddingServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        arguments = ["evaluate", data, "-m", "openai:text-embedding-3-small", "--no-progress"]
        assert "variable OPENAI_API_KEY, got none" in one_line(cli.refusal(*arguments))
        assert server.requests == []
        monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
        refused = one_line(cli.refusal(*arguments))
    assert "refused the key" in refused
    assert "sk-another" not in refused
    assert [request.status for request in server.requests] == [401]


def test_the_traceback_is_there_for_who_asks(cli: CommandLine, data: Path) -> None:
    ran = cli.run("--traceback", "evaluate", data, "-m", "nobody:m")
    assert isinstance(ran.exception, QueryAdaptersError)


def test_a_bug_is_no_expected_error(
    cli: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(model: str) -> Any:
        raise TypeError("a bug")

    monkeypatch.setitem(EMBEDDERS, "broken", broken)
    assert isinstance(cli.run("evaluate", data, "-m", "broken:m").exception, TypeError)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "data", "-m", "stopped:m", "-o", "adapter"],
        ["generate", "d.jsonl", "--llm", "stopped:m", "-o", "qa"],
        ["evaluate", "data", "-m", "stopped:m"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_ctrl_c_says_no_more_than_what_to_do_next(
    arguments: list[str], cli: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(model: str) -> Any:
        raise KeyboardInterrupt

    monkeypatch.chdir(data.parent)
    Path("d.jsonl").write_text('{"id": "d", "text": "a"}', encoding="utf-8")
    monkeypatch.setitem(EMBEDDERS, "stopped", stopped)
    monkeypatch.setitem(GENERATORS, "stopped", stopped)
    error = cli.refusal(*arguments, status=130)
    assert error.startswith("interrupted: nothing was finished that could be kept; run the same")
    assert error.count("\n") == 1


def test_no_progress_keeps_a_models_own_bars_out_too(
    cli: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_adapters.cli.main.shows", lambda progress: True)  # as in a terminal
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "")
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS")
    cli.text("evaluate", data, "-m", "fake:8", "--progress")
    assert "HF_HUB_DISABLE_PROGRESS_BARS" not in os.environ
    cli.text("evaluate", data, "-m", "fake:8", "--no-progress")
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"


def test_progress_goes_to_stderr_where_it_is_asked_for(cli: CommandLine, data: Path) -> None:
    ran = cli.run("evaluate", data, "-m", "fake:8", "--json", "--progress")
    json.loads(ran.stdout)
    assert "Embedding document texts: 100%" in ran.stderr
    assert cli.run("evaluate", data, "-m", "fake:8", "--json").stderr == ""


def test_without_its_extra_the_script_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in [name for name in sys.modules if name.startswith("query_adapters.cli")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"error: 'typer' is not installed.*plugin\[cli\]'"):
        runpy.run_module("query_adapters", run_name="__main__")


def test_help_is_there_for_every_command_and_names_an_example(cli: CommandLine) -> None:
    commands = [
        line.split()[0]
        for line in cli.text("--help").partition("Commands:")[2].splitlines()
        if line
    ]
    assert "train" in commands
    for command in commands:
        assert f"query-adapters {command} " in cli.text(command, "--help")


def test_a_file_that_is_no_dataset_is_named(
    cli: CommandLine, embedder: Any, tmp_path: Path
) -> None:
    path = tmp_path / "qa.json"
    path.write_text("{}", encoding="utf-8")
    error = one_line(cli.refusal("evaluate", path, "-m", "fake:8"))
    assert f"{path}: expected a list of objects, " in error
    assert "queries, corpus and relevant_docs; got an empty object" in error


def test_too_few_questions_to_set_apart_are_named(
    cli: CommandLine, make_problem: Any, tmp_path: Path
) -> None:
    whole = make_problem().dataset
    write_dataset(whole.select(list(whole.queries)[:1]), tmp_path / "one.json")
    error = one_line(cli.refusal("split", tmp_path / "one.json", "-o", tmp_path / "parts"))
    assert "bring more" in error


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("options", [[], ["--overwrite"]])
def test_split_never_writes_into_its_input(
    options: list[str], cli: CommandLine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    before = files_in(data)
    assert "other than the input" in one_line(cli.refusal("split", data, "-o", ".", *options))
    Path("new").mkdir()
    (data / "corpus.jsonl").rename("new/corpus.jsonl")
    (data / "queries.jsonl").rename("new/questions.jsonl")
    asked = ["split", "new/questions.jsonl", "--corpus", "new/corpus.jsonl", "-o", "new"]
    assert "other than the input" in one_line(cli.refusal(*asked, *options))
    assert sorted(before.values()) == sorted(files_in(data).values())


def test_split_replaces_earlier_splits_only_where_it_is_told_to(
    cli: CommandLine, make_problem: Any, tmp_path: Path
) -> None:
    write_dataset(make_problem().dataset, tmp_path / "qa.json")
    command = ["split", tmp_path / "qa.json", "-o", tmp_path / "data"]
    cli.text(*command)
    before = files_in(tmp_path / "data")
    assert "holds splits already" in one_line(cli.refusal(*command, "--seed", 1))
    assert files_in(tmp_path / "data") == before
    cli.text(*command, "--seed", 1, "--overwrite")
    assert files_in(tmp_path / "data") != before


@pytest.mark.parametrize("command", ["train", "evaluate", "compare", "report"])
def test_an_unknown_metric_is_refused_before_anything_is_embedded(
    command: str, cli: CommandLine, data: Path, adapter: Path, embedder: Any
) -> None:
    embedder.calls.clear()
    more = {
        "train": ["-o", data.parent / "new"],
        "compare": ["-a", adapter],
        "report": ["-a", adapter, "-o", data.parent / "r.html"],
    }
    arguments = [data, "-m", "fake:8", "--metric", "ndgc@10", "--cache", data.parent / "empty"]
    told = one_line(cli.refusal(command, *arguments, *more.get(command, [])))
    assert "unknown metric 'ndgc@10'" in told
    assert embedder.calls == []


def test_a_report_that_no_folder_can_hold_is_refused_before_anything_is_embedded(
    cli: CommandLine, data: Path, adapter: Path, embedder: Any
) -> None:
    embedder.calls.clear()
    chosen = [data, "-m", "fake:8", "-a", adapter, "--cache", data.parent / "empty"]
    cli.refusal("report", *chosen, "-o", data / "corpus.jsonl" / "r.html")
    assert embedder.calls == []
    page = data.parent / "new" / "folder" / "r.html"
    assert cli.json("report", *chosen, "-o", page)["output"] == str(page)
    assert page.is_file()


def test_a_plan_needs_no_key(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    documents = tmp_path / "docs.jsonl"
    documents.write_text('{"id": "d", "text": "a"}', encoding="utf-8")
    command = ["generate", documents, "--llm", "openai:gpt-4o-mini", "-o", tmp_path / "qa.json"]
    more = ["-m", "openai:text-embedding-3-small", "--judge", "openai:gpt-4o"]
    plan = cli.json(*command, *more, "--plan")
    assert (plan["model_name"], plan["n_calls"]) == ("gpt-4o-mini", 1)
    assert "OPENAI_API_KEY, got none" in one_line(cli.refusal(*command, *more))
    assert "providers are" in one_line(
        cli.refusal(*command, "--judge", "nobody:m", *more[:2], "--plan")
    )
