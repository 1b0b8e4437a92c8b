"""Vector stores of LangChain whose packages are optional, and services behind a local server."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from tests.stores.kind import Chunk
from tests.stores.langchain import EVEN, LangChainStore, Open
from tests.stores.place import DIM, Place


@dataclass(frozen=True, kw_only=True)
class OtherLangChainStore(LangChainStore):
    """A store whose client is closed before another opens the same files."""

    def close(self, store: Any) -> None:
        clients = [getattr(store, name, None) for name in ("_connection", "client", "_client")]
        for held in (store, *clients, getattr(getattr(store, "index", None), "client", None)):
            close = getattr(held, "close", None)
            if close is not None:
                close()


class DuckDBStore(OtherLangChainStore):
    """DuckDB, filled by its own SQL: the class's `add_texts` fails with pandas 3."""

    def fill(self, place: Place, chunks: Sequence[Chunk], model: Any) -> VectorStore:
        store = self.open(place, model)
        connection = getattr(store, "_connection")  # noqa: B009, in no stub
        vectors = model.embed_documents([chunk.text for chunk in chunks])
        for chunk, vector in zip(chunks, vectors, strict=True):
            metadata = json.dumps({**chunk.metadata, "key": chunk.key})
            row = [chunk.key, chunk.text, vector, metadata]
            connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?)", row)
        return store


@dataclass(frozen=True, kw_only=True)
class RedisStore(OtherLangChainStore):
    """Redis, whose filters are objects of a package of its own."""

    def retriever(self, store: VectorStore, k: int, *, only_even: bool = False) -> Any:
        options: dict[str, Any] = {"k": k}
        if only_even:
            from redisvl.query.filter import Tag

            options["filter"] = Tag("kind") == "even"
        return store.as_retriever(search_kwargs=options)


@dataclass(frozen=True, kw_only=True)
class WeaviateStore(OtherLangChainStore):
    """Weaviate, which searches by words as well unless `alpha` is 1."""

    def retriever(self, store: VectorStore, k: int, *, only_even: bool = False) -> Any:
        options: dict[str, Any] = {"k": k, "alpha": 1}
        if only_even:
            from weaviate.classes.query import Filter

            options["filters"] = Filter.by_property("kind").equal("even")
        return store.as_retriever(search_kwargs=options)


class AzureStore(OtherLangChainStore):
    """Azure AI Search, whose retriever takes `k` by itself and searches by words as well."""

    def retriever(self, store: VectorStore, k: int, *, only_even: bool = False) -> Any:
        return store.as_retriever(k=k, search_type="similarity")


def _duckdb(place: Place, embedding: Embeddings) -> VectorStore:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    from langchain_community.vectorstores import DuckDB

    return DuckDB(connection=duckdb.connect(str(place.folder / "docs.db")), embedding=embedding)


def _sqlite_vec(place: Place, embedding: Embeddings) -> VectorStore:
    sqlite_vec = pytest.importorskip("sqlite_vec", reason="sqlite-vec is not installed")
    from langchain_community.vectorstores import SQLiteVec

    sqlite: Any = sqlite3
    if not hasattr(sqlite3.Connection, "enable_load_extension"):  # as Python was built
        sqlite = pytest.importorskip("pysqlite3", reason="this sqlite3 loads no extensions")
    connection = sqlite.connect(str(place.folder / "docs.db"))
    connection.row_factory = sqlite.Row
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    return SQLiteVec("docs", connection, embedding)


def _milvus(metric: str) -> Open:
    def open_store(place: Place, embedding: Embeddings) -> VectorStore:
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
        module = pytest.importorskip("langchain_milvus", reason="langchain-milvus is not installed")
        from pymilvus import MilvusClient, connections

        uri = str(place.folder / "milvus.db")
        client = MilvusClient(uri)  # shares its connection with the store's own client, by its URI
        connections.connect(alias=client._using, uri=uri)  # of the store's `Collection`
        store: VectorStore = module.Milvus(
            embedding,
            connection_args={"uri": uri},
            index_params={"metric_type": metric, "index_type": "FLAT"},
        )
        return store

    return open_store


def _elasticsearch(place: Place, embedding: Embeddings) -> VectorStore:
    module = pytest.importorskip(
        "langchain_elasticsearch", reason="langchain-elasticsearch is not installed"
    )
    url = place.service("elasticsearch")
    store: VectorStore = module.ElasticsearchStore("docs", embedding=embedding, es_url=url)
    return store


