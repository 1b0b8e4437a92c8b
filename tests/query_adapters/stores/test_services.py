"""The contract of readers over services: real clients, against servers on the loopback."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.elasticsearch import ElasticSource
from query_adapters.stores.pinecone import PineconeSource
from query_adapters.testing import Row, VectorSourceSuite
from query_adapters.testing.rows import DIM
from query_adapters.testing.source_suite import MakeSource
from tests.servers.elastic import ElasticServer, OpenSearchServer
from tests.servers.pinecone import PineconeServer


class ElasticSuite(VectorSourceSuite):
    """Both engines, whose clients differ in how an index is described."""

    server_class: type[ElasticServer] = ElasticServer
    field: Any = None

    @pytest.fixture
    def make_source(self) -> Iterator[MakeSource]:
        with self.server_class() as server:
            client = self.client(server.url)

            def make(rows: Sequence[Row]) -> ElasticSource:
                self.create(client)
                body = [
                    line
                    for row in rows
                    for line in (
                        {"index": {"_index": "docs", "_id": row.key}},
                        {"content": row.text, "embedding": row.vector},
                    )
                ]
                if body:
                    client.bulk(body=body)
                client.bulk(body=[{"index": {"_index": "docs", "_id": "bare"}}, {"content": "no"}])
                return ElasticSource(
                    client=client, index="docs", vector_field="embedding", text_field="content"
                )

            yield make
            assert server.scrolls == {}  # each was closed
            client.close()

    def client(self, url: str) -> Any:
        raise NotImplementedError

    def create(self, client: Any) -> None:
        properties = {"embedding": self.field, "content": {"type": "text"}}
        client.indices.create(index="docs", body={"mappings": {"properties": properties}})

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        query = {"terms": {"_id": list(ids)}}
        source.client.delete_by_query(index="docs", body={"query": query})


class TestElasticsearch(ElasticSuite):
    field = {"type": "dense_vector", "dims": DIM}  # noqa: RUF012

    def client(self, url: str) -> Any:
        module = pytest.importorskip("elasticsearch", reason="elasticsearch is not installed")
        return module.Elasticsearch(url)

    def create(self, client: Any) -> None:
        mappings = {"properties": {"embedding": self.field, "content": {"type": "text"}}}
        client.indices.create(index="docs", mappings=mappings)

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        knn = {"field": "embedding", "query_vector": vector, "k": k, "num_candidates": 50}
        knn["filter"] = [{"exists": {"field": "embedding"}}]
        hits = source.client.search(index="docs", knn=knn, size=k)["hits"]["hits"]
        return [hit["_id"] for hit in hits]


class TestElasticsearchByDistance(TestElasticsearch):
    similarity = "euclidean"
    field = {"type": "dense_vector", "dims": DIM, "similarity": "l2_norm"}  # noqa: RUF012


class TestOpenSearch(ElasticSuite):
    server_class = OpenSearchServer
    similarity = "euclidean"
    field = {"type": "knn_vector", "dimension": DIM, "method": {"space_type": "l2"}}  # noqa: RUF012

    def client(self, url: str) -> Any:
        module = pytest.importorskip("opensearchpy", reason="opensearch-py is not installed")
        return module.OpenSearch(url)

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        filtered = {"exists": {"field": "embedding"}}
        query = {"knn": {"embedding": {"vector": vector, "k": k, "filter": filtered}}}
        found = source.client.search(index="docs", body={"query": query, "size": k})
        return [hit["_id"] for hit in found["hits"]["hits"]]


class TestOpenSearchByProduct(TestOpenSearch):
    similarity = "dot"
    field = {  # noqa: RUF012
        "type": "knn_vector",
        "dimension": DIM,
        "method": {"name": "hnsw", "engine": "faiss", "space_type": "innerproduct"},
    }


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"type": "dense_vector"}, "cosine"),
        ({"type": "dense_vector", "similarity": "max_inner_product"}, "dot"),
        ({"type": "dense_vector", "index": False}, "euclidean"),
        ({"type": "knn_vector"}, "euclidean"),
        ({"type": "knn_vector", "space_type": "cosinesimil"}, "cosine"),
        ({"type": "knn_vector", "method": {"space_type": "hamming"}}, None),
        ({"type": "knn_vector", "model_id": "m"}, "euclidean"),
        ({"type": "keyword"}, "euclidean"),
    ],
)
def test_the_similarity_is_the_mapped_one_or_that_of_the_queries(
    field: Any, expected: str | None
) -> None:
    module = pytest.importorskip("opensearchpy", reason="opensearch-py is not installed")
    with OpenSearchServer() as server, module.OpenSearch(server.url) as client:
        body = {"mappings": {"properties": {"embedding": field}}}
        client.indices.create(index="docs", body=body)
        options: Any = {
            "vector_field": "embedding",
            "text_field": "text",
            "ordered_by": "euclidean",
        }
        assert ElasticSource(client=client, index="docs", **options).similarity == expected
        assert ElasticSource(client=client, index="none", **options).count() == 0


def pinecone_index(url: str) -> Any:
    module = pytest.importorskip("pinecone", reason="pinecone is not installed")
    return module.Pinecone(api_key="a key").Index(host=url)


class TestPinecone(VectorSourceSuite):
    metric = "cosine"
    namespace: str | None = None

    @pytest.fixture
    def make_source(self) -> Iterator[MakeSource]:
        with PineconeServer(self.metric) as server:
            index = pinecone_index(server.url)

            def make(rows: Sequence[Row]) -> PineconeSource:
                where = {"namespace": self.namespace} if self.namespace else {}
                vectors = [
                    {"id": row.key, "values": row.vector, "metadata": {"text": row.text}}
                    for row in rows
                ]
                other = {"id": "other", "values": [1.0] * DIM, "metadata": {"text": "other"}}
                index.upsert(vectors=[other], namespace="another")
                if vectors:
                    index.upsert(vectors=vectors, **where)
                return PineconeSource(index=index, namespace=self.namespace)

            yield make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.index.delete(ids=list(ids), namespace=source.namespace)

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        found = source.index.query(vector=vector, top_k=k, namespace=source.namespace)
        return [match.id for match in found.matches]


class TestPineconeNamespace(TestPinecone):
    """A namespace of an index that ranks by distance."""

    similarity = "euclidean"
    metric = "euclidean"
    namespace = "mine"


class TestPineconeWithPrefixes(TestPinecone):
    """Ids as LlamaIndex writes them."""

    similarity = "dot"
    metric = "dotproduct"

    @pytest.fixture
    def make_source(self) -> Iterator[MakeSource]:
        with PineconeServer(self.metric) as server:
            index = pinecone_index(server.url)

            def make(rows: Sequence[Row]) -> PineconeSource:
                vectors = [
                    {"id": f"a#b#{row.key}", "values": row.vector, "metadata": {"text": row.text}}
                    for row in rows
                ]
                if vectors:
                    index.upsert(vectors=vectors)
                return PineconeSource(index=index, has_prefixes=True)

            yield make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.index.delete(ids=[f"a#b#{key}" for key in ids])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        found = source.index.query(vector=vector, top_k=k)
        return [match.id.removeprefix("a#b#") for match in found.matches]


def test_a_pinecone_index_that_lists_no_ids_is_refused_with_the_ways_out() -> None:
    with PineconeServer(serverless=False) as server:
        source = PineconeSource(index=pinecone_index(server.url))
        with pytest.raises(UnreadableStoreError, match=r"serverless.* blocks of \(ids, vectors\)"):
            list(source.read(None, 10))
