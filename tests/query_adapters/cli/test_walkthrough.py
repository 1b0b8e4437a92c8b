"""Test every command, from a dataset to a comparison, against the results of the package."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters import (
    AdapterRecord,
    LinearAdapter,
    SavedAdapter,
    embed_dataset,
    evaluate_vectors,
    read_adapter,
    save_adapter,
)
from query_adapters.adapters import KernelAdapter
from query_adapters.data.paths import load_dataset, write_dataset
from query_adapters.evaluation.pairwise import compare
from tests.query_adapters.cli.command_line import CommandLine
from tests.six_words import write_six_words
from tests.tiny_model import save_tiny_model

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


def test_split_train_evaluate_compare(
    cli: CommandLine, embedder: Any, make_problem: Callable[..., Any], tmp_path: Path
) -> None:
    whole, data, folder = tmp_path / "qa.json", tmp_path / "data", tmp_path / "adapter"
    write_dataset(make_problem().dataset, whole)
    counts = cli.json("split", whole, "-o", data, "--held-out", 0.25)["questions"]
    assert counts == {"train": 60, "test": 20}
    told = cli.text("split", whole, "-o", data, "--overwrite", "--by", "document")
    assert told.startswith("56 questions to train on, 24 held out")
    cli.text("split", whole, "-o", data, "--held-out", 0.25, "--overwrite")
    trained = cli.json("train", data, "-m", "fake:8", "-o", folder, "--val-split", "test")
    evaluated = cli.json("evaluate", data, "-m", "fake:8", "-a", folder)
    compared = cli.json("compare", data, "-m", "fake:8", "-a", folder)

    saved = read_adapter(folder)
    embedded = embed_dataset(load_dataset(data, split="test"), embedder)
    base, adapted = evaluate_vectors(embedded), evaluate_vectors(embedded, saved.adapter)
    assert not trained["keeps_base"]
    assert trained["created"] == cli.json("inspect", folder)["created"] is not None
    assert trained["training"]["verdict"] == saved.record.training["verdict"]
    assert evaluated == {"queries": 20, "means": adapted.means}
    assert compared["baseline"] == "base"
    about = {"embedding_model": "fake", "dataset": str(data), "similarity": "cosine"}
    assert compared["about"].items() >= about.items()
    scores = compared["parts"][0]["scores"]
    for metric, expected in compare(base, adapted).items():
        assert scores[metric]["base"]["mean"] == vars(expected.base)
        assert scores[metric][str(folder)]["against"]["difference"] == vars(expected.difference)
        assert trained["validation"][metric]["difference"] == vars(expected.difference)
        assert expected.difference.low > 0


def test_the_same_is_printed_for_people(cli: CommandLine, data: Path) -> None:
    folder = data.parent / "adapter"
    trained = cli.text("train", data, "-m", "fake:8", "-o", folder, "--val-split", "test")
    assert trained.startswith(read_adapter(folder).record.training["verdict"] + "\n")
    assert trained.startswith("Use the adapter.\nExpected gain: +0.")
    assert f"\nsaved to {folder} (" in trained
    assert "24 queries" in cli.text("evaluate", data, "-m", "fake:8")
    compared = cli.text("compare", data, "-m", "fake:8", "-a", folder).splitlines()
    assert compared[0].strip() == "24 questions, 40 documents"
    for line in trained.splitlines():
        if line.startswith("ndcg@10"):
            base, adapted, difference = re.findall(r"\S+ \[\S+\]", line)
            assert base in compared[-3]
            assert adapted in compared[-2]
            assert difference in compared[-2]
    assert "drawn as 22 groups" in compared[-1]
    chosen = cli.text("compare", data, "-m", "fake:8", "-a", folder, "--metric", "mrr@3")
    assert [line.split()[0] for line in chosen.splitlines()[2:-1]] == ["mrr@3", folder.name]


def test_several_adapters_are_compared_with_one_base(
    cli: CommandLine, data: Path, adapter: Path
) -> None:
    other = data.parent / "other"
    cli.text("train", data, "-m", "fake:8", "-o", other, "--metric", "mrr@1")
    both = ["-m", "fake:8", "-a", adapter, "-a", other]
    compared = cli.json("compare", data, *both)
    assert compared["systems"] == ["base", str(adapter), str(other)]
    page = data.parent / "report.html"
    assert cli.json("report", data, *both, "-o", page)["output"] == str(page)
    assert "Use the adapter" not in page.read_text(encoding="utf-8")  # no verdict for two adapters


def test_other_models_stand_beside_base_and_adapter(
    cli: CommandLine, data: Path, adapter: Path
) -> None:
    chosen = ["-m", "fake:8", "-a", adapter]
    compared = cli.json("compare", data, *chosen, "--other-model", "fake:other")
    assert compared["systems"] == ["base", str(adapter), "fake:other"]
    alone = cli.json("evaluate", data, "-m", "fake:other")["means"]
    for metric, systems in compared["parts"][0]["scores"].items():
        assert systems["fake:other"]["mean"]["mean"] == alone[metric]
        assert systems["fake:other"]["against"] is not None
    page = data.parent / "report.html"
    cli.text("report", data, *chosen, "--other-model", "fake:other", "-o", page)
    assert "fake:other" in page.read_text(encoding="utf-8")
    twice = ["--other-model", "fake:other", "--other-model", "fake:other"]
    assert "must differ" in cli.refusal("compare", data, *chosen, *twice, status=2)


def test_report_writes_what_was_measured_and_how_the_adapter_was_chosen(
    cli: CommandLine, data: Path, adapter: Path
) -> None:
    page = data.parent / "report.html"
    options = ["-m", "fake:8", "-a", adapter, "-o", page, "--title", "Rotated"]
    assert f"written to {page}" in cli.text("report", data, *options)
    written = page.read_text(encoding="utf-8")
    assert "<title>Rotated</title>" in written
    verdict = read_adapter(adapter).record.training["verdict"].splitlines()
    assert verdict[0] == "Use the adapter."
    assert all(escape(line) in written for line in verdict)


def test_export_writes_a_model_that_needs_nothing_of_ours(cli: CommandLine, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    base, new = write_six_words(tmp_path / "base"), tmp_path / "new"
    turn = np.roll(np.eye(6, dtype=np.float32), 1, axis=0)
    record = AdapterRecord(base_model=str(base))
    save_adapter(SavedAdapter(adapter=LinearAdapter(turn), record=record), tmp_path / "adapter")
    name = f"sentence-transformers:{base}"
    assert cli.json("export", tmp_path / "adapter", "-m", name, "-o", new)["output"] == str(new)
    assert f"written to {new}" in cli.text("export", tmp_path / "adapter", "-m", name, "-o", new)
    before, after = SentenceTransformer(str(base)), SentenceTransformer(str(new))
    expected = before.encode_query(["how far"]) @ turn.T
    np.testing.assert_allclose(after.encode_query(["how far"]), expected, atol=1e-6)
    np.testing.assert_array_equal(after.encode_document(["far"]), before.encode_document(["far"]))


def test_an_adapter_with_a_memory_is_not_exported(cli: CommandLine, tmp_path: Path) -> None:
    linear = LinearAdapter.identity(6)
    adapter = KernelAdapter(linear, np.eye(6)[:1], np.ones((1, 6)), sharpness=2.5)
    record = AdapterRecord(base_model="base")
    save_adapter(SavedAdapter(adapter=adapter, record=record), tmp_path / "adapter")
    options = ["-m", "sentence-transformers:base", "-o", tmp_path / "new"]
    assert "train with memory=False" in cli.refusal("export", tmp_path / "adapter", *options)
    assert not (tmp_path / "new").exists()


def test_what_training_has_embedded_is_not_embedded_again(
    cli: CommandLine, data: Path, adapter: Path, embedder: Any
) -> None:
    embedder.calls.clear()
    cli.text("compare", data, "-m", "fake:8", "-a", adapter)
    assert embedder.embedded("document") == []
    assert sorted(embedder.embedded("query")) == sorted(
        load_dataset(data, split="test").queries.values()
    )
    embedder.calls.clear()
    cli.text("evaluate", data, "-m", "fake:8", "-a", adapter)
    assert embedder.calls == []


def test_a_cache_of_ones_own_is_used_instead(
    cli: CommandLine, data: Path, embedder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = data.parent / "vectors.sqlite"
    cli.text("evaluate", data, "-m", "fake:8", "--cache", cache)
    embedder.calls.clear()
    monkeypatch.setenv("QUERY_ADAPTERS_CACHE", str(cache))
    cli.text("evaluate", data, "-m", "fake:8")
    assert embedder.calls == []


def test_settings_of_training_reach_the_trainer(cli: CommandLine, data: Path) -> None:
    options = ["--memory", "--no-bias", "--metric", "mrr@5", "--folds", 3, "--jobs", 1]
    more = ["--guard", "off", "--similarity", "dot", "--seen-share", 1, "--seed", 3]
    trained = cli.json("train", data, "-m", "fake:8", "-o", data.parent / "a", *options, *more)
    record = trained["training"]
    assert record["metric"] == "mrr@5"
    assert record["similarity"] == "dot"
    assert all(row["candidate"]["memory"] for row in fitted(record))
    assert all(row["unseen"] is None for row in record["table"])  # because the seen share is 1
    assert "bias" not in read_adapter(data.parent / "a").adapter.tensors()


def test_a_device_that_is_not_there_is_refused(cli: CommandLine, data: Path) -> None:
    options = ["-m", "fake:8", "-o", data.parent / "a", "--device", "cuda:99"]
    assert "device: expected one of cpu" in cli.refusal("train", data, *options)


def fitted(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of the candidates that questions were fitted to."""
    rows = [row for row in record["table"] if row["candidate"]["strength"] is not None]
    assert rows
    return rows


