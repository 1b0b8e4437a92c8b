"""Read vectors from an index of Elasticsearch or OpenSearch."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from query_adapters.stores.source import RawBlock, Record, batches, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {
    "cosine": "cosine",
    "cosinesimil": "cosine",
    "dot_product": "dot",
    "innerproduct": "dot",
    "l2": "euclidean",
    "l2_norm": "euclidean",
    "max_inner_product": "dot",
}
STRATEGIES: dict[str, Similarity] = {
    "COSINE": "cosine",
    "DOT_PRODUCT": "dot",
    "EUCLIDEAN_DISTANCE": "euclidean",
    "MAX_INNER_PRODUCT": "dot",
}
"""Names of `elasticsearch.helpers.vectorstore.DistanceMetric`."""

MOST = 10_000  # rows that a server returns at once, by default
KEPT = "5m"  # how long a server keeps a read open between two pages
_beside: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # clients by asynchronous ones


@dataclass(frozen=True, kw_only=True)
class ElasticSource:
    """The documents of an index that have a vector, read by a scroll.

    Args:
        client: The `elasticsearch.Elasticsearch` or `opensearchpy.OpenSearch`.
        index: Name of the index, or of an alias.
        vector_field: Its field of vectors.
        text_field: Its field of texts.
        metadata_field: Its field of metadata.
        ordered_by: What queries order by, where the index does not state it: those that compute
            scores by a script.
    """

    client: Any
    index: str
    vector_field: str
    text_field: str
    metadata_field: str = "metadata"
    ordered_by: Similarity | None = None

    @property
    def similarity(self) -> Similarity | None:
        """What the field is mapped to rank by; None before there is an index."""
        field = self._mapping()
        if field.get("type") == "dense_vector" and field.get("index", True):
            return SIMILARITIES.get(field.get("similarity", "cosine"))
        if field.get("type") == "knn_vector" and "model_id" not in field:
            method = field.get("method", {})
            return SIMILARITIES.get(method.get("space_type") or field.get("space_type", "l2"))
        return self.ordered_by

    def count(self) -> int:
        """Return the number of documents with a vector."""
        if not self._exists():
            return 0
        return int(self.client.count(index=self.index, body={"query": self._with_vector})["count"])

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows of one snapshot, or those of the ids."""
        size = min(batch_size, MOST)
        if not self._exists():
            return
        if ids is None:
            yield from self._scroll(size)
            return
        for keys in batches(ids, size):
            query = {"bool": {"filter": [self._with_vector, {"ids": {"values": list(keys)}}]}}
            body = {"query": query, "size": len(keys), **self._what}
            yield self._block(self.client.search(index=self.index, body=body))

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and metadata by id."""
        found: dict[str, Record] = {}
        for keys in batches(ids, MOST) if self._exists() else ():
            body = {
                "query": {"ids": {"values": list(keys)}},
                "size": len(keys),
                "_source": [self.text_field, self.metadata_field],
            }
            for hit in self.client.search(index=self.index, body=body)["hits"]["hits"]:
                held = hit["_source"]
                text, metadata = held.get(self.text_field), held.get(self.metadata_field)
                found[hit["_id"]] = Record(text or "", metadata or {})
        return found

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; documents without a text are left out."""
        return texts_of(self.records(ids))

    def _scroll(self, size: int) -> Generator[RawBlock, None, None]:
        body = {"query": self._with_vector, "size": size, "sort": ["_doc"], **self._what}
        page = self.client.search(index=self.index, body=body, scroll=KEPT)
        try:
            while page["hits"]["hits"]:
                yield self._block(page)
                page = self.client.scroll(body={"scroll_id": page["_scroll_id"], "scroll": KEPT})
        finally:
            self.client.clear_scroll(body={"scroll_id": [page["_scroll_id"]]})

    @property
    def _with_vector(self) -> dict[str, Any]:
        return {"exists": {"field": self.vector_field}}

    @property
    def _what(self) -> dict[str, Any]:
        """What a search returns.

        Elasticsearch 9.2 has no vectors in `_source` any more, and OpenSearch none in `fields`.
        """
        if self._mapping().get("type") == "knn_vector":
            return {"_source": [self.vector_field]}
        return {"_source": False, "fields": [self.vector_field]}

    def _block(self, page: Mapping[str, Any]) -> RawBlock:
        hits = page["hits"]["hits"]
        return [hit["_id"] for hit in hits], [self._vector(hit) for hit in hits]

    def _vector(self, hit: Mapping[str, Any]) -> Any:
        return (hit.get("fields") or hit.get("_source") or {}).get(self.vector_field)

    def _exists(self) -> bool:
        return bool(self.client.indices.exists(index=self.index))

    def _mapping(self) -> Mapping[str, Any]:
        """Return how the field is mapped; empty where it is not."""
        if not self._exists():
            return {}
        held = dict(self.client.indices.get_mapping(index=self.index))
        properties = (index["mappings"].get("properties", {}) for index in held.values())
        return next((p[self.vector_field] for p in properties if self.vector_field in p), {})


def synchronous(client: Any) -> Any:
    """Return a client with the servers and credentials of an AsyncElasticsearch, always the same.

    A retriever reads with each question, and each client has connections of its own.
    """
    from elasticsearch import Elasticsearch

    if client not in _beside:
        nodes = [node.config for node in client.transport.node_pool.all()]
        _beside[client] = Elasticsearch(nodes, headers=dict(client._headers))
    return _beside[client]
