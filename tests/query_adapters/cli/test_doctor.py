"""Test the command that checks what serves on the log of what it showed."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import AdapterRecord, SavedAdapter, save_adapter
from query_adapters.feedback import FeedbackLog
from query_adapters.stores.sketch import index_sketch
from tests.query_adapters.cli.command_line import CommandLine
from tests.query_adapters.data.traces.openinference import retrieval

IDS = [f"d{n}" for n in range(30)]
VECTORS = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record = AdapterRecord(base_model="fake", training={"index": index_sketch(IDS, VECTORS)})
    saved = SavedAdapter(adapter=LinearAdapter.identity(8), record=record)
    return save_adapter(saved, tmp_path / "adapter")


def log_of(path: Path, *ids: str) -> Path:
    for number in range(12):
        FeedbackLog(path).shown(f"question {number}", ids, system="faq")
    return path


def vectors_of(path: Path, vectors: object) -> Path:
    pyarrow.parquet.write_table(pa.table({"id": IDS, "vector": list(np.asarray(vectors))}), path)
    return path


def test_it_prints_a_line_a_check_and_succeeds_where_nothing_needs_doing(
    cli: CommandLine, embedder: object, folder: Path, tmp_path: Path
) -> None:
    index = vectors_of(tmp_path / "index.parquet", VECTORS)
    log = log_of(tmp_path / "log.jsonl", "d1", "d2")
    arguments = ("doctor", folder, log, "-m", "fake:8", "--index", index)
    lines = cli.text(*arguments).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "log"],
        ["skipped", "adapter"],
        ["skipped", "model"],
        ["ok", "index"],
        ["skipped", "questions"],
        ["skipped", "words"],
        ["skipped", "refit"],
    ]
    found = cli.json(*arguments, "--no-refit")
    assert found["needs_action"] is False
    assert [check["name"] for check in found["checks"]][-1] == "words"


def test_the_exit_status_says_that_something_needs_doing(
    cli: CommandLine, folder: Path, tmp_path: Path
) -> None:
    index = vectors_of(tmp_path / "index.parquet", -VECTORS)
    log = log_of(tmp_path / "log.jsonl", "d1", "d2")
    ran = cli.run("doctor", folder, log, "--index", index, "--json")
    assert ran.exit_code == 1
    found = {check["name"]: check["status"] for check in json.loads(ran.stdout)["checks"]}
    assert (found["index"], found["refit"]) == ("failed", "skipped")


def test_the_log_may_be_an_export_of_traces_and_the_vectors_those_of_a_corpus(
    cli: CommandLine, embedder: object, folder: Path, tmp_path: Path
) -> None:
    traces, corpus = tmp_path / "spans.jsonl", tmp_path / "chunks.jsonl"
    spans = [retrieval(f"s{n}", f"question {n}", {"d1": "one", "d9": "nine"}) for n in range(3)]
    traces.write_text("".join(f"{json.dumps(span)}\n" for span in spans), encoding="utf-8")
    corpus.write_text('{"id": "d1", "text": "one"}\n{"id": "d9", "text": "nine"}\n')
    ran = cli.run("doctor", folder, traces, "--traces", "--corpus", corpus, "-m", "fake:8")
    assert ran.stdout.startswith("ok       log        3 lists with 0 events\n")
    assert "2 of 2 sampled documents have other vectors" in ran.stdout
    assert ran.exit_code == 1
