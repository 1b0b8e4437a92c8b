"""Readers of what programs keep between runs: caches, logs, tests, registries, pipelines."""

import base64
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from functools import cache, partial
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save
from typer.testing import CliRunner

from query_adapters.adapters import LinearAdapter
from query_adapters.adapters.storage import SavedAdapter, load_adapter, save_adapter
from query_adapters.adapters.weights_file import digest
from query_adapters.cli import app
from query_adapters.data.chunked import load_chunked
from query_adapters.deployment import AdapterRegistry
from query_adapters.embedders.vector_file import TABLE, VectorFile
from query_adapters.errors import QueryAdaptersError
from query_adapters.experiments import SequentialTest, SplitTest
from query_adapters.feedback import FeedbackLog, dataset_from_feedback, read_log
from query_adapters.pipelines import ParquetVectors
from query_adapters.pipelines.origin import check_adapter, check_models
from query_adapters.pipelines.output import FORMAT, MANIFEST, OutputFolder
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.stores import BlockSource, read_blocks
from query_adapters.stores.sketch import compared_with_sketch, sketch_of
from query_adapters.stores.stored import StoredVectors
from query_adapters.upgrade.migration.sample import NAME, sample_of
from tests.fuzz.target import FUZZED, Files, Target, as_json, as_lines

KEYS = (b"k" * 32, b"l" * 32)
ADAPTER = LinearAdapter(np.eye(2, dtype=np.float32))
EVENTS = (
    {"list": "1", "key": "a", "time": 1e9, "question": "how far?", "ids": ["d1", "d2"],
     "scores": [0.5, 0.25], "session": "s", "system": "base", "teams": {"d1": "base", "d2": None},
     "vector": base64.b64encode(np.ones(2, "<f4").tobytes()).decode()},
    {"shown": "1", "event": "clicked", "time": 1e9, "document": "d1"},
    {"shown": "1", "event": "rated", "time": 1e9, "document": "d2", "grade": 1.5},
)  # fmt: skip
MIGRATION = {"ids": [f"d{row}" for row in range(60)], "asked": {"d1": 2}}
INDEX = StoredVectors(("d1", "d2"), np.eye(2, dtype=np.float32))
STEP = {
    "kind": "embed", "model": "m", "model_name": "m", "role": "query",
    "reads": ["text"], "writes": ["vector"],
}  # fmt: skip
RUN = {
    **FORMAT, "map": STEP, "columns": ["id", "vector"], "block_rows": 2, "input": "0",
    "history": [],
}  # fmt: skip


