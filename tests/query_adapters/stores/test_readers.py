"""The contract of readers that need no optional package, and of sources in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import faiss
import numpy as np
import pytest

from query_adapters.stores import BlockSource, MappingSource
from query_adapters.stores.chroma import ChromaSource
from query_adapters.stores.faiss import FaissSource
from query_adapters.stores.lance import LanceSource
from query_adapters.stores.postgres import PostgresSource, table
from query_adapters.stores.qdrant import QdrantSource
from query_adapters.testing import Row, VectorSourceSuite
from query_adapters.testing.rows import DIM
from query_adapters.testing.source_suite import MakeSource

pytestmark = pytest.mark.slow


class TestMapping(VectorSourceSuite):
    may_lack_vectors = may_mix_dimensions = True

    @pytest.fixture
    def make_source(self) -> MakeSource:
        return lambda rows: MappingSource({row.key: row.vector for row in rows}, "cosine")

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        for key in ids:
            del source.vectors[key]


class TestBlocks(VectorSourceSuite):
    similarity = None
    may_lack_vectors = may_mix_dimensions = may_repeat_ids = True

    @pytest.fixture
    def make_source(self) -> MakeSource:
        return lambda rows: BlockSource(
            [
                ([row.key for row in rows[at : at + 9]], [row.vector for row in rows[at : at + 9]])
                for at in range(0, len(rows), 9)
            ]
        )


class TestFaiss(VectorSourceSuite):
    similarity = "euclidean"

    @pytest.fixture
    def make_source(self) -> MakeSource:
        def make(rows: Sequence[Row]) -> FaissSource:
            index = faiss.IndexIDMap2(faiss.IndexFlatL2(DIM))
            numbers = np.arange(100, 100 + len(rows))
            if rows:
                index.add_with_ids(np.array([row.vector for row in rows], np.float32), numbers)
            keys = [row.key for row in rows]
            return FaissSource(index, dict(zip(numbers.tolist(), keys, strict=True)))

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        gone = [number for number, key in source.ids.items() if key in ids]
        source.index.remove_ids(np.array(gone))
        for number in gone:
            del source.ids[number]

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        _, found = source.index.search(np.array([vector], np.float32), k)
        return [source.ids[number] for number in found[0].tolist()]

    def test_rows_that_stay_while_others_are_deleted_are_read_once(
        self, make_source: MakeSource
    ) -> None:
        pytest.skip("rows move up when others are deleted, and the reader says that it lost some")


class TestChroma(VectorSourceSuite):
    similarity = "dot"

    @pytest.fixture
    def make_source(self) -> MakeSource:
        import chromadb

        client = chromadb.EphemeralClient()

        def make(rows: Sequence[Row]) -> ChromaSource:
            settings: Any = {"hnsw": {"space": "ip"}}
            collection = client.create_collection(str(uuid4()), configuration=settings)
            if rows:
                keys, vectors, texts = zip(*rows, strict=True)
                collection.add(ids=list(keys), embeddings=list(vectors), documents=list(texts))
            return ChromaSource(collection)

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.collection.delete(ids=list(ids))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        found: list[str] = source.collection.query(query_embeddings=[vector], n_results=k)["ids"][0]
        return found


class TestQdrant(VectorSourceSuite):
    similarity = "euclidean"

    def key_of(self, number: int) -> str:
        return str(uuid5(NAMESPACE_OID, str(number)))

    @pytest.fixture
    def make_source(self) -> Iterator[MakeSource]:
        from qdrant_client import QdrantClient, models

        client = QdrantClient(":memory:")
        params = models.VectorParams(size=DIM, distance=models.Distance.EUCLID)

        def make(rows: Sequence[Row]) -> QdrantSource:
            client.create_collection("docs", vectors_config=params)
            points = [models.PointStruct(id=row.key, vector=list(row.vector or ())) for row in rows]
            if points:
                client.upsert("docs", points)
            return QdrantSource(client, "docs")

        yield make
        client.close()

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.client.delete("docs", list(ids))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        return [str(p.id) for p in source.client.query_points("docs", vector, limit=k).points]


class TestLance(VectorSourceSuite):
    similarity = "euclidean"

    @pytest.fixture
    def make_source(self, tmp_path: Path) -> MakeSource:
        import lancedb
        import pyarrow as pa

        vector = pa.list_(pa.float32(), DIM)
        schema = pa.schema([("id", pa.string()), ("vector", vector), ("text", pa.string())])

        def make(rows: Sequence[Row]) -> LanceSource:
            documents = [{"id": row.key, "vector": row.vector, "text": row.text} for row in rows]
            database = lancedb.connect(tmp_path)
            return LanceSource(database.create_table("docs", documents or None, schema=schema))

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.table.delete(f"id IN ({', '.join(map(repr, ids))})")

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        return [row["id"] for row in source.table.search(vector).limit(k).to_list()]


class TestPostgres(VectorSourceSuite):
    @pytest.fixture
    def make_source(self, postgres: str) -> Iterator[MakeSource]:
        import sqlalchemy as sql

        engine = sql.create_engine(postgres, poolclass=sql.NullPool)
        name = f"contract_{uuid4().hex}"

        def run(statement: str, *rows: Any) -> None:
            with engine.begin() as connection:
                connection.execute(sql.text(statement), list(rows) or None)

        def make(rows: Sequence[Row]) -> PostgresSource:
            run("CREATE EXTENSION IF NOT EXISTS vector")
            run(f"CREATE TABLE {name} (id text, embedding vector({DIM}))")
            values = [{"id": row.key, "embedding": str(row.vector)} for row in rows]
            if values:
                run(f"INSERT INTO {name} VALUES (:id, cast(:embedding AS vector))", *values)  # noqa: S608
            columns = table(name, "id", "embedding").c
            return PostgresSource(engine, columns.id, columns.embedding, "cosine")

        yield make
        run(f"DROP TABLE IF EXISTS {name}")

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        from sqlalchemy import delete

        with source.engine.begin() as connection:
            connection.execute(delete(source.ids.table).where(source.ids.in_(ids)))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        import sqlalchemy as sql

        order = source.vectors.op("<=>")(sql.text("cast(:vector AS vector)"))
        query = sql.select(source.ids).order_by(order).limit(k)
        with source.engine.connect() as connection:
            return [row[0] for row in connection.execute(query, {"vector": str(vector)})]
