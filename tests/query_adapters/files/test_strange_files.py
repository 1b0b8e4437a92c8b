"""Test that every reader of files refuses what strangers put in their place, at once."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.data.formats import read_beir
from query_adapters.data.paths import load_dataset, load_questions, read_texts
from query_adapters.data.traces.labels import from_traces
from query_adapters.errors import DatasetWarning, InvalidDatasetError, LexicalIndexError
from query_adapters.evaluation.trec import read_qrels, read_run
from query_adapters.files.json_reading import MAX_DEPTH, parse_json
from query_adapters.files.reading import VARIABLE, read_bytes, read_lines, read_text
from query_adapters.generation.journal import HEADER, Journal
from query_adapters.lexical import LexicalIndex
from tests.faults import SPECIAL, at_once, put

Reader = Callable[[Path], object]
TABLES = (".jsonl", ".json", ".yaml", ".csv", ".xlsx", ".parquet", ".arrow")


def open_journal(path: Path) -> None:
    with Journal(path).open():
        pass


READERS: dict[str, tuple[str, Reader]] = {
    **{f"dataset {suffix}": (f"data{suffix}", load_dataset) for suffix in TABLES},
    "questions": ("data.jsonl", load_questions),
    "texts": ("data.jsonl", read_texts),
    "traces": ("data.json", from_traces),
    "traces by line": ("data.jsonl", from_traces),
    "run": ("run.trec", read_run),
    "judgements": ("qrels.trec", read_qrels),
    "journal": ("journal.jsonl", lambda path: Journal(path).read()),
    "open journal": ("journal.jsonl", open_journal),
    "BEIR corpus": ("corpus.jsonl", lambda path: read_beir(path.parent)),
    "BEIR questions": ("queries.jsonl", lambda path: read_beir(path.parent)),
    "BEIR judgements": ("train.tsv", lambda path: read_beir(path.parent.parent)),
    "saved table": ("state.json", lambda path: load_dataset(path.parent)),
    "saved splits": ("dataset_dict.json", lambda path: load_dataset(path.parent)),
}


def place_of(name: str, folder: Path) -> Path:
    """Return the path of a file in a folder where everything else is as it should be."""
    if name not in ("corpus.jsonl", "queries.jsonl", "train.tsv"):
        return folder / name
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text('{"_id": "d", "text": "t"}\n', encoding="utf-8")
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "t?"}\n', encoding="utf-8")
    (folder / "qrels" / "train.tsv").write_text("q\td\t1\n", encoding="utf-8")
    return folder / ("qrels/train.tsv" if name == "train.tsv" else name)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)
def test_what_is_no_file_is_refused_at_once(
    name: str, read: Reader, kind: str, tmp_path: Path
) -> None:
    if name in ("state.json", "dataset_dict.json") and kind in ("dangling link", "link loop"):
        pytest.skip("such a folder has no file of this name")
    path = put(kind, place_of(name, tmp_path))
    with at_once(), pytest.raises((InvalidDatasetError, FileNotFoundError)):
        read(path)


DEEP = "[" * 100_000 + "]" * 100_000
ROW = '{"query": "a?", "document": "b", "relevance": %s}'
CONTENTS: dict[str, str | bytes] = {
    "lists": DEEP,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "levels that Python reads": ROW % ("[" * 900 + "]" * 900),
    "5,000 digits": ROW % ("9" * 5_000),
    "grade of 401 digits": ROW % ("1" + "0" * 400),
    "infinite grade": ROW % "Infinity",
    "huge exponent": ROW % "1e999",
    "NaN grade": '{"query": "a?", "document_id": {"d": NaN}}',
    "negative grade": ROW % "-1",
    "grade that is an object": ROW % '{"a": 1}',
    "UTF-16": '{"query": "a?"}'.encode("utf-16"),
    "invalid UTF-8": b'{"query": "\xff\xfe"}',
    "NUL bytes": bytes(100),
    "number": "7",
    "text": '"x"',
    "numbers": "[1, 2]",
    "list as question": '{"query": ["a"], "document": {"x": 1}}',
    "odd title": '{"_id": "a", "query": "a?", "document": {"text": "b", "title": [1]}}',
    "list as id": '{"query": "a?", "document": "b", "document_id": [[1]]}',
    "deep cell": json.dumps({"inputs": "[" * 5_000, "outputs": 5}),
    "odd variables": '{"vars": {"query": "a"}, "assert": [{"type": [1], "value": "x"}]}',
    "odd responses": '{"fields": {"query": "a"}, "responses": [1]}',
    "odd annotations": '{"data": {"query": "a"}, "annotations": [5]}',
    "odd result": '{"data": {"q": "a"}, "annotations": [{"result": [{"value": 5}]}]}',
    "odd files": '{"_data_files": [{"filename": "../../etc/passwd"}], "splits": ["."]}',
    "odd lists": '{"_data_files": 5, "splits": [[]], "queries": 5, "corpus": [], "data": [5]}',
    "odd labels": '{"queries": {"q": "a?"}, "corpus": {"d": "b"}, "relevant_docs": {"q": [["d"]]}}',
    "odd spans": '{"resourceSpans": [{"scopeSpans": [{"spans": [5]}]}]}',
    "odd scores": '{"id": "x", "observations": [], "scores": [5, [1]]}',
}  # fmt: skip


REFUSED = [CONTENTS[name] for name in ("lists", "objects", "5,000 digits", "UTF-16", "NUL bytes")]


@contextmanager
def reading() -> Iterator[None]:
    """Allow that the block leaves rows out, or refuses what it reads."""
    with warnings.catch_warnings(), suppress(InvalidDatasetError):
        warnings.simplefilter("ignore", DatasetWarning)
        yield


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)
def test_odd_content_is_read_or_refused(
    name: str, read: Reader, content: str | bytes, tmp_path: Path
) -> None:
    path = place_of(name, tmp_path)
    header = HEADER if name == "journal.jsonl" else b""
    path.write_bytes(header + (content if isinstance(content, bytes) else content.encode()) + b"\n")
    with at_once(), reading():
        read(path)
        assert content not in REFUSED or not path.suffix.startswith(".json")


@pytest.mark.parametrize(
    "content", [b"", b"\xef\xbb\xbf", b"\r\n\r\n"], ids=["empty", "mark", "blank"]
)
@pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)
def test_files_without_content_are_no_crash(
    name: str, read: Reader, content: bytes, tmp_path: Path
) -> None:
    path = place_of(name, tmp_path)
    path.write_bytes(content)
    with reading():
        read(path)


@given(content=st.binary(max_size=300), name=st.sampled_from(sorted(READERS)))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused(
    content: bytes, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file, read = READERS[name]
    path = place_of(file, tmp_path_factory.mktemp("any"))
    path.write_bytes(content)
    with reading():
        read(path)


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "query", "question", "document", "document_id", "relevance", "id", "_id", "text",
            "title", "inputs", "outputs", "input", "context", "vars", "assert", "fields",
            "responses", "data", "annotations", "result", "user_input", "reference_contexts",
            "queries", "corpus", "relevant_docs", "splits", "spans", "attributes", "run_type",
            "feedback_stats", "observations", "scores", "score", "name", "resourceSpans",
            "scopeSpans", "chunk", "settings", "attempt", "answer", "type", "value", "negative",
        ]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(row=VALUE, name=st.sampled_from(sorted(READERS)), many=st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_json_is_read_or_refused(
    row: Any, name: str, many: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file, read = READERS[name]
    path = place_of(file, tmp_path_factory.mktemp("any"))
    header = HEADER if file == "journal.jsonl" else b""
    path.write_bytes(header + json.dumps([row, row] if many else row).encode() + b"\n")
    with reading():
        read(path)


def test_an_excel_sheet_that_unpacks_to_more_than_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.xlsx"
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("big.xml", bytes(2_000_000))
    monkeypatch.setenv(VARIABLE, "1000000")
    with at_once(), pytest.raises(InvalidDatasetError, match="unpacked content"):
        load_dataset(path)


def test_an_excel_sheet_that_claims_a_billion_cells_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["query", "document"], ["a?", "b"]):
        book.active.append(row)
    book.save(tmp_path / "small.xlsx")
    with ZipFile(tmp_path / "small.xlsx") as small, ZipFile(tmp_path / "t.xlsx", "w") as large:
        for part in small.namelist():
            large.writestr(part, small.read(part).replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"'))
    with at_once():
        assert len(load_dataset(tmp_path / "t.xlsx").queries) == 1


def test_a_parquet_file_that_unpacks_to_more_than_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"query": ["x" * 10_000] * 3_000})
    parquet.write_table(table, tmp_path / "bomb.parquet")
    size = (tmp_path / "bomb.parquet").stat().st_size
    monkeypatch.setenv(VARIABLE, str(100 * size))
    with at_once(), pytest.raises(InvalidDatasetError, match="unpacked content"):
        load_dataset(tmp_path / "bomb.parquet")


def test_aliases_of_yaml_do_not_multiply(tmp_path: Path) -> None:
    lines = ["- &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (tmp_path / "laughs.yaml").write_text("\n".join(lines), encoding="utf-8")
    with at_once(), pytest.raises(InvalidDatasetError, match="without aliases"):
        load_dataset(tmp_path / "laughs.yaml")


class TestReading:
    """Test the reader itself."""

    def test_a_size_may_be_raised_by_the_variable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"12345")
        with pytest.raises(InvalidDatasetError, match=f"at most 4 bytes, got 5 .*{VARIABLE}"):
            read_bytes(path, error=InvalidDatasetError, limit=4)
        monkeypatch.setenv(VARIABLE, "5")
        assert read_bytes(path, error=InvalidDatasetError, limit=4) == b"12345"
        monkeypatch.setenv(VARIABLE, "4")
        with pytest.raises(InvalidDatasetError, match="at most 4 bytes"):
            read_bytes(path, error=InvalidDatasetError, limit=100)

    @pytest.mark.parametrize("value", ["", "0", "-1", "1e9", "much", "9" * 5_000, "\u0661"])
    def test_another_variable_is_refused(
        self, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(ValueError, match=VARIABLE):
            read_bytes(tmp_path / "file", error=InvalidDatasetError)

    def test_a_line_has_a_limit_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"1\n" + b"2" * 50)
        lines = read_lines(tmp_path / "file", error=InvalidDatasetError, longest=10)
        assert next(lines) == (f"{tmp_path / 'file'}:1", "1\n")
        with pytest.raises(InvalidDatasetError, match="file:2: a line: expected at most 10"):
            next(lines)

    def test_a_file_whose_size_nobody_knows_is_read_up_to_the_limit(self) -> None:
        with pytest.raises(InvalidDatasetError, match="at most 10 bytes"):
            read_bytes("/proc/self/status", error=InvalidDatasetError, limit=10)

    def test_a_mark_is_removed_at_the_start_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_text("\ufeffa\r\n\ufeffb", encoding="utf-8")
        assert read_text(path, error=InvalidDatasetError) == "a\r\n\ufeffb"
        assert [line for _, line in read_lines(path, error=ValueError)] == ["a\r\n", "\ufeffb"]

    @pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 5_000])
    @pytest.mark.parametrize("shape", ["[%s]", '{"a": %s}'])
    def test_levels_are_counted(self, depth: int, shape: str) -> None:
        start, end = shape.split("%s")
        text = start * depth + "0" + end * depth
        if depth <= MAX_DEPTH:
            parse_json(text, "here", error=InvalidDatasetError)
        else:
            with pytest.raises(InvalidDatasetError, match="here: expected JSON of at most 100"):
                parse_json(text, "here", error=InvalidDatasetError)

    def test_brackets_in_texts_are_no_levels(self) -> None:
        text = json.dumps(["[" * 1_000])
        assert parse_json(text, "here", error=InvalidDatasetError) == ["[" * 1_000]


class TestLexicalIndex:
    """Test folders of lexical indexes."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        index = LexicalIndex.build([(["a", "b"], ["hello world", "hello again"])])
        return index.save(tmp_path / "words")

    @pytest.mark.parametrize("kind", SPECIAL)
    @pytest.mark.parametrize("name", ["lexical.json", "ids.json", "rows.npy"])
    @pytest.mark.parametrize("memory_map", [True, False])
    def test_what_is_no_file_is_refused_at_once(
        self, folder: Path, name: str, kind: str, memory_map: bool
    ) -> None:
        record = json.loads((folder / "lexical.json").read_text(encoding="utf-8"))
        record["files"] = {}  # a stranger states no sizes
        (folder / "lexical.json").write_text(json.dumps(record), encoding="utf-8")
        put(kind, next(folder.rglob(name)))
        with at_once(), pytest.raises(LexicalIndexError, match="build the index again"):
            LexicalIndex.load(folder, memory_map=memory_map)

    @pytest.mark.parametrize("value", [None, True, -1, 1.5, float("nan"), "x", [], {}, {"a": 1}])
    @pytest.mark.parametrize(
        "name", ["format_version", "documents", "formula", "tokenizer", "stemmer", "data", "files"]
    )
    def test_odd_fields_are_refused(self, folder: Path, name: str, value: Any) -> None:
        record = json.loads((folder / "lexical.json").read_text(encoding="utf-8"))
        (folder / "lexical.json").write_text(json.dumps({**record, name: value}), encoding="utf-8")
        if (name, value) in [("stemmer", None), ("documents", -1), ("files", {}), ("formula", {})]:
            pytest.skip("it is not wrong, or is not read")
        if (name, value) == ("stemmer", "x"):
            pytest.skip("it leads to a warning")
        with pytest.raises(LexicalIndexError, match="build the index again"):
            LexicalIndex.load(folder)

    @pytest.mark.parametrize("content", [DEEP, "{}", "[1, 2]", '["a", "a"]', '["a"]', "9" * 5_000])
    @pytest.mark.parametrize("name", ["ids.json", "tokens.json"])
    def test_odd_texts_are_refused(self, folder: Path, name: str, content: str) -> None:
        record = json.loads((folder / "lexical.json").read_text(encoding="utf-8"))
        (folder / "lexical.json").write_text(json.dumps({**record, "files": {}}), encoding="utf-8")
        next(folder.rglob(name)).write_text(content, encoding="utf-8")
        with pytest.raises(LexicalIndexError, match="build the index again"):
            LexicalIndex.load(folder)

    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [("rows", 0, 9), ("rows", 0, -1), ("starts", 0, 1), ("weights", 0, float("nan"))],
    )
    def test_odd_numbers_are_refused(self, folder: Path, name: str, old: int, new: float) -> None:
        record = json.loads((folder / "lexical.json").read_text(encoding="utf-8"))
        (folder / "lexical.json").write_text(json.dumps({**record, "files": {}}), encoding="utf-8")
        path = next(folder.rglob(f"{name}.npy"))
        array = np.load(path)
        array[old] = new
        np.save(path, array)
        with pytest.raises(LexicalIndexError, match=f"{name}: expected"):
            LexicalIndex.load(folder)
