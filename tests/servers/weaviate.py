"""A server with the part of Weaviate's two interfaces, REST and gRPC, that vector stores use."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self
from uuid import UUID

import numpy as np

from tests.servers.vector_services import Answer, Request, VectorService, similarity_of

METRICS = {"cosine": "cosine", "dot": "dot", "l2-squared": "euclidean"}
HNSW = {
    "distance": "cosine",
    "cleanupIntervalSeconds": 300,
    "dynamicEfMin": 100,
    "dynamicEfMax": 500,
    "dynamicEfFactor": 8,
    "ef": -1,
    "efConstruction": 128,
    "flatSearchCutoff": 40_000,
    "maxConnections": 32,
    "skip": False,
    "vectorCacheMaxObjects": 10**12,
}
PROPERTY = {
    "dataType": ["text"],
    "indexFilterable": True,
    "indexSearchable": True,
    "indexRangeFilters": False,
    "tokenization": "word",
}
DEFAULTS = {
    "properties": [],
    "invertedIndexConfig": {
        "bm25": {"b": 0.75, "k1": 1.2},
        "cleanupIntervalSeconds": 60,
        "stopwords": {"preset": "en", "additions": None, "removals": None},
    },
    "replicationConfig": {"factor": 1, "asyncEnabled": False},
    "shardingConfig": {
        "virtualPerPhysical": 128,
        "desiredCount": 1,
        "actualCount": 1,
        "desiredVirtualCount": 128,
        "actualVirtualCount": 128,
        "key": "_id",
        "strategy": "hash",
        "function": "murmur3",
    },
}
Row = dict[str, Any]


class WeaviateServer(VectorService):
    """A server whose collections have one vector an object, with or without a name."""

    def __init__(self) -> None:
        super().__init__()
        self.schemas: dict[str, Row] = {}
        self.rows: dict[str, dict[str, Row]] = {}
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        import grpc

        super().__enter__()
        self._grpc = grpc.server(ThreadPoolExecutor(4))
        self._grpc.add_generic_rpc_handlers((self._handlers(),))
        self.grpc_port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._grpc.stop(None).wait()
        super().__exit__()

    @property
    def url(self) -> str:
        return f"{super().url}?grpc={self.grpc_port}"

    def reply(self, request: Request) -> Answer:
        match request.path:
            case ("v1", "meta"):
                return Answer({"hostname": "http://127.0.0.1", "version": "1.33.0", "modules": {}})
            case ("v1", ".well-known", _):
                return Answer({}, 404 if request.path[-1] == "openid-configuration" else 200)
            case ("v1", "nodes"):
                return Answer({"nodes": [{"name": "one", "status": "HEALTHY"}]})
            case ("v1", "schema"):
                if request.method == "GET":
                    return Answer({"classes": list(self.schemas.values())})
                return self._create(request.body)
            case ("v1", "schema", name):
                if name in self.schemas:
                    return Answer(self.schemas[name])
                return Answer({"error": [{"message": "not found"}]}, 404)
        raise AssertionError(f"unexpected request: {request}")

    def _create(self, asked: Row) -> Answer:
        """Complete the schema of a collection by what a server adds, as its answer shows it."""
        schema: Row = {**DEFAULTS, **asked}
        schema["properties"] = [{**PROPERTY, **held} for held in schema["properties"]]
        for config in schema.get("vectorConfig", {"": schema}).values():
            config.setdefault("vectorIndexType", "hnsw")
            config["vectorIndexConfig"] = {**HNSW, **config.get("vectorIndexConfig", {})}
        if "vectorConfig" not in schema:
            schema["vectorizer"] = "none"
        tenants = schema.pop("MultiTenancyConfig", {"enabled": False})
        schema["multiTenancyConfig"] = tenants
        self.schemas[schema["class"]], self.rows[schema["class"]] = schema, {}
        return Answer(schema)

    def _handlers(self) -> Any:
        import grpc
        from weaviate.proto import v1

        health = v1.health_weaviate_pb2.WeaviateHealthCheckRequest
        answers = {
            "/grpc.health.v1.Health/Check": (health, self._health),
            "/weaviate.v1.Weaviate/Search": (v1.search_get_pb2.SearchRequest, self._search),
            "/weaviate.v1.Weaviate/BatchObjects": (v1.batch_pb2.BatchObjectsRequest, self._write),
            "/weaviate.v1.Weaviate/BatchDelete": (
                v1.batch_delete_pb2.BatchDeleteRequest,
                self._delete,
            ),
            "/weaviate.v1.Weaviate/Aggregate": (v1.aggregate_pb2.AggregateRequest, self._count),
        }

        class Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
            def service(self, details: Any) -> Any:
                kind, answer = answers[details.method]
                return grpc.unary_unary_rpc_method_handler(
                    lambda request, context: answer(request),
                    request_deserializer=kind.FromString,
                    response_serializer=lambda reply: reply.SerializeToString(),
                )

        return Handlers()

    def _health(self, request: Any) -> Any:
        from weaviate.proto.v1 import health_weaviate_pb2 as health

        kind = health.WeaviateHealthCheckResponse
        return kind(status=kind.SERVING)

    def _write(self, request: Any) -> Any:
        from google.protobuf.json_format import MessageToDict
        from weaviate.proto.v1 import batch_pb2

        with self.lock:
            for entry in request.objects:
                held = entry.vector_bytes or next((v.vector_bytes for v in entry.vectors), b"")
                vector = np.frombuffer(held, "<f4").tolist() if held else None
                properties = MessageToDict(entry.properties.non_ref_properties)
                rows = self.rows[entry.collection]
                rows[entry.uuid] = {"_id": entry.uuid, "_vector": vector, **properties}
        return batch_pb2.BatchObjectsReply()

    def _delete(self, request: Any) -> Any:
        from weaviate.proto.v1 import batch_delete_pb2

        with self.lock:
            rows = self.rows[request.collection]
            gone = [key for key, row in rows.items() if admits(request.filters, row)]
            for key in gone:
                del rows[key]
        return batch_delete_pb2.BatchDeleteReply(matches=len(gone), successful=len(gone))

    def _count(self, request: Any) -> Any:
        from weaviate.proto.v1 import aggregate_pb2

        single = aggregate_pb2.AggregateReply.Single(
            objects_count=len(self.rows[request.collection])
        )
        return aggregate_pb2.AggregateReply(single_result=single)

    def _search(self, request: Any) -> Any:
        from weaviate.proto.v1 import search_get_pb2

        with self.lock:
            rows = list(self.rows[request.collection].values())
        if request.HasField("filters"):
            rows = [row for row in rows if admits(request.filters, row)]
        scores: dict[str, float] = {}
        hybrid, near = request.HasField("hybrid_search"), request.HasField("near_vector")
        if hybrid or near:
            asked = request.hybrid_search if hybrid else request.near_vector
            assert near or asked.alpha == 1 or not asked.query, "words are not searched here"
            query = np.frombuffer(_bytes_of(asked), "<f4").tolist()
            metric = METRICS[self._distance(request.collection)]
            found = {row["_id"]: row["_vector"] for row in rows if row["_vector"] is not None}
            scores = {key: similarity_of(metric, query, vector) for key, vector in found.items()}
            rows = sorted((r for r in rows if r["_id"] in scores), key=lambda r: -scores[r["_id"]])
        else:
            rows = sorted(rows, key=lambda row: str(row["_id"]))
            rows = [row for row in rows if row["_id"] > request.after]
        page = rows[request.offset :][: request.limit or 10]
        reply = search_get_pb2.SearchReply()
        for row in page:
            self._add(reply.results.add(), row, request, scores)
        return reply

    def _distance(self, name: str) -> str:
        schema = self.schemas[name]
        configs = schema.get("vectorConfig") or {"default": schema}
        distance: str = next(iter(configs.values()))["vectorIndexConfig"]["distance"]
        return distance

    def _add(self, result: Any, row: Row, request: Any, scores: Mapping[str, float]) -> None:
        result.metadata.id_as_bytes = UUID(row["_id"]).bytes
        if row["_id"] in scores:
            result.metadata.score, result.metadata.score_present = scores[row["_id"]], True
        if row["_vector"] is not None:
            self._add_vector(result.metadata, row, request)
        asked = request.properties
        is_whole = not request.HasField("properties") or asked.return_all_nonref_properties
        for name, value in row.items():
            if name not in ("_id", "_vector") and (is_whole or name in asked.non_ref_properties):
                kind = "text_value" if isinstance(value, str) else "number_value"
                setattr(result.properties.non_ref_props.fields[name], kind, value)

    def _add_vector(self, metadata: Any, row: Row, request: Any) -> None:
        held = np.array(row["_vector"], "<f4").tobytes()
        named = self.schemas[request.collection].get("vectorConfig", {})
        if request.metadata.vector and not named:
            metadata.vector_bytes = held
        for name in named:
            if request.metadata.vector or name in request.metadata.vectors:
                metadata.vectors.add(name=name, vector_bytes=held)


def _bytes_of(asked: Any) -> bytes:
    held: bytes = asked.vector_bytes or next((v.vector_bytes for v in asked.vectors), b"")
    return held


def admits(query: Any, row: Mapping[str, Any]) -> bool:
    """Return whether an object satisfies a filter."""
    match query.Operator.Name(query.operator):
        case "OPERATOR_AND":
            return all(admits(part, row) for part in query.filters)
        case "OPERATOR_OR":
            return any(admits(part, row) for part in query.filters)
        case "OPERATOR_EQUAL":
            return bool(row.get(query.target.property) == query.value_text)
        case "OPERATOR_CONTAINS_ANY":
            return row.get(query.target.property) in query.value_text_array.values
    raise AssertionError(f"unexpected filter: {query}")
