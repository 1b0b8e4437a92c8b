"""A server with the part of the API of a Pinecone index that vector stores use."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.servers.vector_services import Answer, Request, VectorService, similarity_of

METRICS = {"cosine": "cosine", "dotproduct": "dot", "euclidean": "euclidean"}
Row = Mapping[str, Any]


class PineconeServer(VectorService):
    """A serverless index; one based on pods does not list its ids."""

    def __init__(self, metric: str = "cosine", *, serverless: bool = True) -> None:
        super().__init__()
        self.metric = metric
        self.serverless = serverless
        self.rows: dict[str, dict[str, Row]] = {}

    def reply(self, request: Request) -> Answer:
        body = request.body
        namespace = request.options.get("namespace", [body.get("namespace") or ""])[0]
        rows = self.rows.setdefault(namespace, {})
        match request.path:
            case ("describe_index_stats",):
                return Answer(self._stats())
            case ("vectors", "upsert"):
                rows.update({row["id"]: row for row in body["vectors"]})
                return Answer({"upsertedCount": len(body["vectors"])})
            case ("vectors", "delete"):
                for key in rows if body.get("deleteAll") else body["ids"]:
                    rows.pop(key, None)
                return Answer({})
            case ("vectors", "fetch"):
                found = {key: rows[key] for key in request.options["ids"] if key in rows}
                return Answer({"namespace": namespace, "vectors": found})
            case ("vectors", "list"):
                return self._list(request, rows)
            case ("query",):
                return Answer({"namespace": namespace, "matches": self._nearest(rows, body)})
        raise AssertionError(f"unexpected request: {request}")

    def _stats(self) -> dict[str, Any]:
        counts = {name: {"vectorCount": len(rows)} for name, rows in self.rows.items() if rows}
        total = sum(map(len, self.rows.values()))
        about = {"dimension": 8, "indexFullness": 0, "totalVectorCount": total}
        return {"namespaces": counts, "metric": self.metric, **about}

    def _list(self, request: Request, rows: Mapping[str, Row]) -> Answer:
        if not self.serverless:
            return Answer({"message": "List is only supported on serverless indexes"}, 400)
        limit = int(request.options.get("limit", ["100"])[0])
        assert limit <= 100
        after = request.options.get("paginationToken", [""])[0]
        prefix = request.options.get("prefix", [""])[0]
        left = sorted(key for key in rows if key > after and key.startswith(prefix))
        page = {"vectors": [{"id": key} for key in left[:limit]]}
        more = {"pagination": {"next": left[limit - 1]}} if len(left) > limit else {}
        return Answer({**page, **more})

    def _nearest(self, rows: Mapping[str, Row], body: Mapping[str, Any]) -> Sequence[Row]:
        metric = METRICS[self.metric]
        found = [row for row in rows.values() if admits(body.get("filter"), row["metadata"])]
        scores = {row["id"]: similarity_of(metric, body["vector"], row["values"]) for row in found}
        best = sorted(found, key=lambda row: -scores[row["id"]])[: body["topK"]]
        shown: list[dict[str, Any]] = [
            {"id": row["id"], "score": abs(scores[row["id"]])} for row in best
        ]
        for match, row in zip(shown, best, strict=True):
            if body.get("includeValues"):
                match["values"] = row["values"]
            if body.get("includeMetadata"):
                match["metadata"] = row["metadata"]
        return shown


def admits(query: Any, metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata satisfy a filter."""
    for key, wanted in (query or {}).items():
        if key == "$and":
            if not all(admits(part, metadata) for part in wanted):
                return False
        elif metadata.get(key) != (wanted["$eq"] if isinstance(wanted, Mapping) else wanted):
            return False
    return True
