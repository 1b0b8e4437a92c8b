"""The readers that are fuzzed, each with small valid inputs that are mutated."""

import io
import json
import tempfile
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from typer.testing import CliRunner

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import load_adapter
from query_adapters.adapters.weights_file import digest
from query_adapters.cli import app
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.paths import load_dataset, load_questions, read_texts, write_dataset
from query_adapters.data.traces import from_traces
from query_adapters.errors import QueryAdaptersError
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.comparison import Comparison, compare_systems
from query_adapters.evaluation.html_report import page_html
from query_adapters.evaluation.trec import read_qrels, read_run
from query_adapters.fusion.features import FEATURES
from query_adapters.fusion.retrievers.storage import read_weights
from query_adapters.fusion.storage import read_without_words
from query_adapters.generation.journal import HEADER, Journal
from query_adapters.generation.parsing import parse_questions
from query_adapters.lexical import LexicalIndex
from tests.fuzz.answers import answer_targets
from tests.fuzz.states import state_targets
from tests.fuzz.target import FUZZED, Files, Target, as_json, as_lines

DATASET = RetrievalDataset(
    {"q1": "how far?", "q2": "what is é?"},
    {"d1": "Four miles.", "d2": "[1, 2]", "d3": "nothing"},
    {"q1": {"d1": 1, "d2": 2.5}, "q2": {"d2": 1}},
)


def _dataset(path: Path) -> None:
    for load in (load_dataset, load_questions):
        try:
            load(path)
        except QueryAdaptersError:
            continue


def _file(suffix: str) -> Callable[[Path], object]:
    return lambda folder: _dataset(folder / f"{FUZZED}{suffix}")