@pytest.mark.parametrize(
    ("options", "config", "expected"),
    [
        ([], None, {True, False}),
        (["--memory"], None, {True}),
        (["--no-memory"], None, {False}),
        ([], "memory = false", {False}),
        (["--memory"], "memory = false", {True}),
    ],
)
def test_by_default_adapters_with_and_without_a_memory_are_tried(
    cli: CommandLine, data: Path, options: list[str], config: str | None, expected: set[bool]
) -> None:
    folder, settings = data.parent / "a", data.parent / "run.toml"
    if config is not None:
        settings.write_text(f"[train]\n{config}\n", encoding="utf-8")
        options = [*options, "--config", str(settings)]
    trained = cli.json("train", data, "-m", "fake:8", "-o", folder, "--folds", 2, *options)
    rows = fitted(trained["training"])
    assert {row["candidate"]["memory"] is not None for row in rows} == expected
    assert ("r=300 β=2.5" in cli.text("inspect", folder)) == (True in expected)
    if trained["training"]["chosen"]["candidate"]["memory"] is None:
        assert trained["kind"] == "linear"
    else:
        assert trained["kind"] == "kernel"
    compared = cli.json("compare", data, "-m", "fake:8", "-a", folder)
    assert compared["systems"] == ["base", str(folder)]