@cache
def _database() -> bytes:
    """Return a cache with two vectors, in pages of 512 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA page_size = 512")
            connection.execute(TABLE)
            rows = [(key, np.ones(2, "<f4").tobytes()) for key in KEYS]
            connection.executemany("INSERT INTO vectors VALUES (?, ?)", rows)
            connection.commit()
        return path.read_bytes()


def _cache(folder: Path) -> None:
    file = VectorFile(folder / FUZZED)
    try:
        found = file.read(KEYS).vectors
        assert all(np.isfinite(vector).all() for vector in found.values())
    finally:
        file.check_writable(1, 2)
        file.write({KEYS[0]: np.ones(2, dtype=np.float32)})


def _log(folder: Path) -> None:
    path = folder / FUZZED
    records = read_log(path)
    try:
        for skip in (True, False):
            made = dataset_from_feedback(records, {"d1": "t", "d2": "u"}, skip_strangers=skip)
            json.dumps(made.to_record(), allow_nan=False)
    except QueryAdaptersError:
        pass
    FeedbackLog(path).prune(keep_days=1)
    FeedbackLog(path).prune(keep_days=0, now=inf)
    assert path.read_bytes() == b""


def _sequential(folder: Path) -> None:
    test = SequentialTest.load(folder / FUZZED)
    test.update([1.0])
    json.dumps(SequentialTest.load(test.save(folder / "again")).to_record(), allow_nan=False)
    assert str(test)


def _split(folder: Path) -> None:
    test = SplitTest.load(folder / FUZZED)
    test.update(["challenger"], [0.5])
    assert str(test)
    assert test.means


@cache
def _registry_files() -> Files:
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(SavedAdapter(adapter=ADAPTER), Path(folder) / "a")
        registry = AdapterRegistry(Path(folder) / "r")
        version = registry.push(Path(folder) / "a", "faq", by="me")
        registry.promote("faq", version, by="me")
        registry.promote("faq", version, reason="again", by="me")
        return _files_in(Path(folder) / "r")


def _files_in(folder: Path) -> Files:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _registry_part(start: str) -> tuple[str, bytes]:
    files = _registry_files()
    return next((key, files[key]) for key in sorted(files, reverse=True) if key.startswith(start))


def _registry(folder: Path) -> None:
    for call in _registry_calls(folder):
        try:
            call()
        except (QueryAdaptersError, FileNotFoundError):
            continue


def _registry_calls(folder: Path) -> Iterator[Callable[[], object]]:
    registry = AdapterRegistry(folder)
    yield lambda: registry.files("faq", registry.resolve("faq", "production"))
    yield lambda: registry.history("faq")
    yield lambda: registry.versions("faq")
    yield partial(run_app, "registry", "list", "-r", str(folder))
    yield lambda: registry.gc(grace=timedelta(0))
    yield lambda: registry.rollback("faq", by="me")
    yield lambda: registry.promote("faq", "production", by="me")


def run_app(*arguments: str) -> None:
    """Run a command; it prints no control character and raises no error of others."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    if any(ord(c) < 32 and c != "\n" for c in result.output):
        raise AssertionError(f"a control character is printed: {result.output!r}")


@cache
def _vectors(compression: str) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    rows = {"id": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]}
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(rows), sink, compression=compression)
    return bytes(sink.getvalue().to_pybytes())


def _pipeline_rows(folder: Path) -> None:
    import pyarrow as pa

    documents = ParquetVectors(folder / "v.parquet")
    for call in (
        lambda: [block.shape for block in documents],
        lambda: documents.dim,
        lambda: documents.rows_of(pa.array(["a", "b"])),
        lambda: documents.ids_at(np.array([1, 0])),
    ):
        try:
            call()
        except QueryAdaptersError:
            continue


def _pipeline_record(folder: Path) -> None:
    rows = ParquetRows(folder / "v.parquet")
    checks: tuple[Callable[[], object], ...] = (
        lambda: check_adapter(SavedAdapter(adapter=ADAPTER), rows, "vector"),
        lambda: check_models(rows, "vector", rows, "vector"),
        lambda: _opened(folder),
    )
    for check in checks:
        try:
            check()
        except QueryAdaptersError:
            continue


def _opened(folder: Path) -> None:
    with OutputFolder(folder).opened({"map": STEP}):
        pass


def _migration(folder: Path) -> None:
    sample = (folder / FUZZED).read_bytes().decode(errors="replace")
    text = f'{{"{NAME}": {sample}}}'
    ones = np.ones((len(MIGRATION["ids"]), 2), dtype=np.float32)
    tensors = {**ADAPTER.tensors(), f"{NAME}/new": ones, f"{NAME}/old": ones}
    record = json.dumps(
        {"format_version": 3, "kind": "linear", "dim_in": 2, "dim_out": 2,
         "fingerprint": ADAPTER.fingerprint, "record": {}}
    )  # fmt: skip
    header = {"record": record, "attachments": text}
    content = save(tensors, {**header, "sha256": digest(record + text, tensors)})
    (folder / "adapter.safetensors").write_bytes(content)
    sample_of(load_adapter_with(folder))


def load_adapter_with(folder: Path) -> SavedAdapter:
    """Return the adapter with its attachments."""
    from query_adapters.adapters.storage import read_adapter

    load_adapter(folder)
    return read_adapter(folder)


