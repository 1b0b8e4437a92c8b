"""Readers of LlamaIndex's stores of services: databases that are reached over a network."""

from typing import Any

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import VectorSource
from query_adapters.stores.azure_search import AzureSearchSource
from query_adapters.stores.elasticsearch import STRATEGIES, ElasticSource, synchronous
from query_adapters.stores.mongodb import MongoDBSource
from query_adapters.stores.pinecone import PineconeSource
from query_adapters.stores.redis import RedisSource
from query_adapters.stores.weaviate import WeaviateSource


def read_elasticsearch(store: Any, index: object) -> VectorSource:
    """Return the index's dense vectors, over a new connection: the store's are async.

    Raises:
        UnreadableStoreError: If the store searches by words or sparse vectors only.
    """
    if not store.is_embedding_query:
        raise UnreadableStoreError(
            f"{type(store).__name__} without dense vectors",
            expected="an Elasticsearch store with a strategy of dense vectors",
            remedy="open it with retrieval_strategy=AsyncDenseVectorStrategy()",
        )
    return ElasticSource(
        client=synchronous(store.client),
        index=store.index_name,
        vector_field=store.vector_field,
        text_field=store.text_field,
        ordered_by=STRATEGIES.get(str(store.distance_strategy)),
    )


def read_opensearch(store: Any, index: object) -> VectorSource:
    """Return the index's vectors; uses private attributes, because there are no others."""
    inner = store.client
    return ElasticSource(
        client=inner._os_client,
        index=inner._index,
        vector_field=inner._embedding_field,
        text_field=inner._text_field,
    )


def read_pinecone(store: Any, index: object) -> VectorSource:
    """Return the namespace's vectors by node id, which the store puts after that of the source."""
    return PineconeSource(
        index=store.client, namespace=store.namespace, text_key=store.text_key, has_prefixes=True
    )


def read_azure_search(store: Any, index: object) -> VectorSource:
    """Return the index's vectors; uses `_field_mapping`, because the names are not public.

    Raises:
        UnreadableStoreError: If the store has an asynchronous client only.
    """
    if store.client is None:
        remedy = "a SearchClient or SearchIndexClient as `search_or_index_client=`"
        raise _only_asynchronous(store, "an Azure AI Search store", remedy)
    fields = store._field_mapping
    return AzureSearchSource(
        client=store.client,
        key_field=fields["id"],
        vector_field=fields["embedding"],
        text_field=fields["chunk"],
        metadata_field=fields["metadata"],
    )


def read_mongodb(store: Any, index: object) -> VectorSource:
    """Return the vectors of the collection's documents; uses private attributes for the names."""
    return MongoDBSource(
        collection=store.collection,
        index=store._vector_index_name,
        vector_field=store._embedding_key,
        text_field=store._text_key,
        metadata_field=store._metadata_key,
        id_field=store._id_key,
    )


def read_redis(store: Any, index: object) -> VectorSource:
    """Return the vectors of the index, whose fields have fixed names.

    Raises:
        UnreadableStoreError: If the store has an asynchronous client only.
    """
    client = getattr(store, "_redis_client", None)
    if client is None:
        raise _only_asynchronous(
            store, "a Redis store", "`redis_client=` besides `redis_client_async=`"
        )
    about = store._index.schema.index
    return RedisSource(
        client=client,
        index=store.index_name,
        prefix=f"{about.prefix}{about.key_separator}",
        vector_field="vector",
        text_field="text",
    )


def read_weaviate(store: Any, index: object) -> VectorSource:
    """Return the vectors of the collection.

    Raises:
        UnreadableStoreError: If the store has an asynchronous client only.
    """
    if store._client is None:
        raise _only_asynchronous(
            store, "a Weaviate store", "a WeaviateClient as `weaviate_client=`"
        )
    collection = store._client.collections.get(store.index_name)
    return WeaviateSource(collection=collection, text_key=store.text_key)


def _only_asynchronous(store: Any, name: str, remedy: str) -> UnreadableStoreError:
    return UnreadableStoreError(
        f"{type(store).__name__} with an asynchronous client only",
        expected=f"{name} with a synchronous client",
        remedy=f"pass {remedy}",
    )
