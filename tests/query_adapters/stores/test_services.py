"""The contract of readers over services: real clients, against servers on the loopback."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.azure_search import AzureSearchSource
from query_adapters.stores.elasticsearch import ElasticSource, synchronous
from query_adapters.stores.pinecone import PineconeSource
from query_adapters.testing import Row, VectorSourceSuite
from query_adapters.testing.rows import DIM
from query_adapters.testing.source_suite import MakeSource
from query_adapters.typing import Similarity
from tests.servers.azure_search import AzureSearchServer
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
    similarity: Similarity | None = "euclidean"
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


def test_the_connection_beside_an_asynchronous_client_is_made_once() -> None:
    module = pytest.importorskip("elasticsearch", reason="elasticsearch is not installed")
    pytest.importorskip("aiohttp", reason="aiohttp is not installed")
    client = module.AsyncElasticsearch("http://127.0.0.1:9")
    assert synchronous(client) is synchronous(client)
    assert synchronous(module.AsyncElasticsearch("http://127.0.0.1:9")) is not synchronous(client)


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
    def server(self) -> Iterator[PineconeServer]:
        with PineconeServer(self.metric) as server:
            yield server

    @pytest.fixture
    def make_source(self, server: PineconeServer) -> MakeSource:
        index = pinecone_index(server.url)

        def make(rows: Sequence[Row]) -> PineconeSource:
            vectors = [
                {"id": f"a#b#{row.key}", "values": row.vector, "metadata": {"text": row.text}}
                for row in rows
            ]
            if vectors:
                index.upsert(vectors=vectors)
            return PineconeSource(index=index, has_prefixes=True)

        return make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.index.delete(ids=[f"a#b#{key}" for key in ids])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        found = source.index.query(vector=vector, top_k=k)
        return [match.id.removeprefix("a#b#") for match in found.matches]

    def test_texts_are_read_without_listing_the_ids_each_time(
        self, make_source: MakeSource, server: PineconeServer
    ) -> None:
        source: Any = make_source(self.rows())
        for row in self.rows():
            assert source.texts([row.key]) == {row.key: row.text}
        listed = [request for request in server.requests if request.path == ("vectors", "list")]
        assert len(listed) == 1
        source.index.upsert(
            vectors=[{"id": "a#new", "values": [1.0] * DIM, "metadata": {"text": "t"}}]
        )
        assert source.texts(["new"]) == {"new": "t"}

    def test_a_listing_that_fails_leaves_the_last_one(
        self, make_source: MakeSource, server: PineconeServer
    ) -> None:
        row, *_ = rows = self.rows()
        source: Any = make_source(rows)
        assert source.texts([row.key]) == {row.key: row.text}
        server.serverless = False
        with pytest.raises(UnreadableStoreError):
            source.texts(["unknown"])
        assert source.texts([row.key]) == {row.key: row.text}


def test_a_pinecone_index_that_lists_no_ids_is_refused_with_the_ways_out() -> None:
    with PineconeServer(serverless=False) as server:
        source = PineconeSource(index=pinecone_index(server.url))
        with pytest.raises(UnreadableStoreError, match=r"serverless.* blocks of \(ids, vectors\)"):
            list(source.read(None, 10))


class TestAzureSearch(VectorSourceSuite):
    """A key that is sortable, and vectors that are ranked by their product."""

    similarity: Similarity | None = "dot"
    metric = "dotProduct"
    sortable = True
    may_lack_vectors = True

    @pytest.fixture
    def server(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureSearchServer]:
        pytest.importorskip("azure.search.documents", reason="azure-search-documents is missing")
        with AzureSearchServer() as server:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.certificate))
            vector = {"name": "vector", "vectorSearchProfile": "profile"}
            key = {"name": "id", "key": True, "filterable": True, "sortable": self.sortable}
            algorithm = {"name": "hnsw", "kind": "hnsw", "hnswParameters": {"metric": self.metric}}
            server.index = {
                "name": "docs",
                "fields": [key, vector, {"name": "content"}, {"name": "metadata"}],
                "vectorSearch": {
                    "algorithms": [algorithm],
                    "profiles": [{"name": "profile", "algorithm": "hnsw"}],
                },
            }
            yield server

    @pytest.fixture
    def make_source(self, server: AzureSearchServer) -> Iterator[MakeSource]:
        from azure.core.credentials import AzureKeyCredential
        from azure.search.documents import SearchClient

        with SearchClient(server.url, "docs", AzureKeyCredential("a key")) as client:

            def make(rows: Sequence[Row]) -> AzureSearchSource:
                documents = [
                    {"id": row.key, "content": row.text, "vector": row.vector} for row in rows
                ]
                if documents:
                    client.upload_documents(documents)
                return AzureSearchSource(
                    client=client, key_field="id", vector_field="vector", text_field="content",
                    metadata_field="metadata",
                )  # fmt: skip

            yield make

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.client.delete_documents([{"id": key} for key in ids])

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        from azure.search.documents.models import VectorizedQuery

        query = VectorizedQuery(vector=list(vector), k_nearest_neighbors=k, fields="vector")
        return [row["id"] for row in source.client.search(vector_queries=[query], top=k)]

    def test_a_key_that_is_not_filterable_is_refused_with_the_ways_out(
        self, make_source: MakeSource, server: AzureSearchServer
    ) -> None:
        if not self.sortable:
            pytest.skip("a key that is not sortable needs no filter")
        source = make_source(self.rows())
        server.fields["id"]["filterable"] = False
        with pytest.raises(UnreadableStoreError, match=r"filterable.* embedded again"):
            list(source.read(None, 10))

    def test_a_service_that_repeats_a_page_is_refused(
        self, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not self.sortable:
            pytest.skip("a key that is not sortable is read by skipping")
        source = make_source(self.rows())
        monkeypatch.setattr("tests.servers.azure_search.admits", lambda *_: True)
        with pytest.raises(UnreadableStoreError, match="only keys after the last one"):
            list(source.read(None, 10))

    @pytest.mark.parametrize("metadata", ["{not JSON", "[1]", "5"])
    def test_metadata_that_are_no_object_are_named(
        self, make_source: MakeSource, server: AzureSearchServer, metadata: str
    ) -> None:
        source: Any = make_source(self.rows(1))
        key = self.key_of(0)
        server.rows[key]["metadata"] = metadata
        with pytest.raises(UnreadableStoreError, match="an object of JSON"):
            source.records([key])

    def test_a_definition_that_cannot_be_read_now_is_not_taken_for_a_hidden_one(
        self, make_source: MakeSource, server: AzureSearchServer
    ) -> None:
        from azure.core.exceptions import HttpResponseError

        source = make_source(self.rows())
        server.tells, server.refusal = False, 409
        with pytest.raises(HttpResponseError):
            source.similarity  # noqa: B018


class TestAzureSearchByDefault(TestAzureSearch):
    """The index that both frameworks create: its key is not sortable."""

    similarity = "cosine"
    metric = "cosine"
    sortable = False

    def test_rows_that_stay_while_others_are_deleted_are_read_once(
        self, make_source: MakeSource
    ) -> None:
        pytest.skip(
            "documents move up when others are deleted, and the reader says that it lost some"
        )

    def test_a_key_for_queries_hides_the_similarity_alone(
        self, make_source: MakeSource, server: AzureSearchServer
    ) -> None:
        source = make_source(self.rows())
        server.tells = False
        assert source.similarity is None
        self.check(list(source.read(None, 10)), self.rows(), most=10)

    def test_hidden_vectors_are_refused_with_the_ways_out(
        self, make_source: MakeSource, server: AzureSearchServer
    ) -> None:
        source = make_source(self.rows())
        server.fields["vector"]["retrievable"] = False
        with pytest.raises(UnreadableStoreError, match=r"retrievable field.* embedded again"):
            list(source.read(None, 10))

    def test_more_documents_than_may_be_skipped_are_refused(
        self, make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("query_adapters.stores.azure_search.SKIPPED", 22)
        with pytest.raises(UnreadableStoreError, match="a sortable key, or at most 22 documents"):
            list(make_source(self.rows()).read(None, 10))