def test_where_nothing_can_be_learned_the_base_is_kept_and_that_is_no_error(
    cli: CommandLine, make_problem: Callable[..., Any], embedder: Any, tmp_path: Path
) -> None:
    few = make_problem().dataset
    write_dataset(few.select(list(few.queries)[:3]), tmp_path / "few.json")
    folder = tmp_path / "adapter"
    trained = cli.json("train", tmp_path / "few.json", "-m", "fake:8", "-o", folder)
    assert trained["keeps_base"]
    assert "\nKeep the base model.\n" in cli.text("inspect", folder)


def test_inspect_shows_every_candidate_and_marks_the_chosen_one(
    cli: CommandLine, adapter: Path
) -> None:
    shown, described = cli.text("inspect", adapter), cli.json("inspect", adapter)
    saved = read_adapter(adapter)
    assert described["fingerprint"] == saved.adapter.fingerprint
    assert described["training"] == json.loads(json.dumps(saved.record.training))
    assert "8 → 8" in shown
    assert "ndcg@10 × 100" in shown
    marked = [line for line in shown.splitlines() if line.startswith("*")]
    assert len(marked) == 1
    assert f"{described['training']['chosen']['candidate']['strength']:g}" in marked[0]
    n_rows = len(described["training"]["table"])
    assert sum(" ± " in line for line in shown.splitlines()[-n_rows:]) == n_rows


def test_verify_takes_the_model_and_refuses_another_of_its_name(
    cli: CommandLine, adapter: Path
) -> None:
    assert cli.json("verify", adapter, "-m", "fake:8")["fits"]
    assert "fits fake:8" in cli.text("verify", adapter, "-m", "fake:8")
    assert "probe question's vector" in cli.refusal("verify", adapter, "-m", "fake:namesake")
    assert "expected 8 dimensions, got 6" in cli.refusal("verify", adapter, "-m", "fake:6")