def _opensearch(place: Place, embedding: Embeddings) -> VectorStore:
    pytest.importorskip("opensearchpy", reason="opensearch-py is not installed")
    from langchain_community.vectorstores import OpenSearchVectorSearch

    return OpenSearchVectorSearch(place.service("opensearch"), "docs", embedding, engine="faiss")


def _pinecone(place: Place, embedding: Embeddings) -> VectorStore:
    module = pytest.importorskip("langchain_pinecone", reason="langchain-pinecone is not installed")
    from pinecone import Pinecone

    index = Pinecone(api_key="a key").Index(host=place.service("pinecone"))
    store: VectorStore = module.PineconeVectorStore(index, embedding, namespace="mine")
    return store


def _mongodb(place: Place, embedding: Embeddings) -> VectorStore:
    module = pytest.importorskip("langchain_mongodb", reason="langchain-mongodb is not installed")
    from pymongo import MongoClient

    collection: Any = MongoClient(place.service("mongodb"))["shop"]["docs"]
    store: Any = module.MongoDBAtlasVectorSearch(collection, embedding, auto_create_index=False)
    if not list(collection.list_search_indexes("vector_index")):
        store.create_vector_search_index(DIM, ["kind"])
    opened: VectorStore = store
    return opened


def _redis(storage: str, metric: str) -> Open:
    def open_store(place: Place, embedding: Embeddings) -> VectorStore:
        module = pytest.importorskip("langchain_redis", reason="langchain-redis is not installed")
        config = module.RedisConfig(
            index_name="docs",
            redis_url=place.service("redis"),
            distance_metric=metric,
            embedding_dimensions=DIM,
            storage_type=storage,
            metadata_schema=[{"name": "kind", "type": "tag"}],
        )
        store: VectorStore = module.RedisVectorStore(embedding, config)
        return store

    return open_store


def _weaviate(place: Place, embedding: Embeddings) -> VectorStore:
    module = pytest.importorskip("langchain_weaviate", reason="langchain-weaviate is missing")
    import weaviate

    url = urlsplit(place.service("weaviate"))
    client = weaviate.connect_to_local("127.0.0.1", url.port, int(url.query.removeprefix("grpc=")))
    store: VectorStore = module.WeaviateVectorStore(client, "Docs", "text", embedding)
    return store


def _azure(place: Place, embedding: Embeddings) -> VectorStore:
    pytest.importorskip("azure.search.documents", reason="azure-search-documents is missing")
    pytest.importorskip("azure.identity", reason="azure-identity is not installed")
    from langchain_community.vectorstores import AzureSearch

    url = place.service("azure")
    return AzureSearch(url, "a key", "docs", embedding, vector_search_dimensions=DIM)


def _store(open_store: Open, similarity: str, **options: Any) -> LangChainStore:
    return OtherLangChainStore(open=open_store, similarity=similarity, **options)


KINDS = {
    "azure": AzureStore(open=_azure, similarity="cosine", filters=False),
    "duckdb": DuckDBStore(open=_duckdb, similarity="cosine", snapshot=True, filters=False),
    "sqlite-vec": _store(_sqlite_vec, "euclidean", filters=False),
    "elasticsearch": _store(
        _elasticsearch,
        "cosine",
        snapshot=True,
        only_even={"filter": [{"term": {"metadata.kind.keyword": "even"}}]},
    ),
    "milvus": _store(_milvus("L2"), "euclidean", only_even={"expr": 'kind == "even"'}),
    "opensearch": _store(
        _opensearch,
        "euclidean",
        snapshot=True,
        only_even={"efficient_filter": {"term": {"metadata.kind.keyword": "even"}}},
    ),
    "mongodb": _store(_mongodb, "cosine", only_even={"pre_filter": {"kind": {"$eq": "even"}}}),
    "pinecone": _store(_pinecone, "cosine", only_even=EVEN),
    "redis": RedisStore(open=_redis("hash", "L2"), similarity="euclidean"),
    "redis-json": RedisStore(open=_redis("json", "COSINE"), similarity="cosine"),
    "weaviate": WeaviateStore(open=_weaviate, similarity="cosine"),
}