def _decoded(read: Callable[[Any], object]) -> Callable[[Path], object]:
    """Return a reader of JSON that is no file."""

    def run(folder: Path) -> None:
        try:
            value = json.loads((folder / FUZZED).read_bytes())
        except (ValueError, RecursionError):
            return
        read(value)

    return run


def _stored(value: Any) -> None:
    if isinstance(value, Sequence) and all(isinstance(b, list) and len(b) == 2 for b in value):
        blocks = [(keys, rows) for keys, rows in value if _are_rows(keys, rows)]
        for keys, vectors in read_blocks(BlockSource(blocks), name="store"):
            assert np.isfinite(vectors).all()
            assert len(keys) == len(vectors)


def _are_rows(keys: Any, rows: Any) -> bool:
    lists = isinstance(keys, list) and isinstance(rows, list) and len(keys) == len(rows)
    return lists and all(isinstance(key, str) for key in keys)


def state_targets() -> dict[str, Target]:
    """Return the readers by name."""
    units = {"chunks.jsonl": as_lines({"id": "c1", "text": "t"}, {"id": "c2", "text": "u"}),
             "rows.jsonl": as_lines({"question": "a?", "document_id": "u1"})}  # fmt: skip
    marker, manifest, move = (_registry_part(start) for start in (
        "registry.json", "adapters/faq/versions/", "adapters/faq/aliases/"))  # fmt: skip

    def chunked(folder: Path) -> None:
        load_chunked(folder / "rows.jsonl", folder / "units.csv", corpus=folder / "chunks.jsonl")

    def by_key(folder: Path) -> None:
        load_chunked(folder / "rows.jsonl", "doc", corpus=folder / "chunks.jsonl")

    return {
        "embedding cache": Target(_cache, FUZZED, [_database()]),
        "feedback log": Target(_log, FUZZED, [as_lines(*EVENTS)]),
        "sequential test": Target(_sequential, FUZZED, as_json({"format": 1,
            "test": "SequentialTest", "alpha": 0.05, "evidence": {"n": 2, "total": 1.0,
            "squares": 2.0, "log_above": 0.1, "log_below": 0.0}})),
        "split test": Target(_split, FUZZED, as_json({"format": 1, "test": "SplitTest",
            "alpha": 0.05, "share": 0.5, "evidence": {"n": 2, "total": 0.0, "squares": 1.0,
            "log_above": 0.1, "log_below": 0.0}, "counts": {"challenger": 1, "incumbent": 1},
            "sums": {"challenger": 0.5, "incumbent": 1.0}})),
        **{f"registry {name}": Target(_registry, path, [content], _registry_files)
           for name, (path, content) in
           {"marker": marker, "manifest": manifest, "move": move}.items()},
        "pipeline rows": Target(_pipeline_rows, "v.parquet",
            [_vectors("none"), _vectors("snappy")]),
        "pipeline record": Target(_pipeline_record, MANIFEST,
            as_json(RUN, {**RUN, "history": [STEP]}), lambda: {"v.parquet": _vectors("none")}),
        "migration sample": Target(_migration, FUZZED, as_json(MIGRATION), is_file=False),
        "index sketch": Target(_decoded(lambda sketch: compared_with_sketch(sketch, INDEX)), FUZZED,
            as_json(sketch_of(INDEX)), is_file=False),
        "stored rows": Target(_decoded(_stored), FUZZED, as_json(
            [[["a", "b"], [[1.0, 2.0], [3.0, 4.0]]], [["c"], [[5.0, 6.0]]]]), is_file=False),
        "units table": Target(chunked, "units.csv", [b"chunk,unit\nc1,u1\nc2,u1\n"], lambda: units),
        "units by key": Target(by_key, "chunks.jsonl", [as_lines(
            {"id": "c1", "text": "t", "metadata": {"doc": "u1"}},
            {"id": "c2", "text": "u", "doc": 2})],
            lambda: units),
    }  # fmt: skip
