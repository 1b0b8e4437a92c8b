"""Readers of LangChain's vector stores; a store's package is imported when it is read."""

from collections.abc import Callable
from typing import Any

from langchain_adapter.stores.services import (
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
from query_adapters.stores.sqlite_vec import SQLiteVecSource
from query_adapters.typing import Similarity

Reader = Callable[[Any], VectorSource]

PG_SIMILARITIES: dict[str, Similarity] = {
    "COSINE": "cosine",
    "COSINE_DISTANCE": "cosine",
    "EUCLIDEAN": "euclidean",
    "INNER_PRODUCT": "dot",
    "MAX_INNER_PRODUCT": "dot",
}


def read_in_memory(store: Any) -> VectorSource:
    """Return the in-memory store's vectors."""
    return MappingSource({key: row["vector"] for key, row in store.store.items()}, "cosine")


def read_faiss(store: Any) -> VectorSource:
    """Return the FAISS index's vectors by the ids of the docstore."""
    from query_adapters.stores.faiss import FaissSource

    return FaissSource(store.index, store.index_to_docstore_id, unit=store._normalize_L2)


def read_chroma(store: Any) -> VectorSource:
    """Return the collection's vectors."""
    return ChromaSource(store._collection)


def read_qdrant(store: Any) -> VectorSource:
    """Return the collection's dense vectors.

    Raises:
        UnreadableStoreError: If the store searches by sparse vectors only.
    """
    if store.embeddings is None:
        raise UnreadableStoreError(
            f"{type(store).__name__} of sparse vectors only",
            expected="a Qdrant store with dense vectors",
            remedy="open it with `embedding=` and a dense or hybrid retrieval mode",
        )
    return QdrantSource(store.client, store.collection_name, store.vector_name)


def read_lancedb(store: Any) -> VectorSource:
    """Return the table's vectors."""
    return LanceSource(store.get_table(), store._vector_key, store._id_key)


def read_pgvector(store: Any) -> VectorSource:
    """Return the vectors of the store's collection, from the table that all collections share."""
    import sqlalchemy as sql

    from query_adapters.stores.postgres import PostgresSource, synchronous, table

    rows = table("langchain_pg_embedding", "id", "embedding", "collection_id")
    collections = table("langchain_pg_collection", "uuid", "name")
    own = sql.select(collections.c.uuid).where(collections.c.name == store.collection_name)
    return PostgresSource(
        store._engine or synchronous(store._async_engine),
        rows.c.id,
        rows.c.embedding,
        PG_SIMILARITIES.get(store._distance_strategy.name),
        where=rows.c.collection_id == own.scalar_subquery(),
    )


def read_pgvectorstore(store: Any) -> VectorSource:
    """Return the vectors of the store's table, over a new connection: the store's are async.

    PGVectorStore keeps its table names in an AsyncPGVectorStore, which is readable too.
    """
    from query_adapters.stores.postgres import PostgresSource, synchronous, table

    inner = getattr(store, "_PGVectorStore__vs", store)
    ids, vectors = inner.id_column, inner.embedding_column
    rows = table(inner.table_name, ids, vectors, schema=inner.schema_name)
    similarity = PG_SIMILARITIES.get(inner.distance_strategy.name)
    return PostgresSource(synchronous(inner.engine), rows.c[ids], rows.c[vectors], similarity)


def read_duckdb(store: Any) -> VectorSource:
    """Return the table's vectors, which the store ranks by cosine."""
    columns = store._id_key, store._vector_key, store._text_key, "metadata"
    return DuckDBSource(store._connection, store._table_name, *columns)


def read_sqlite_vec(store: Any) -> VectorSource:
    """Return the table's vectors by the numbers of its rows, which `add_texts` returns."""
    table: str = store._table
    return SQLiteVecSource(
        store._connection,
        f"{table}_vec",
        vector_column="text_embedding",
        texts_from=(table, "text"),
        metadata_column="metadata",
    )


def read_milvus(store: Any) -> VectorSource:
    """Return the vectors of the collection's partitions that the store searches.

    Raises:
        UnreadableStoreError: If the store searches several fields, or sparse vectors.
    """
    if store._is_multi_vector or store._is_sparse:
        raise UnreadableStoreError(
            f"{type(store).__name__} of the fields {', '.join(store.vector_fields)}",
            expected="a Milvus store with one field of dense vectors",
            remedy="open it with that field alone, as `vector_field=`",
        )
    fields = store._vector_field, store._primary_field, store._text_field
    return MilvusSource(store.client, store.collection_name, *fields, store.partition_names)


READERS: dict[str, Reader] = {
    "langchain_chroma:Chroma": read_chroma,
    "langchain_community.vectorstores:AzureSearch": read_azure_search,
    "langchain_community.vectorstores:DuckDB": read_duckdb,
    "langchain_community.vectorstores:FAISS": read_faiss,
    "langchain_community.vectorstores:LanceDB": read_lancedb,
    "langchain_community.vectorstores:OpenSearchVectorSearch": read_opensearch,
    "langchain_community.vectorstores:SQLiteVec": read_sqlite_vec,
    "langchain_core.vectorstores:InMemoryVectorStore": read_in_memory,
    "langchain_elasticsearch:AsyncElasticsearchStore": read_elasticsearch,
    "langchain_elasticsearch:ElasticsearchStore": read_elasticsearch,
    "langchain_milvus:Milvus": read_milvus,
    "langchain_mongodb:MongoDBAtlasVectorSearch": read_mongodb,
    "langchain_pinecone:PineconeVectorStore": read_pinecone,
    "langchain_postgres:AsyncPGVectorStore": read_pgvectorstore,
    "langchain_postgres:PGVector": read_pgvector,
    "langchain_postgres:PGVectorStore": read_pgvectorstore,
    "langchain_qdrant:QdrantVectorStore": read_qdrant,
    "langchain_redis:RedisVectorStore": read_redis,
    "langchain_weaviate:WeaviateVectorStore": read_weaviate,
}
"""Readers by "package:Class", for subclasses as well. One of your own is a function of the store:
`READERS["my_package:MyStore"] = lambda store: BlockSource(store.export())`."""
