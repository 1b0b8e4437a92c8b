"""Readers of LangChain's stores of services: databases that are reached over a network."""

from typing import Any

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import VectorSource
from query_adapters.stores.azure_search import AzureSearchSource
from query_adapters.stores.elasticsearch import STRATEGIES, ElasticSource, synchronous
from query_adapters.stores.mongodb import MongoDBSource
from query_adapters.stores.pinecone import PineconeSource
from query_adapters.stores.redis import RedisSource
from query_adapters.stores.weaviate import WeaviateSource


def read_elasticsearch(store: Any) -> VectorSource:
    """Return the index's dense vectors; of an asynchronous store over a new connection.

    Raises:
        UnreadableStoreError: If the store searches by words or sparse vectors only.
    """
    inner = store._store
    distance = getattr(inner.retrieval_strategy, "distance", None)
    if distance is None:
        raise UnreadableStoreError(
            f"{type(store).__name__} without dense vectors",
            expected="an Elasticsearch store with a strategy of dense vectors",
            remedy="open it with strategy=DenseVectorStrategy()",
        )
    is_async = type(store.client).__name__.startswith("Async")
    return ElasticSource(
        client=synchronous(store.client) if is_async else store.client,
        index=inner.index,
        vector_field=inner.vector_field,
        text_field=inner.text_field,
        ordered_by=STRATEGIES.get(distance.name),
    )


def read_opensearch(store: Any) -> VectorSource:
    """Return the index's vectors in the fields that `add_texts` fills by default."""
    return ElasticSource(
        client=store.client,
        index=store.index_name,
        vector_field="vector_field",
        text_field="text",
    )


def read_pinecone(store: Any) -> VectorSource:
    """Return the namespace's vectors."""
    return PineconeSource(index=store.index, namespace=store._namespace, text_key=store._text_key)


def read_azure_search(store: Any) -> VectorSource:
    """Return the index's vectors; the store's module names the fields."""
    from langchain_community.vectorstores import azuresearch as names

    return AzureSearchSource(
        client=store.client,
        key_field=names.FIELDS_ID,
        vector_field=names.FIELDS_CONTENT_VECTOR,
        text_field=names.FIELDS_CONTENT,
        metadata_field=names.FIELDS_METADATA,
    )


def read_mongodb(store: Any) -> VectorSource:
    """Return the vectors of the collection's documents; uses private attributes for the names.

    Raises:
        UnreadableStoreError: If the server embeds the documents, and stores no vectors.
    """
    if store._is_autoembedding:
        raise UnreadableStoreError(
            f"{type(store).__name__} with automatic embeddings",
            expected="a collection that holds the vectors of its documents",
            remedy="embed the documents with a model of your own, as `embedding=`",
        )
    return MongoDBSource(
        collection=store.collection,
        index=store._index_name,
        vector_field=store._embedding_key,
        text_field=store._text_key,
        metadata_field=None,
    )


def read_redis(store: Any) -> VectorSource:
    """Return the vectors of the index, by the ids that `get_by_ids` takes."""
    names = store.config
    return RedisSource(
        client=store.index.client,
        index=store.index.name,
        prefix=f"{names.key_prefix}:",
        vector_field=names.embedding_field,
        text_field=names.content_field,
        is_json=names.storage_type == "json",
    )


def read_weaviate(store: Any) -> VectorSource:
    """Return the vectors of the collection.

    Raises:
        UnreadableStoreError: If the collection holds tenants, one of which each call names.
    """
    if store._multi_tenancy_enabled:
        raise UnreadableStoreError(
            f"{type(store).__name__} of several tenants",
            expected="a collection without tenants",
            remedy="pass the blocks of one: WeaviateSource(collection=client.collections.get(name)"
            ".with_tenant(tenant)).read(None, 1_000), of query_adapters.stores.weaviate",
        )
    return WeaviateSource(collection=store._collection, text_key=store._text_key)
