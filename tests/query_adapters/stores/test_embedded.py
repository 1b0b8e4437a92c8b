"""The contract of readers over databases in this process, through the clients' own objects."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.duckdb import DuckDBSource
from query_adapters.stores.milvus import MilvusSource
from query_adapters.stores.sqlite_vec import SQLiteVecSource
from query_adapters.testing import Row, VectorSourceSuite
from query_adapters.testing.rows import DIM
from query_adapters.testing.source_suite import MakeSource


class TestDuckDB(VectorSourceSuite):
    may_lack_vectors = may_mix_dimensions = may_repeat_ids = True

    @pytest.fixture
    def make_source(self) -> MakeSource:
        duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")

        def make(rows: Sequence[Row]) -> DuckDBSource:
            connection = duckdb.connect()
            connection.execute("CREATE TABLE docs (id VARCHAR, text VARCHAR, embedding FLOAT[])")
            for row in rows:
                values = [row.key, row.text, row.vector]
                connection.execute("INSERT INTO docs VALUES (?, ?, ?)", values)
            return DuckDBSource(connection, "docs")

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.connection.execute("DELETE FROM docs WHERE list_contains(?, id)", [list(ids)])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        query = "SELECT id FROM docs ORDER BY list_cosine_similarity(embedding, ?) DESC LIMIT ?"
        query = query.replace("?", "?::FLOAT[]", 1)
        return [row[0] for row in source.connection.execute(query, [vector, k]).fetchall()]


class TestDuckDBArrays(TestDuckDB):
    """A column of a fixed length."""

    may_mix_dimensions = False

    @pytest.fixture
    def make_source(self) -> MakeSource:
        duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")

        def make(rows: Sequence[Row]) -> DuckDBSource:
            connection = duckdb.connect()
            connection.execute("CREATE SCHEMA own")
            columns = f"id VARCHAR, text VARCHAR, embedding FLOAT[{DIM}]"
            connection.execute(f"CREATE TABLE own.docs ({columns})")
            for row in rows:
                values = [row.key, row.text, row.vector]
                connection.execute("INSERT INTO own.docs VALUES (?, ?, ?)", values)
            return DuckDBSource(connection, "own.docs")

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.connection.execute("DELETE FROM own.docs WHERE list_contains(?, id)", [list(ids)])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        query = (
            "SELECT id FROM own.docs ORDER BY array_cosine_similarity(embedding, ?::FLOAT[8])"
            " DESC LIMIT ?"
        )
        return [row[0] for row in source.connection.execute(query, [vector, k]).fetchall()]


def sqlite_with_vectors() -> Any:
    sqlite_vec = pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed")
    sqlite = sqlite3
    if not hasattr(sqlite3.Connection, "enable_load_extension"):  # as Python was built
        sqlite = pytest.importorskip("pysqlite3", reason="this sqlite3 loads no extensions")
    connection = sqlite.connect(":memory:")
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    return connection


class TestSQLiteVec(VectorSourceSuite):
    """Numbered rows, ranked by Euclidean distance: the default."""

    similarity = "euclidean"

    def key_of(self, number: int) -> str:
        return str(number + 1)

    @pytest.fixture
    def make_source(self) -> MakeSource:
        def make(rows: Sequence[Row]) -> SQLiteVecSource:
            connection = sqlite_with_vectors()
            connection.execute(f"CREATE VIRTUAL TABLE v USING vec0(embedding float[{DIM}])")
            connection.execute("CREATE TABLE docs (rowid INTEGER PRIMARY KEY, text TEXT)")
            for row in rows:
                blob = np.array(row.vector, dtype="<f4").tobytes()
                connection.execute(
                    "INSERT INTO v(rowid, embedding) VALUES (?, ?)", (int(row.key), blob)
                )
                connection.execute("INSERT INTO docs VALUES (?, ?)", (int(row.key), row.text))
            return SQLiteVecSource(connection, "v", texts_from=("docs", "text"))

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.connection.executemany("DELETE FROM v WHERE rowid = ?", [(int(key),) for key in ids])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        blob = np.array(vector, dtype="<f4").tobytes()
        query = "SELECT rowid FROM v WHERE embedding MATCH ? AND k = ? ORDER BY distance"
        return [str(row[0]) for row in source.connection.execute(query, (blob, k))]


class TestSQLiteVecWithNames(VectorSourceSuite):
    """Rows with a TEXT PRIMARY KEY, ranked by cosine."""

    @pytest.fixture
    def make_source(self) -> MakeSource:
        def make(rows: Sequence[Row]) -> SQLiteVecSource:
            connection = sqlite_with_vectors()
            column = f"embedding float[{DIM}] distance_metric=cosine"
            connection.execute(
                f"CREATE VIRTUAL TABLE v USING vec0(name TEXT PRIMARY KEY, {column})"
            )
            for row in rows:
                blob = np.array(row.vector, dtype="<f4").tobytes()
                connection.execute("INSERT INTO v VALUES (?, ?)", (row.key, blob))
            return SQLiteVecSource(connection, "v", id_column="name")

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.connection.executemany("DELETE FROM v WHERE name = ?", [(key,) for key in ids])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        blob = np.array(vector, dtype="<f4").tobytes()
        query = "SELECT name FROM v WHERE embedding MATCH ? AND k = ? ORDER BY distance"
        return [row[0] for row in source.connection.execute(query, (blob, k))]

    def test_texts_are_returned_by_id(self, make_source: MakeSource) -> None:
        assert make_source(self.rows()).texts(["id-1"]) == {}  # type: ignore[attr-defined]


def test_a_table_of_bits_is_refused_with_the_ways_out() -> None:
    connection = sqlite_with_vectors()
    connection.execute("CREATE VIRTUAL TABLE v USING vec0(embedding bit[8])")
    source = SQLiteVecSource(connection, "v")
    with pytest.raises(UnreadableStoreError, match=r"float or int8.* of bit; pass the float"):
        list(source.read(None, 10))


def test_a_row_with_a_negative_number_is_read_and_what_is_no_number_left_out() -> None:
    connection = sqlite_with_vectors()
    connection.execute("CREATE VIRTUAL TABLE docs USING vec0(embedding float[2])")
    connection.execute("INSERT INTO docs(rowid, embedding) VALUES (-5, '[1, 2]')")
    others = ["5", "-05", "-0", "x", "٣", "9" * 5_000, str(2**63)]
    ((ids, _),) = SQLiteVecSource(connection, "docs").read(["-5", *others], 10)
    assert ids == ["-5"]


def test_a_table_of_bytes_is_read_as_numbers() -> None:
    connection = sqlite_with_vectors()
    connection.execute("CREATE VIRTUAL TABLE v USING vec0(embedding int8[4])")
    blob = np.array([-128, 0, 5, 127], dtype=np.int8).tobytes()
    connection.execute("INSERT INTO v(rowid, embedding) VALUES (1, vec_int8(?))", (blob,))
    ((ids, vectors),) = SQLiteVecSource(connection, "v").read(None, 10)
    assert (ids, np.asarray(vectors).tolist()) == (["1"], [[-128, 0, 5, 127]])


class TestMilvusLite(VectorSourceSuite):
    similarity = "dot"
    metric = "IP"

    @pytest.fixture
    def make_source(self, tmp_path: Path) -> Any:
        milvus = pytest.importorskip("pymilvus", reason="pymilvus is not installed")
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
        client = milvus.MilvusClient(str(tmp_path / "milvus.db"))

        def make(rows: Sequence[Row]) -> MilvusSource:
            client.create_collection(
                "docs", dimension=DIM, id_type="string", max_length=40,
                vector_field_name="embedding", metric_type=self.metric,
            )  # fmt: skip
            if rows:
                client.insert("docs", [self._entity(row) for row in rows])
            return MilvusSource(client, "docs", "embedding")

        yield make
        client.close()

    def _entity(self, row: Row) -> dict[str, Any]:
        return {"id": row.key, "embedding": row.vector, "text": row.text}

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.client.delete("docs", ids=list(ids))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        (found,) = source.client.search("docs", data=[vector], limit=k)
        return [str(hit["id"]) for hit in found]

    def test_a_collection_that_was_released_is_loaded(self, make_source: MakeSource) -> None:
        rows = self.rows()
        source: Any = make_source(rows)
        source.client.release_collection("docs")
        self.check(list(source.read(None, 10)), rows, most=10)

    def test_a_partition_is_counted_and_read_alone(self, make_source: MakeSource) -> None:
        rows = self.rows()
        source: Any = make_source(rows[:9])
        source.client.create_partition("docs", "other")
        others = [self._entity(row) for row in rows[9:]]
        source.client.insert("docs", others, partition_name="other")
        other = replace(source, partitions=["other"])
        assert (source.count(), other.count()) == (len(rows), len(others))
        self.check(list(other.read(None, 10)), rows[9:], most=10)

    def test_an_entity_without_the_field_of_texts_has_none(self, make_source: MakeSource) -> None:
        first, second, *_ = self.rows()
        source: Any = make_source([first])
        source.client.insert("docs", [{"id": second.key, "embedding": second.vector}])
        assert source.texts([first.key, second.key]) == {first.key: first.text}
