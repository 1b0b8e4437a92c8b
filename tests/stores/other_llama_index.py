"""Vector stores of LlamaIndex whose packages are optional, and services behind a local server."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from llama_index.core import VectorStoreIndex
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from tests.stores.llama_index import LlamaIndexStore, Open
from tests.stores.place import DIM, Place


@dataclass(frozen=True, kw_only=True)
class OtherLlamaIndexStore(LlamaIndexStore):
    """A store whose client is closed before another opens the same files."""

    def close(self, store: VectorStoreIndex) -> None:
        inner: Any = store.vector_store
        inner = getattr(inner, "_redis_client", inner)  # whose `client` is the asynchronous one
        close = getattr(inner, "close", None) or getattr(inner.client, "close", None)
        if close is not None:
            close()


def package(name: str) -> Any:
    """Return the module of a store; without it the test is skipped by name."""
    return pytest.importorskip(
        f"llama_index.vector_stores.{name}",
        reason=f"llama-index-vector-stores-{name} is not installed",
    )


def _duckdb(place: Place) -> BasePydanticVectorStore:
    module = package("duckdb")
    place.duckdb_extensions()
    store: BasePydanticVectorStore = module.DuckDBVectorStore(
        "docs.duckdb", embed_dim=DIM, persist_dir=str(place.folder)
    )
    return store


def _milvus(metric: str) -> Open:
    def open_store(place: Place) -> BasePydanticVectorStore:
        pytest.importorskip("milvus_lite", reason="milvus-lite is not installed")
        store: BasePydanticVectorStore = package("milvus").MilvusVectorStore(
            uri=str(place.folder / "milvus.db"),
            dim=DIM,
            similarity_metric=metric,
            use_async_client=False,
        )
        return store

    return open_store


def _elasticsearch(place: Place) -> BasePydanticVectorStore:
    url = place.service("elasticsearch")
    store: BasePydanticVectorStore = package("elasticsearch").ElasticsearchStore("docs", es_url=url)
    return store


def _opensearch(place: Place) -> BasePydanticVectorStore:
    module, url = package("opensearch"), place.service("opensearch")
    client = module.OpensearchVectorClient(url, "docs", DIM)
    store: BasePydanticVectorStore = module.OpensearchVectorStore(client)
    return store


def _pinecone(place: Place) -> BasePydanticVectorStore:
    module = package("pinecone")
    from pinecone import Pinecone

    index = Pinecone(api_key="a key").Index(host=place.service("pinecone"))
    store: BasePydanticVectorStore = module.PineconeVectorStore(index, namespace="mine")
    return store


def _azure(place: Place) -> BasePydanticVectorStore:
    module = package("azureaisearch")
    from azure.core.credentials import AzureKeyCredential
    from azure.search.documents.indexes import SearchIndexClient

    client = SearchIndexClient(place.service("azure"), AzureKeyCredential("a key"))
    store: BasePydanticVectorStore = module.AzureAISearchVectorStore(
        client,
        id_field_key="id",
        chunk_field_key="chunk",
        embedding_field_key="embedding",
        metadata_string_field_key="metadata",
        doc_id_field_key="doc_id",
        index_name="docs",
        index_management=module.IndexManagement.CREATE_IF_NOT_EXISTS,
        embedding_dimensionality=DIM,
        filterable_metadata_field_keys=["kind"],
    )
    return store


def _mongodb(place: Place) -> BasePydanticVectorStore:
    module = package("mongodb")
    from pymongo import AsyncMongoClient, MongoClient

    url = place.service("mongodb")
    store: Any = module.MongoDBAtlasVectorSearch(
        MongoClient(url), AsyncMongoClient(url), collection_name="docs"
    )
    if not list(store.collection.list_search_indexes("vector_index")):
        store.create_vector_search_index(DIM, "embedding", "euclidean", ["metadata.kind"])
    opened: BasePydanticVectorStore = store
    return opened


def _redis(place: Place) -> BasePydanticVectorStore:
    module = package("redis")
    from llama_index.vector_stores.redis.schema import RedisVectorStoreSchema

    schema = RedisVectorStoreSchema()
    schema.remove_field("vector")
    attributes = {"dims": DIM, "algorithm": "flat", "distance_metric": "ip"}
    schema.add_field({"name": "vector", "type": "vector", "attrs": attributes})
    schema.add_field({"name": "kind", "type": "tag"})
    store: BasePydanticVectorStore = module.RedisVectorStore(
        schema, redis_url=place.service("redis")
    )
    return store


def _weaviate(place: Place) -> BasePydanticVectorStore:
    module = package("weaviate")
    import weaviate

    url = urlsplit(place.service("weaviate"))
    client = weaviate.connect_to_local("127.0.0.1", url.port, int(url.query.removeprefix("grpc=")))
    store: BasePydanticVectorStore = module.WeaviateVectorStore(client, index_name="Docs")
    return store


def _store(open_store: Open, similarity: str, **options: Any) -> LlamaIndexStore:
    return OtherLlamaIndexStore(open=open_store, similarity=similarity, **options)


KINDS = {
    "azure": _store(_azure, "cosine"),
    "duckdb": _store(_duckdb, "cosine", snapshot=True),
    "elasticsearch": _store(_elasticsearch, "cosine", snapshot=True),
    "milvus": _store(_milvus("IP"), "dot"),
    "mongodb": _store(_mongodb, "euclidean"),
    "opensearch": _store(_opensearch, "euclidean", snapshot=True),
    "pinecone": _store(_pinecone, "cosine"),
    "redis": _store(_redis, "dot"),
    "weaviate": _store(_weaviate, "cosine"),
}