@cache
def _written(suffix: str, name: str | None = None) -> bytes:
    """Return a dataset as this package writes it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"seed{suffix}"
        write_dataset(DATASET, path, format=name)
        return path.read_bytes()


ROWS: tuple[dict[str, Any], ...] = (
    {"question": "a?", "document": "text", "relevance": 1, "negative": ["n"], "answer": "x"},
    {"question": "a?", "document_id": ["d"], "document": ["t"], "question_id": 7},
    {"user_input": "a?", "reference_contexts": ["<1-hop>\n\ntext"], "reference": "b"},
    {"question": "a?", "contexts": ["t"], "ground_truth": "b"},
    {"input": "a?", "expected_output": "b", "context": ["t"]},
    {"anchor": "a?", "positive": "t", "negative_1": "n"},
    {"query": "a?", "reference_contexts": ["t"], "reference_answer": "b"},
    {"id": "1", "fields": {"question": "a?", "document": "t"},
     "responses": {"relevance": [{"value": "yes"}]}},
    {"id": 1, "data": {"question": "a?", "document": "t"}, "annotations": [
        {"result": [{"from_name": "relevance", "value": {"choices": ["yes"]}}]}]},
    {"vars": {"question": "a?", "context": "t"}, "assert": [{"type": "equals", "value": "b"}]},
    {"inputs": {"question": "a?"}, "outputs": {"answer": "b", "contexts": ["t"]}},
    {"queries": {"q": "a?"}, "corpus": {"d": "t"}, "relevant_docs": {"q": ["d"]}, "mode": "text"},
)  # fmt: skip

SPAN = {
    "context": {"span_id": "0x1", "trace_id": "t"}, "parent_id": None, "span_kind": "RETRIEVER",
    "attributes": {"openinference.span.kind": "RETRIEVER", "input.value": "how far?",
                   "retrieval.documents": [{"document.id": "d", "document.content": "Four."}]},
    "annotations": [{"name": "good", "result": {"score": 1}, "document_position": 0}],
}  # fmt: skip
OTLP = {"resourceSpans": [{"scopeSpans": [{"spans": [
    {"spanId": "1", "traceId": "t", "attributes": [
        {"key": "openinference.span.kind", "value": {"stringValue": "RETRIEVER"}},
        {"key": "input.value", "value": {"stringValue": "how far?"}},
        {"key": "tags", "value": {"arrayValue": {"values": [{"kvlistValue": {"values": []}}]}}},
    ]}]}]}]}  # fmt: skip
RUN = {
    "run_type": "retriever", "id": "r", "trace_id": "t", "inputs": {"query": "how far?"},
    "outputs": {"documents": [{"page_content": "Four.", "metadata": {"id": "d"}}]},
    "feedback_stats": {"good": {"avg": 1.0, "n": 1}}, "child_runs": [],
}  # fmt: skip
LANGFUSE = [
    {"id": "t", "observations": [{"id": "o", "traceId": "t", "type": "RETRIEVER",
        "input": "how far?", "output": [{"content": "Four."}]}],
     "scores": [{"name": "good", "value": 1, "observationId": "o"}]},
]  # fmt: skip


def _traces(folder: Path) -> None:
    for path in folder.glob(f"{FUZZED}.*"):
        for options in ({}, {"id_key": "id"}, {"feedback": path}):
            try:
                from_traces(path, **options)
            except QueryAdaptersError:
                continue


def _journal(folder: Path) -> None:
    journal = Journal(folder / "answers.jsonl").read()
    with journal.open():
        pass


ADAPTER = LinearAdapter(np.eye(2, dtype=np.float32))
CANDIDATE: dict[str, Any] = {
    "candidate": {"whitening": 0.15, "strength": None, "memory": {"ease": 10.0, "sharpness": 5.0}},
    "seen": {"mean": 0.1, "error": 0.01}, "unseen": None, "overall": {"mean": 0.1, "error": 0.01},
}  # fmt: skip
TRAINING = {
    "verdict": "Adapter kept.\nGain: +0.1", "metric": "ndcg@10", "n_queries": 3,
    "chosen": None,
    "table": [CANDIDATE],
    "retriever": {"verdict": "kept", "table": [], "chosen": None},
}  # fmt: skip
RECORD = {
    "format_version": 3, "kind": "linear", "dim_in": 2, "dim_out": 2,
    "fingerprint": ADAPTER.fingerprint,
    "record": {"base_model": "m", "probe_text": "how far?", "training": TRAINING,
               "created": "2026-01-01T00:00:00+00:00"},
}  # fmt: skip
FUSION = {
    "weights": dict.fromkeys(FEATURES, 0.5), "answers": [["d1"], ["d2"]],
    "similarity": "cosine", "depth": 5,
}  # fmt: skip


def _signed(record: str, attachments: str, *, name: str = "fusion") -> bytes:
    """Return a weights file with this record and a checksum that fits, as an attacker writes it."""
    tensors = dict(ADAPTER.tensors()) | {"probe": np.ones(2, dtype=np.float32)}
    if attachments:
        tensors[f"{name}/queries"] = np.eye(2, dtype=np.float32)
    header = {"record": record, "attachments": attachments}
    try:
        return save(tensors, {**header, "sha256": digest(record + attachments, tensors)})
    except UnicodeEncodeError:
        return b""


def _adapter(folder: Path) -> None:
    saved = load_adapter(folder)
    saved(np.ones((1, saved.dim_in), dtype=np.float32))


def _inspect(*options: str) -> Callable[[Path], object]:
    def run(folder: Path) -> None:
        arguments = [option.replace("FOLDER", str(folder)) for option in options]
        result = CliRunner().invoke(app, ["inspect", str(folder), *arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if any(ord(c) < 32 and c != "\n" for c in result.output):
            raise AssertionError(f"a control character is printed: {result.output!r}")

    return run


def _record_read(folder: Path) -> None:
    text = (folder / FUZZED).read_bytes().decode(errors="replace")
    (folder / "adapter.safetensors").write_bytes(_signed(text, ""))
    _adapter(folder)
    _inspect()(folder)
    _inspect("--json")(folder)


def _fusion_read(folder: Path) -> None:
    text = (folder / FUZZED).read_bytes().decode(errors="replace")
    (folder / "adapter.safetensors").write_bytes(_signed(json.dumps(RECORD), text))
    fusion = read_without_words(folder)
    fusion.model.head(np.ones(3), np.ones((3, len(fusion.model.head.weights))))


@cache
def _index_files() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        LexicalIndex.build([(["d1", "d2"], ["four miles", "a word"])]).save(folder)
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in Path(folder).rglob("*")
            if path.is_file()
        }


def _index_part(name: str) -> tuple[str, bytes]:
    return next((key, content) for key, content in _index_files().items() if key.endswith(name))


def _index_part_read(folder: Path) -> None:
    """Read an index whose record has the sizes and checksums of the files that are there."""
    record = json.loads((folder / "lexical.json").read_bytes())
    for name in record["files"]:
        content = (folder / record["data"] / name).read_bytes()
        record["files"][name] = {"bytes": len(content), "crc32": zlib.crc32(content)}
    (folder / "lexical.json").write_text(json.dumps(record))
    _index_read(folder)


def _index_read(folder: Path) -> None:
    for memory_map in (False, True):
        try:
            index = LexicalIndex.load(folder, memory_map=memory_map)
            index.match("four words").top(2)
        except QueryAdaptersError:
            continue


@cache
def _comparison() -> Comparison:
    systems = {
        name: Evaluation({"ndcg@10": np.array([0.0, 0.5, value])}, query_ids=("a", "b", "c"))
        for name, value in {"base": 0.2, "adapted": 0.9}.items()
    }
    return compare_systems(systems, baseline="base")


def _page(folder: Path) -> None:
    try:
        record = json.loads((folder / FUZZED).read_bytes())
    except (ValueError, RecursionError):
        return
    page = page_html(_comparison(), training=record)
    page.encode()
    if len(page) > 5_000_000:
        raise AssertionError(f"a page of {len(page)} characters")


def _config(folder: Path) -> None:
    _inspect("--config", "FOLDER/input.toml")(folder)


def _answer(folder: Path) -> None:
    text = (folder / FUZZED).read_bytes().decode(errors="replace")
    for unmarked in (False, True):
        for question in parse_questions(text, passage=text[:50], unmarked=unmarked):
            question.encode()


@cache
def _arrow() -> bytes:
    import pyarrow
    from pyarrow import ipc

    table = pyarrow.Table.from_pylist([{"question": "a?", "document": "t"}])
    sink = pyarrow.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


@cache
def _excel() -> bytes:
    import openpyxl

    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["question", "document"])
    book.active.append(["a?", "t"])
    book.save(stream)
    return stream.getvalue()


BEIR = {
    "corpus.jsonl": as_lines({"_id": "d", "title": "", "text": "t"}),
    "queries.jsonl": as_lines({"_id": "q", "text": "a?"}),
    "qrels/train.tsv": b"query-id\tcorpus-id\tscore\nq\td\t1\n",
}
STATE = as_json({"_data_files": [{"filename": "data-0.arrow"}]})
WEIGHTS = [
    {"name": "base", "weight": 1.0, "by": "score", "span": 0.5},
    {"name": "words", "weight": 0.3, "by": "rank", "span": 1.0},
]
YAML = b"tests:\n- vars: {question: 'a?', context: t}\n  assert:\n  - {type: equals, value: b}\n"
CSV = b'question,document,relevance\na?,"t, u",1\nb?,"[""x""]",yes\n'


def targets() -> dict[str, Target]:
    """Return every reader by name."""
    rows = [json.dumps([row]).encode() for row in ROWS] + as_json({"examples": [ROWS[6]]}, ROWS[-1])
    traces = as_json([SPAN], OTLP, [RUN], LANGFUSE, {"data": [SPAN]})
    parts = ("starts.npy", "rows.npy", "weights.npy", "ids.json", "tokens.json")
    index = {name: _index_part(name) for name in parts}
    return {
        "json": Target(_file(".json"), f"{FUZZED}.json", rows),
        "jsonl": Target(_file(".jsonl"), f"{FUZZED}.jsonl", [as_lines(row, row) for row in ROWS]),
        "csv": Target(_file(".csv"), f"{FUZZED}.csv", [CSV, _written(".csv")]),
        "yaml": Target(_file(".yaml"), f"{FUZZED}.yaml", [YAML, *rows]),
        "excel": Target(_file(".xlsx"), f"{FUZZED}.xlsx", [_excel()]),
        "parquet": Target(_file(".parquet"), f"{FUZZED}.parquet", [_written(".parquet")]),
        "arrow": Target(_file(".arrow"), f"{FUZZED}.arrow", [_arrow()]),
        "state": Target(_dataset, "state.json", STATE, lambda: {"data-0.arrow": _arrow()}),
        "splits": Target(_dataset, "dataset_dict.json", as_json({"splits": ["train"]}),
            lambda: {"train/state.json": STATE[0], "train/data-0.arrow": _arrow()}),
        "texts": Target(lambda at: read_texts(at / FUZZED), FUZZED,
            [as_lines({"id": "d", "text": "t"}, {"_id": 1, "text": ""})]),
        **{f"beir {name}": Target(_dataset, name, [content], lambda: BEIR)
           for name, content in BEIR.items()},
        "traces json": Target(_traces, f"{FUZZED}.json", traces),
        "traces jsonl": Target(_traces, f"{FUZZED}.jsonl", [as_lines(SPAN, RUN), as_lines(OTLP)]),
        "run": Target(lambda at: read_run(at / FUZZED), FUZZED,
            [b"q Q0 d 1 2.5 tag\nq Q0 e 2 -1e-3 tag\n"]),
        "qrels": Target(lambda at: read_qrels(at / FUZZED), FUZZED, [b"q 0 d 1\nq 0 e 0\n"]),
        "journal": Target(_journal, "answers.jsonl", [HEADER + as_lines(
            {"chunk": "c", "content": "x", "settings": "s", "attempt": 0, "answer": "a?"})]),
        "adapter": Target(_adapter, "adapter.safetensors", [_signed(json.dumps(RECORD), "")]),
        "adapter record": Target(_record_read, FUZZED, as_json(RECORD)),
        "old adapter": Target(_adapter, "config.json", as_json({"in_features": 2,
            "out_features": 2, "bias": False}), lambda: {"pytorch_model.bin": b"x"}),
        "fusion record": Target(_fusion_read, FUZZED, as_json({"fusion": FUSION})),
        "retriever weights": Target(read_weights, "retriever_weights.json", as_json(
            {"format": 1, "retrievers": WEIGHTS})),
        "index record": Target(_index_read, "lexical.json", [_index_part("lexical.json")[1]],
            _index_files),
        **{f"index {name}": Target(_index_part_read, path, [content], _index_files)
           for name, (path, content) in index.items()},
        "page": Target(_page, FUZZED, as_json(TRAINING, {**TRAINING, "chosen": CANDIDATE})),
        "config": Target(_config, f"{FUZZED}.toml",
            [b'as_json = true\n[train]\nfolds = 3\nmetric = "ndcg@10"\n', b"json = true\n"],
            lambda: {"adapter.safetensors": _signed(json.dumps(RECORD), "")}),
        "answer": Target(_answer, FUZZED, [
            b"Sure! Two questions:\n1. How far is it?\n2. 3 ways to get there?",
            b'```json\n{"questions": ["a?", {"question": "b?"}]}\n```',
            b"<think>x</think>\n- a\n"]),
        **state_targets(),
        **answer_targets(),
    }  # fmt: skip
