"""Readers of LlamaIndex's vector stores; a store's package is imported when it is read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llama_index.core import VectorStoreIndex

from llama_index_finetune_plugin.stores.services import (
    read_azure_search,
    read_elasticsearch,
    read_mongodb,
    read_opensearch,
    read_pinecone,
    read_redis,
    read_weaviate,
)
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import MappingSource, VectorSource
from query_adapters.stores.chroma import ChromaSource
from query_adapters.stores.duckdb import DuckDBSource
from query_adapters.stores.lance import LanceSource
from query_adapters.stores.milvus import MilvusSource
from query_adapters.stores.qdrant import QdrantSource

Reader = Callable[[Any, VectorStoreIndex | None], VectorSource]


def read_simple(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the in-memory store's vectors."""
    return MappingSource(store.data.embedding_dict, "cosine")


def read_faiss(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the FAISS index's vectors; LlamaIndex keeps the ids of its rows in the index.

    Raises:
        UnreadableStoreError: If only the store is given, without its index.
    """
    from query_adapters.stores.faiss import FaissSource

    if index is None:
        raise UnreadableStoreError(
            type(store).__name__,
            expected="the VectorStoreIndex over a FAISS store, which holds the ids of its rows",
            remedy="pass the index instead of its store",
        )
    return FaissSource(store.client, _Rows(index.index_struct.nodes_dict))


class _Rows(Mapping[int, str]):
    """Node ids by row, over LlamaIndex's own, which have the rows as text."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def __getitem__(self, row: int) -> str:
        return self._names[str(row)]

    def __iter__(self) -> Iterator[int]:
        return map(int, self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_faiss_map(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the FAISS index's vectors by the store's own ids."""
    from query_adapters.stores.faiss import FaissSource

    return FaissSource(store.client, store._faiss_id_to_node_id_map)


def read_chroma(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the collection's vectors."""
    return ChromaSource(store.client)


def read_qdrant(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the collection's dense vectors.

    Raises:
        UnreadableStoreError: If the store has an asynchronous client only.
    """
    if store.client is None:
        raise UnreadableStoreError(
            f"{type(store).__name__} with an asynchronous client only",
            expected="a Qdrant store with a synchronous client",
            remedy="pass `client=` besides `aclient=`",
        )
    return QdrantSource(store.client, store.collection_name, store.dense_vector_name)


def read_lancedb(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the table's vectors; uses `_table`, because `table` raises without a table."""
    return LanceSource(store._table, store.vector_column_name)


def read_postgres(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the table's vectors, over the store's own connections."""
    from query_adapters.stores.postgres import PostgresSource, table

    store._initialize()  # connects, as the first query would
    rows = table(f"data_{store.table_name}", "node_id", "embedding", schema=store.schema_name)
    return PostgresSource(store.client, rows.c.node_id, rows.c.embedding, "cosine")


def read_duckdb(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the table's vectors, which the store ranks by cosine."""
    return DuckDBSource(store.client, store.table_name, id_column="node_id")


def read_milvus(store: Any, index: VectorStoreIndex | None) -> VectorSource:
    """Return the collection's dense vectors.

    Raises:
        UnreadableStoreError: If the store has sparse vectors only.
    """
    if not store.enable_dense:
        raise UnreadableStoreError(
            f"{type(store).__name__} of sparse vectors only",
            expected="a Milvus store with dense vectors",
            remedy="open it with enable_dense=True",
        )
    return MilvusSource(
        store.client, store.collection_name, store.embedding_field, text_field=store.text_key
    )


READERS: dict[str, Reader] = {
    "llama_index.core.vector_stores:SimpleVectorStore": read_simple,
    "llama_index.vector_stores.azureaisearch:AzureAISearchVectorStore": read_azure_search,
    "llama_index.vector_stores.chroma:ChromaVectorStore": read_chroma,
    "llama_index.vector_stores.duckdb:DuckDBVectorStore": read_duckdb,
    "llama_index.vector_stores.elasticsearch:ElasticsearchStore": read_elasticsearch,
    "llama_index.vector_stores.faiss:FaissMapVectorStore": read_faiss_map,
    "llama_index.vector_stores.faiss:FaissVectorStore": read_faiss,
    "llama_index.vector_stores.lancedb:LanceDBVectorStore": read_lancedb,
    "llama_index.vector_stores.milvus:MilvusVectorStore": read_milvus,
    "llama_index.vector_stores.mongodb:MongoDBAtlasVectorSearch": read_mongodb,
    "llama_index.vector_stores.opensearch:OpensearchVectorStore": read_opensearch,
    "llama_index.vector_stores.pinecone:PineconeVectorStore": read_pinecone,
    "llama_index.vector_stores.postgres:PGVectorStore": read_postgres,
    "llama_index.vector_stores.qdrant:QdrantVectorStore": read_qdrant,
    "llama_index.vector_stores.redis:RedisVectorStore": read_redis,
    "llama_index.vector_stores.weaviate:WeaviateVectorStore": read_weaviate,
}
"""Readers by "package:Class", for subclasses as well. One of your own is a function of the store
and the index it was given with (or None): `READERS["my_package:MyStore"] = lambda store, index:
BlockSource(store.export())`."""
