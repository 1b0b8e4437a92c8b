"""Tests of kinds of files and folders: complete reads, and errors that name the place."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data import RetrievalDataset, load_dataset, write_dataset
from query_adapters.errors import InvalidDatasetError, MissingExtraError

TABLE = [
    {"query": "how far, Jürgen?", "document": "Four miles;\nor more."},
    {"query": 'how "long"?', "document": "An hour."},
]
EXPECTED = load_dataset(TABLE)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


QUOTED = '"how far, Jürgen?"{0}"Four miles;\nor more."{1}\n{2}"how ""long""?"{0}An hour.{1}\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "query,document\n" + QUOTED.format(",", "", "\n")),
        ("t.csv", "query;document\r\n" + QUOTED.format(";", "\r", "")),
        ("t.tsv", "query\tdocument\n" + QUOTED.format("\t", "", "")),
        ("t.csv", "\ufeffquery,document,\n" + QUOTED.format(",", ",,", "")),
        ("t.jsonl", "\n".join(map(json.dumps, TABLE))),
        ("t.NDJSON", "\n".join(map(json.dumps, TABLE))),
        ("t.json", json.dumps(TABLE)),
        ("t.json", json.dumps({"version": 1, "rows": TABLE})),
        ("t.yaml", json.dumps({"tests": TABLE})),
        ("t.yml", json.dumps(TABLE)),
    ],
)
def test_a_table_is_read_from_a_text_file(name: str, text: str, tmp_path: Path) -> None:
    assert load_dataset(written(tmp_path / name, text)) == EXPECTED


def test_the_first_sheet_of_a_workbook_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.active
    for cells in [("query", "document", None), *(tuple(row.values()) for row in TABLE)]:
        sheet.append(cells)
    sheet.append([None, " ", None])
    book.create_sheet("notes").append(["nothing"])
    book.save(tmp_path / "t.xlsx")
    with pytest.warns(match=r"1 without a question \(.*t\.xlsx: row 4\)"):
        assert load_dataset(tmp_path / "t.xlsx") == EXPECTED
    written(tmp_path / "broken.xlsx", "no workbook")
    with pytest.raises(InvalidDatasetError, match="expected an Excel workbook"):
        load_dataset(tmp_path / "broken.xlsx")


def test_a_parquet_file_of_pandas_is_read(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([{"anchor": "?", "positive": ["a", "b"]}, {"anchor": "!"}])
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.warns(match=r"1 without a document \(.*t\.parquet: row 2\)"):
        dataset = load_dataset(tmp_path / "t.parquet")
    assert list(dataset.corpus.values()) == ["a", "b"]
    with pytest.warns(match=r"1 without a document \(row 2\)"):
        assert load_dataset(frame) == dataset


def test_gaps_and_numbers_of_pandas_are_understood() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"query": ["?", "!"], "document": ["a", "b"]}).astype("string")
    frame["document_id"] = pandas.array([7, 8], dtype="Int64")
    assert load_dataset(frame).corpus == {"7": "a", "8": "b"}
    frame.loc[1, "document"] = pandas.NA
    frame.loc[1, "document_id"] = pandas.NA
    with pytest.warns(match=r"1 without a document \(row 2\)"):
        assert load_dataset(frame).corpus == {"7": "a"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", "query,document\na," + "b" * 140_000, r"t\.csv:2: .* need a JSONL file"),
        ("t.csv", 'query,document\na,b\n"c,d\n', r"t\.csv:3: expected columns of CSV"),
        ("t.csv", "query,document\na,b\nc,d,e\n", r"t\.csv:3: expected 2 columns as in the header"),
        ("t.csv", "query,document\n", r"t\.csv: holds no rows"),
        ("t.csv", "", r"t\.csv: holds no rows"),
        ("t.jsonl", '{"query": "a", "document": "b"}\n{"query"\n', r"t\.jsonl:2: expected a JSON"),
        ("t.json", "{", r"t\.json: expected JSON, got"),
        ("t.json", '{"a": 1}', r"t\.json: expected a list of objects.*; got the keys a"),
        ("t.json", "7", r"t\.json: expected a list of objects.*; got int"),
        ("t.json", '{"tests": ["file://a.csv"]}', r"t\.json: tests\[0\]: expected an object"),
        ("t.yaml", "a: [", r"t\.yaml: expected YAML, got"),
        ("t.parquet", "no parquet", r"t\.parquet: expected a Parquet file"),
        ("t.arrow", "no arrow at all", r"t\.arrow: expected an Arrow stream"),
        ("t.pdf", "", r"t\.pdf: expected a file of kind .jsonl, .*, got .pdf"),
        ("t", "", r"t: expected a file of kind .*, got none"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match=told):
        load_dataset(written(tmp_path / name, text))


@pytest.mark.parametrize("key", ["1", "2026-01-01", "null", "true", "?", ".nan", "<<: {2: x}"])
def test_keys_of_yaml_are_texts_as_those_of_json(key: str, tmp_path: Path) -> None:
    pair = key if ":" in key else f"{key}: x"
    rows = f"- {{query: q, document: d, metadata: {{{pair}}}, {pair}}}"
    assert load_dataset(written(tmp_path / "t.yaml", rows)).corpus


def test_a_row_of_csv_that_is_left_out_is_named_by_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", 'query,document\n"a\nb",c\n,d\n\ne,\n')
    with pytest.warns(match=r"1 without a question .*t\.csv:4\); 1 without a document .*t\.csv:6"):
        load_dataset(path)


def test_nothing_at_a_path_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.csv: no such file or folder"):
        load_dataset(str(tmp_path / "gone.csv"))


@pytest.mark.parametrize(
    ("module", "extra", "name"),
    [
        ("openpyxl", "excel", "t.xlsx"),
        ("pyarrow", "parquet", "t.parquet"),
        ("yaml", "yaml", "t.yml"),
    ],
)
def test_a_file_that_needs_a_missing_package_says_how_to_install_it(
    module: str, extra: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"llama-index-finetune-plugin\[{extra}\]"):
        load_dataset(written(tmp_path / name, ""))


def test_tables_of_hugging_face_are_read_from_memory_and_from_disk(tmp_path: Path) -> None:
    hugging_face = pytest.importorskip("datasets")
    table = hugging_face.Dataset.from_list(TABLE)
    assert load_dataset(table) == EXPECTED
    table.save_to_disk(tmp_path / "saved", num_shards=2)
    assert load_dataset(tmp_path / "saved") == EXPECTED
    with pytest.raises(InvalidDatasetError, match="saved: has no splits, got split 'test'"):
        load_dataset(tmp_path / "saved", split="test")


def test_splits_of_hugging_face_are_read_from_memory_and_from_disk(tmp_path: Path) -> None:
    hugging_face = pytest.importorskip("datasets")
    train, test = (hugging_face.Dataset.from_list([row]) for row in TABLE)
    splits = hugging_face.DatasetDict({"train": train, "test": test})
    splits.save_to_disk(tmp_path / "saved")
    for name in ("train", "test"):
        (tmp_path / "data").mkdir(exist_ok=True)
        splits[name].to_parquet(tmp_path / "data" / f"{name}-00000-of-00001.parquet")
    for source in (splits, tmp_path / "saved", tmp_path):
        assert list(load_dataset(source).queries.values()) == [TABLE[0]["query"]]
        assert list(load_dataset(source, split="test").queries.values()) == [TABLE[1]["query"]]
        with pytest.raises(InvalidDatasetError, match=r"no split 'dev'; expected one of .*'test'"):
            load_dataset(source, split="dev")


CORPUS = [
    {"_id": "d1", "title": "Harbour", "text": "Four miles."},
    {"_id": "d2", "title": "", "text": "An hour."},
]
QUERIES = [{"_id": "q1", "text": "how far?"}, {"_id": "q2", "text": "how long?"}]
QRELS = [
    {"query-id": "q1", "corpus-id": "d1", "score": 2},
    {"query-id": "q1", "corpus-id": "d2", "score": 0},
]
MTEB = RetrievalDataset(
    {"q1": "how far?"}, {"d1": "Harbour Four miles.", "d2": "An hour."}, {"q1": {"d1": 2}}
)


def mteb_tables() -> dict[str, Any]:
    hugging_face = pytest.importorskip("datasets")
    tables = {"corpus": CORPUS, "queries": QUERIES, "default": QRELS}
    return {
        name: hugging_face.DatasetDict({"test": hugging_face.Dataset.from_list(rows)})
        for name, rows in tables.items()
    }


def test_retrieval_sets_of_mteb_are_read_from_memory_and_from_disk(tmp_path: Path) -> None:
    tables = mteb_tables()
    for name, splits in tables.items():
        splits.save_to_disk(tmp_path / "saved" / name)
        (tmp_path / "downloaded" / name).mkdir(parents=True)
        file = tmp_path / "downloaded" / name / "test-00000-of-00001.parquet"
        splits["test"].to_parquet(file)
    sources = (tables, tmp_path / "saved", tmp_path / "downloaded")
    for source in sources:
        assert load_dataset(source) == load_dataset(source, split="test") == MTEB
    for source in sources:
        with pytest.raises(InvalidDatasetError, match="has no split 'train'"):
            load_dataset(source, split="train")


def test_texts_that_mteb_stores_once_serve_every_split(tmp_path: Path) -> None:
    for name, file, rows in (
        ("corpus", "corpus.jsonl", CORPUS),
        ("queries", "queries.jsonl", QUERIES),
        ("qrels", "test.jsonl", QRELS),
        ("qrels", "train.jsonl", [{"query-id": "q2", "corpus-id": "d2", "score": 1}]),
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        written(tmp_path / name / file, "\n".join(map(json.dumps, rows)))
    assert load_dataset(tmp_path, split="test") == MTEB
    assert load_dataset(tmp_path).queries == {"q2": "how long?"}
    written(tmp_path / "qrels" / "dev.jsonl", '{"query": "q1"}')
    with pytest.raises(InvalidDatasetError, match="expected a column query-id or query_id"):
        load_dataset(tmp_path, split="dev")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDatasetError, match="expected a BEIR folder"):
        load_dataset(tmp_path)


def test_an_option_for_rows_is_refused_with_a_dataset_that_has_ids(tmp_path: Path) -> None:
    write_dataset(EXPECTED, tmp_path / "qa.json")
    with pytest.raises(InvalidDatasetError, match=r"llama-index-qa holds .*; columns is for rows"):
        load_dataset(tmp_path / "qa.json", columns={"question": "query"})
    with pytest.raises(InvalidDatasetError, match="for split 'test', got list"):
        load_dataset(TABLE, split="test")
    with pytest.raises(InvalidDatasetError, match="for split 'test', got a file"):
        load_dataset(written(tmp_path / "t.json", json.dumps(TABLE)), split="test")