@pytest.mark.parametrize("name", ["questions.json", "questions"])
def test_generate_writes_questions_that_can_be_read(
    name: str, cli: CommandLine, writer: Any, tmp_path: Path
) -> None:
    documents, output = tmp_path / "docs.jsonl", tmp_path / "made" / name
    rows = [{"id": f"d{i}", "text": f"About marker-{i}."} for i in range(3)]
    documents.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    plan = cli.json("generate", documents, "--llm", "fake:writer", "-o", output, "--plan")
    assert plan["n_calls"] == 3
    assert writer.prompts == []
    made = cli.json("generate", documents, "--llm", "fake:writer", "-o", output)
    assert (made["n_questions"], made["output"]) == (6, str(output))
    assert len(load_dataset(output).queries) == 6
    again = cli.text("generate", documents, "--llm", "fake:writer", "-o", output)
    assert "6 questions about 3 of 3 chunks" in again
    assert len(writer.prompts) == 3  # the second run reads the journal next to the output


def test_generate_checks_questions_with_a_base_model(
    cli: CommandLine, writer: Any, embedder: Any, tmp_path: Path
) -> None:
    documents, examples = tmp_path / "docs.jsonl", tmp_path / "examples.txt"
    documents.write_text('{"id": "d", "text": "About marker-1."}', encoding="utf-8")
    examples.write_text("real query\n\n", encoding="utf-8")
    options = ["-m", "fake:8", "--examples", examples, "--style", "keyword", "--questions", 2]
    prices = ["--prompt-price", 1, "--answer-price", 2]
    output = tmp_path / "qa.json"
    made = cli.json("generate", documents, "--llm", "fake:writer", "-o", output, *options, *prices)
    assert made["dropped"]["own chunk not in the base's top 10"] == 0
    assert made["cost"] > 0
    assert "- real query\n" in writer.prompts[0] or writer.prompts[0].endswith("- real query")


def test_demo_writes_data_and_trains_on_it(cli: CommandLine, embedder: Any, tmp_path: Path) -> None:
    written = cli.json("demo", "-o", tmp_path, "--questions", 40, "--data-only")
    assert len(load_dataset(written["data"], split="train").queries) == 28
    told = cli.text("demo", "-o", tmp_path, "--questions", 40, "--data-only")
    assert told.strip() == written["data"]
    trained = cli.json("demo", "-o", tmp_path, "--questions", 40, "-m", "fake:8")
    assert "verdict" in trained["training"]
    assert read_adapter(tmp_path / "adapter").adapter.fingerprint == trained["fingerprint"]


def test_as_a_script_in_a_process_of_its_own(tmp_path: Path) -> None:
    lines = [{"question": "how far?", "relevant": ["d"]}]
    corpus = [{"id": "d", "text": "far mile"}, {"id": "e", "text": "harbour"}]
    for name, rows in (("questions", lines), ("docs", corpus)):
        text = "\n".join(map(json.dumps, rows))
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    model = write_six_words(tmp_path / "model")
    command = [
        *(sys.executable, "-m", "query_adapters", "evaluate", "questions.jsonl"),
        *(
            "--corpus",
            "docs.jsonl",
            "--model",
            f"sentence-transformers:{model}",
            "--json",
        ),
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)  # noqa: S603
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["means"]["ndcg@10"] == 1


def test_off_a_terminal_a_local_model_shows_no_bars_of_its_own(tmp_path: Path) -> None:
    model = save_tiny_model(tmp_path / "model")
    record = AdapterRecord(base_model=model)
    save_adapter(SavedAdapter(adapter=LinearAdapter(np.eye(32)), record=record), tmp_path / "a")
    command = [sys.executable, "-m", "query_adapters", "export", "a", "-o", "new"]
    env = {k: v for k, v in os.environ.items() if k != "HF_HUB_DISABLE_PROGRESS_BARS"}
    ran = subprocess.run(  # noqa: S603
        [*command, "-m", f"sentence-transformers:{model}"],
        cwd=tmp_path,
        env=env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_version_is_that_of_the_distribution(cli: CommandLine) -> None:
    assert cli.text("--version") == f"query-adapters {version('llama-index-finetune-plugin')}\n"
