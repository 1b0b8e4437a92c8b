"""Test the commands on labels of units, against plain loops."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters.storage import read_adapter
from query_adapters.data.paths import load_dataset
from query_adapters.data.traces import from_traces
from query_adapters.embedders import EMBEDDERS
from query_adapters.evaluation import evaluate_run
from tests.query_adapters.cli.command_line import CommandLine
from tests.query_adapters.data.traces.test_labels import rating, retrieval
from tests.query_adapters.finetuning.test_hybrid import text_of

N = 40
CHUNKS = {f"c{row}": text_of(row) for row in range(N)}
UNIT_OF = {f"c{row}": f"page {row // 2}" for row in range(N)}
QUESTIONS = {f"q{row}": f"what does no{row} cost" for row in range(N)}
QRELS = {f"q{row}": {f"page {row // 2}": 1.0} for row in range(N)}
MODEL = ["-m", "fake:words"]


@pytest.fixture
def model(make_embedder: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register and return the model `fake:words`, whose vectors know nothing of the texts."""
    known = make_embedder(batch_size=64)
    monkeypatch.setitem(EMBEDDERS, "fake", lambda name: known)
    return known


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Return a BEIR folder of chunks, with labels on their pages."""
    folder = tmp_path / "pages"
    (folder / "qrels").mkdir(parents=True)
    corpus = [
        {"_id": key, "text": text, "metadata": {"page": UNIT_OF[key]}}
        for key, text in CHUNKS.items()
    ]
    queries = [{"_id": key, "text": text} for key, text in QUESTIONS.items()]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for split, parity in (("train", 0), ("test", 1)):
        labels = [f"q{row}\tpage {row // 2}\t1\n" for row in range(N) if row % 4 // 2 == parity]
        (folder / "qrels" / f"{split}.tsv").write_text("".join(labels))
    return folder


def test_units_are_ranked_by_their_best_chunk(
    cli: CommandLine, pages: Path, model: Any, tmp_path: Path
) -> None:
    table = tmp_path / "units.tsv"
    table.write_text("".join(f"{a}\t{b}\n" for a, b in [("chunk", "unit"), *UNIT_OF.items()]))
    documents = np.array(model.embed_documents(list(CHUNKS.values())))
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    run = {}
    for key in (f"q{row}" for row in range(N) if row % 4 // 2 == 1):
        scores = documents @ np.array(model.embed_queries([QUESTIONS[key]])[0])
        order = np.argsort(-scores, kind="stable")
        run[key] = list(dict.fromkeys(UNIT_OF[f"c{row}"] for row in order))
    expected = evaluate_run(run, {query: QRELS[query] for query in run}).means
    for units in ("page", table):
        means = cli.json("evaluate", pages, *MODEL, "--units", units)["means"]
        assert means == pytest.approx(expected)
    assert "missing from the corpus" in cli.refusal("evaluate", pages, *MODEL)


@pytest.mark.slow
def test_a_learned_retriever_is_trained_compared_and_shown(
    cli: CommandLine, pages: Path, model: Any, tmp_path: Path
) -> None:
    folder, page = tmp_path / "adapter", tmp_path / "report.html"
    quick = ["--hybrid", "--no-memory", "--folds", 2, "--val-split", "test"]
    cli.text("train", pages, *MODEL, "-o", folder, "--units", "page", *quick)
    record = read_adapter(folder).record.training
    assert record["units"] == {"rule": "page", "units": N // 2, "vectors": N}
    assert record["n_documents"] == N // 2
    assert record["retriever"]["weights"]["lexical"] > 0
    assert "units by page: 20 of 40 vectors" in cli.text("inspect", folder)
    on = [pages, *MODEL, "-a", folder, "--units", "page"]
    evaluated = cli.json("evaluate", *on)
    compared = cli.json("compare", *on)
    systems = ["base", str(folder), "learned retriever"]
    assert compared["systems"][:3] == systems
    assert compared["documents"] == N
    scores = compared["parts"][0]["scores"]["ndcg@10"]
    assert scores["learned retriever"]["mean"]["mean"] == evaluated["learned_retriever"]["ndcg@10"]
    assert evaluated["learned_retriever"]["ndcg@10"] > evaluated["means"]["ndcg@10"] + 0.2
    cli.text("report", *on, "-o", page)
    assert "costs a little" in page.read_text(encoding="utf-8")


def test_rated_retrievals_become_a_dataset(cli: CommandLine, tmp_path: Path) -> None:
    spans = [retrieval("s", "how far?", "d1", "d2"), retrieval("t", "how long?", "d2")]
    ratings = [rating(5, span_id="s"), rating(4, span_id="t"), rating(1, span_id="none")]
    source, feedback = tmp_path / "spans.json", tmp_path / "ratings.json"
    source.write_text(json.dumps(spans))
    feedback.write_text(json.dumps(ratings))
    options = ["--feedback", feedback, "--threshold", 3, "--top", 1, "--name", "helpful"]
    made = cli.json("traces", source, "-o", tmp_path / "data", *options)
    expected = from_traces(spans, feedback=ratings, threshold=3, top=1)
    assert load_dataset(tmp_path / "data") == expected
    assert made == {
        "output": str(tmp_path / "data"), "questions": 2, "documents": 2, "judgements": 2
    }  # fmt: skip
    assert "2 questions, 2 documents" in cli.text("traces", source, "-o", tmp_path / "d", *options)
    assert "above 9" in cli.refusal(
        "traces", source, "-o", tmp_path / "e", *options, "--threshold", 9
    )
