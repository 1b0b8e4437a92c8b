"""The contract of readers over databases: real clients, against servers on the loopback."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest

from query_adapters.errors import InvalidVectorsError, UnreadableStoreError
from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.mongodb import MongoDBSource
from query_adapters.stores.redis import RedisSource, _numbers, _pairs, _text
from query_adapters.stores.weaviate import WeaviateSource
from query_adapters.testing import Row, VectorSourceSuite
from query_adapters.testing.rows import DIM, row_of
from query_adapters.testing.source_suite import MakeSource
from query_adapters.typing import Similarity
from tests.servers.mongodb import MongoDBServer
from tests.servers.redis import RedisServer
from tests.servers.weaviate import WeaviateServer


class TestMongoDB(VectorSourceSuite):
    """Arrays of numbers, in documents whose metadata stand in a field of their own."""

    similarity: Similarity | None = "cosine"
    metric = "cosine"
    metadata_field: str | None = "metadata"

    @pytest.fixture
    def server(self) -> Iterator[MongoDBServer]:
        with MongoDBServer() as server:
            yield server
            assert server.cursors == {}  # each was closed

    @pytest.fixture
    def make_source(self, server: MongoDBServer) -> Iterator[MakeSource]:
        pymongo = pytest.importorskip("pymongo", reason="pymongo is not installed")
        from pymongo.operations import SearchIndexModel

        with pymongo.MongoClient(server.url) as client:
            collection = client["shop"]["docs"]

            def make(rows: Sequence[Row]) -> MongoDBSource:
                collection.insert_one({"_id": "bare", "text": "no vector"})
                if rows:
                    collection.insert_many([self.document(row) for row in rows])
                collection.create_search_index(
                    SearchIndexModel(self.definition(), name="vectors", type="vectorSearch")
                )
                return MongoDBSource(
                    collection=collection, index="vectors", metadata_field=self.metadata_field
                )

            yield make

    def definition(self) -> dict[str, Any]:
        field = {"type": "vector", "path": "embedding", "numDimensions": DIM}
        return {"fields": [{**field, "similarity": self.metric}]}

    def document(self, row: Row) -> dict[str, Any]:
        metadata = {"number": 1}
        return {"_id": row.key, "text": row.text, "embedding": row.vector, "metadata": metadata}

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.collection.delete_many(source._among(ids))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        options = {"index": "vectors", "path": "embedding", "queryVector": vector}
        stage = {"$vectorSearch": {**options, "numCandidates": 10 * k, "limit": k}}
        return [str(row["_id"]) for row in source.collection.aggregate([stage])]

    def test_metadata_are_read_by_id(self, make_source: MakeSource) -> None:
        source: Any = make_source(self.rows(3))
        key = self.key_of(1)
        found = source.records([key, "not-there"])
        assert {k: (r.text, r.metadata) for k, r in found.items()} == {
            key: (f"text of {key}", {"number": 1})
        }
        assert source.records([key], {"text": "another"}) == {}


class TestMongoDBByObjectIds(TestMongoDB):
    """Ids as MongoDB makes them, binary vectors, and metadata beside the text."""

    similarity = "dot"
    metric = "dotProduct"
    metadata_field = None

    def key_of(self, number: int) -> str:
        return f"{number:024x}"

    def document(self, row: Row) -> dict[str, Any]:
        from bson import ObjectId
        from bson.binary import Binary, BinaryVectorDtype

        vector = Binary.from_vector(list(row.vector or ()), BinaryVectorDtype.FLOAT32)
        return {"_id": ObjectId(row.key), "text": row.text, "embedding": vector, "number": 1}

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        pytest.skip("the local server searches arrays")


class TestMongoDBOfAnEarlierIndex(TestMongoDB):
    """An index that declares the field as a `knnVector`."""

    similarity = "euclidean"

    def definition(self) -> dict[str, Any]:
        field = {"type": "knnVector", "dimensions": DIM, "similarity": "euclidean"}
        return {"mappings": {"fields": {"embedding": field}}}

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        pytest.skip("such an index is searched by another stage")

    def test_a_server_that_lists_no_search_indexes_does_not_state_it(
        self, make_source: MakeSource, server: MongoDBServer
    ) -> None:
        source = make_source(self.rows())
        server.lists_indexes = False
        assert source.similarity is None
        self.check(list(source.read(None, 10)), self.rows(), most=10)

    def test_bits_are_refused_with_the_ways_out(self, make_source: MakeSource) -> None:
        from bson.binary import Binary, BinaryVectorDtype

        source: Any = make_source([])
        bits = Binary.from_vector([255], BinaryVectorDtype.PACKED_BIT)
        source.collection.insert_one({**self.document(row_of("id", 1)), "embedding": bits})
        with pytest.raises(UnreadableStoreError, match=r"float or int8.* blocks of \(ids, vectors"):
            list(source.read(None, 10))


class TestRedis(VectorSourceSuite):
    """Hashes, with the second version of the protocol."""

    similarity: Similarity | None = "cosine"
    metric = "COSINE"
    kind = "HASH"
    dtype = "FLOAT32"
    options = "protocol=2"
    prefix = "docs[1]:"

    @pytest.fixture
    def make_source(self) -> Iterator[MakeSource]:
        redis = pytest.importorskip("redis", reason="redis is not installed")
        with (
            RedisServer() as server,
            redis.Redis.from_url(f"{server.url}?{self.options}") as client,
        ):

            def make(rows: Sequence[Row]) -> RedisSource:
                vector = ["TYPE", self.dtype, "DIM", DIM, "DISTANCE_METRIC", self.metric]
                path = ["$.vector", "AS"] if self.kind == "JSON" else []
                field = [*path, "vector", "VECTOR", "FLAT", len(vector), *vector]
                about = ["ON", self.kind, "PREFIX", 1, self.prefix, "SCHEMA", "text", "TEXT"]
                client.execute_command("FT.CREATE", "docs", *about, *field)
                client.hset("docs1:of another index", mapping={"text": "no vector"})
                client.execute_command("JSON.SET", f"docs{self.kind}:another", "$", "{}")
                for row in rows:
                    self.set(client, row)
                return RedisSource(
                    client=client, index="docs", prefix=self.prefix, vector_field="vector",
                    text_field="text", is_json=self.kind == "JSON",
                )  # fmt: skip

            yield make

    def set(self, client: Any, row: Row) -> None:
        vector = None if row.vector is None else np.array(row.vector, self.numbers).tobytes()
        held = {"text": row.text, "number": "1", **({"vector": vector} if vector else {})}
        client.hset(self.prefix + row.key, mapping=held)

    @property
    def numbers(self) -> str:
        return {"FLOAT32": "<f4", "FLOAT64": "<f8"}[self.dtype]

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        source.client.delete(*(self.prefix + key for key in ids))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        from redis.commands.search.query import Query

        query = Query("*=>[KNN 5 @vector $vector AS distance]").return_field("distance").dialect(2)
        query = query.paging(0, k)
        values: Any = {"vector": np.array(vector, self.numbers).tobytes()}
        found = source.client.ft("docs").search(query, values)
        return [document.id.removeprefix(self.prefix) for document in found.docs]

    def test_metadata_are_read_by_id(self, make_source: MakeSource) -> None:
        source: Any = make_source(self.rows(3))
        key = self.key_of(1)
        assert source.records([key, "not-there"]) == {key: (f"text of {key}", {"number": "1"})}

    def test_a_document_without_a_vector_is_named(self, make_source: MakeSource) -> None:
        source = make_source([*self.rows(), Row("bare", None, "no vector")])
        with pytest.raises(InvalidVectorsError, match=r"vector for 'bare'.* or delete it"):
            list(read_blocks(source, name="store"))

    def test_an_index_that_is_missing_has_no_rows(self, make_source: MakeSource) -> None:
        source = replace(cast(RedisSource, make_source(self.rows())), index="other")
        assert source.count() == 0
        assert list(source.read(None, 10)) == []
        assert source.similarity is None


class TestRedisByProduct(TestRedis):
    """Vectors of 64 bits, and a client that decodes what it reads, with its own protocol."""

    similarity = "dot"
    metric = "IP"
    dtype = "FLOAT64"
    options = "decode_responses=true"


class TestRedisOfJSON(TestRedis):
    """Documents of JSON."""

    similarity = "euclidean"
    metric = "L2"
    kind = "JSON"

    def set(self, client: Any, row: Row) -> None:
        vector = {} if row.vector is None else {"vector": row.vector}
        held = json.dumps({"text": row.text, "number": "1", **vector})
        client.execute_command("JSON.SET", self.prefix + row.key, "$", held)


@pytest.mark.parametrize(
    ("kind", "held"),
    [
        ("BFLOAT16", b"\x80\x3f\x00\xc0"),
        ("FLOAT16", b"\x00\x3c\x00\xc0"),
        ("FLOAT32", np.array([1, -2], "<f4").tobytes()),
        ("INT8", b"\x01\xfe"),
    ],
)
def test_bytes_of_each_kind_are_numbers(kind: str, held: bytes) -> None:
    np.testing.assert_array_equal(_numbers(held, kind), [1, -2])


@pytest.mark.parametrize("kind", ["BFLOAT16", "FLOAT32", "FLOAT64"])
def test_bytes_that_are_no_vector_are_left_for_the_error_with_the_id(kind: str) -> None:
    assert _numbers(b"abc", kind) == b"abc"


def test_a_field_of_mongodb_with_several_mappings_states_that_of_its_vectors() -> None:
    vector = {"type": "knnVector", "dimensions": DIM, "similarity": "dotProduct"}
    fields = {"embedding": [{"type": "number"}, vector]}
    index = {"latestDefinition": {"mappings": {"dynamic": True, "fields": fields}}}
    collection = SimpleNamespace(list_search_indexes=lambda _: [index])
    assert MongoDBSource(collection=collection, index="vectors").similarity == "dot"


def test_bytes_of_another_field_that_are_no_text_stay_bytes() -> None:
    assert _pairs([b"text", b"one", b"other", b"\xff\xfe"]) == {
        "text": b"one",
        "other": b"\xff\xfe",
    }
    assert [_text(held) for held in (b"one", b"\xff\xfe")] == ["one", b"\xff\xfe"]


class TestWeaviate(VectorSourceSuite):
    """A collection as both frameworks create it: its vectors have no name."""

    similarity: Similarity | None = "cosine"
    may_lack_vectors = True
    vector_name = "default"
    schema: dict[str, Any] = {}  # noqa: RUF012

    @pytest.fixture
    def make_source(self) -> Iterator[MakeSource]:
        weaviate = pytest.importorskip("weaviate", reason="weaviate-client is not installed")
        with WeaviateServer() as server:
            port = urlsplit(server.url).port
            with weaviate.connect_to_local("127.0.0.1", port, server.grpc_port) as client:

                def make(rows: Sequence[Row]) -> WeaviateSource:
                    client.collections.create_from_dict({"class": "Docs", **self.schema})
                    collection = client.collections.get("Docs")
                    if rows:
                        collection.data.insert_many([self.entry(row) for row in rows])
                    return WeaviateSource(collection=collection, vector_name=self.vector_name)

                yield make

    def entry(self, row: Row) -> Any:
        from weaviate.classes.data import DataObject

        properties = {"text": row.text, "number": 1.0}
        return DataObject(uuid=row.key, properties=properties, vector=self.vector(row))

    def vector(self, row: Row) -> Any:
        return row.vector

    def key_of(self, number: int) -> str:
        return str(uuid5(NAMESPACE_OID, str(number)))

    def delete(self, source: Any, ids: Sequence[str]) -> None:
        from weaviate.classes.query import Filter

        source.collection.data.delete_many(Filter.by_id().contains_any(list(ids)))

    def search(self, source: Any, vector: Sequence[float], k: int) -> list[str]:
        found = source.collection.query.near_vector(list(vector), limit=k)
        return [str(entry.uuid) for entry in found.objects]

    def test_metadata_are_read_by_id(self, make_source: MakeSource) -> None:
        source: Any = make_source(self.rows(3))
        key = self.key_of(1)
        assert source.records([key, "not-there"]) == {key: (f"text of {key}", {"number": 1.0})}


class TestWeaviateByDistance(TestWeaviate):
    similarity = "euclidean"
    schema = {"vectorIndexConfig": {"distance": "l2-squared"}}  # noqa: RUF012


class TestWeaviateOfNamedVectors(TestWeaviate):
    similarity = "dot"
    vector_name = "title"
    schema = {  # noqa: RUF012
        "vectorConfig": {
            "title": {
                "vectorizer": {"none": {}},
                "vectorIndexType": "hnsw",
                "vectorIndexConfig": {"distance": "dot"},
            }
        }
    }

    def vector(self, row: Row) -> Any:
        return row.vector and {"title": row.vector}


def test_a_server_of_weaviate_that_repeats_a_page_is_refused() -> None:
    page = [SimpleNamespace(uuid=uuid5(NAMESPACE_OID, "one"), vector={"default": [1.0]})]
    answer = SimpleNamespace(objects=page)
    query = SimpleNamespace(fetch_objects=lambda **_: answer)
    collection = SimpleNamespace(name="Docs", exists=lambda: True, query=query)
    with pytest.raises(UnreadableStoreError, match="repeats a page"):
        list(WeaviateSource(collection=collection).read(None, 1))
