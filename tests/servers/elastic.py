"""A server with the part of Elasticsearch's and OpenSearch's API that vector stores use.

Scores are the documented ones. Vectors of Elasticsearch are left out of `_source`, as from version
9.2 on; those of OpenSearch are not among the `fields`.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from tests.servers.vector_services import Answer, Request, VectorService, similarity_of

OK = Answer({"acknowledged": True})
SPACES = {
    "cosine": "cosine",
    "cosinesimil": "cosine",
    "dot_product": "dot",
    "innerproduct": "dot",
    "l2": "euclidean",
    "l2_norm": "euclidean",
    "max_inner_product": "dot",
}
Source = Mapping[str, Any]
Hit = tuple[str, Source, float]


class ElasticServer(VectorService):
    """Elasticsearch."""

    headers: Mapping[str, str] = {"X-Elastic-Product": "Elasticsearch"}
    about: Mapping[str, Any] = {"version": {"number": "9.2.0", "build_flavor": "default"}}
    field_type = "dense_vector"

    def __init__(self) -> None:
        super().__init__()
        self.mappings: dict[str, Any] = {}
        self.documents: dict[str, dict[str, Source]] = {}
        self.scrolls: dict[str, tuple[list[Hit], Source, str]] = {}

    def reply(self, request: Request) -> Answer:
        match request.path:
            case ():
                return Answer({"name": "stub", "tagline": "You Know, for Search", **self.about})
            case (*_, "_bulk"):
                return self._bulk(request.lines)
            case ("_search", "scroll"):
                return self._scroll(request)
            case (index,):
                return self._index(request, index)
            case (index, *_) if index not in self.mappings:
                return missing(index)
            case (index, what):
                return self._in_index(request, index, what)
        raise AssertionError(f"unexpected request: {request}")

    def _in_index(self, request: Request, index: str, what: str) -> Answer:
        match what:
            case "_mapping":
                return Answer({index: {"mappings": self.mappings[index]}})
            case "_count":
                return Answer({"count": len(self._matching(index, request.body["query"]))})
            case "_search":
                return self._search(index, request)
            case "_delete_by_query":
                for key in self._matching(index, request.body["query"]):
                    del self.documents[index][key]
                return Answer({"failures": []})
            case "_refresh":
                return Answer({"_shards": {"failed": 0}})
        raise AssertionError(f"unexpected request: {request}")

    def _index(self, request: Request, index: str) -> Answer:
        if request.method == "PUT":
            self.mappings[index] = request.body.get("mappings", {})
            self.documents[index] = {}
            return OK
        if index not in self.mappings:
            return missing(index)
        if request.method == "DELETE":
            del self.mappings[index], self.documents[index]
        return Answer({index: {"mappings": self.mappings.get(index)}})

    def _bulk(self, lines: Sequence[Any]) -> Answer:
        rows, items = iter(lines), []
        for action in rows:
            ((kind, about),) = action.items()
            stored = self.documents[about["_index"]]
            if kind == "delete":
                stored.pop(about["_id"], None)
            else:
                stored[about["_id"]] = next(rows)
            items.append({kind: {"_id": about["_id"], "status": 200}})
        return Answer({"errors": False, "items": items})

    def _search(self, index: str, request: Request) -> Answer:
        body = request.body
        hits = self._hits(index, body)
        if "scroll" not in request.options:
            return Answer(self._page(index, hits[: body["size"]], body))
        name = str(uuid4())
        self.scrolls[name] = hits[body["size"] :], body, index
        return Answer({"_scroll_id": name, **self._page(index, hits[: body["size"]], body)})

    def _scroll(self, request: Request) -> Answer:
        if request.method == "DELETE":
            for name in request.body["scroll_id"]:
                del self.scrolls[name]
            return Answer({"succeeded": True})
        name = request.body["scroll_id"]
        hits, body, index = self.scrolls[name]
        self.scrolls[name] = hits[body["size"] :], body, index
        return Answer({"_scroll_id": name, **self._page(index, hits[: body["size"]], body)})

    def _hits(self, index: str, body: Mapping[str, Any]) -> list[Hit]:
        knn = body.get("knn") or _knn_in(body.get("query", {}))
        if knn is None:
            found = self._matching(index, body["query"])
            return [(key, source, 1.0) for key, source in found.items()]
        field, vector = knn["field"], knn["query_vector"]
        space = self._space(self.mappings[index]["properties"][field])
        scored = [
            (key, source, score(space, similarity_of(SPACES[space], vector, source[field])))
            for key, source in self._matching(index, {"bool": {"filter": knn["filter"]}}).items()
        ]
        return sorted(scored, key=lambda hit: -hit[2])[: knn["k"]]

    def _space(self, field: Mapping[str, Any]) -> str:
        if field["type"] == "dense_vector":
            return str(field.get("similarity", "cosine"))
        return str(field.get("method", field).get("space_type", "l2"))

    def _matching(self, index: str, query: Mapping[str, Any]) -> dict[str, Source]:
        found = self.documents[index].items()
        return {key: source for key, source in found if matches(query, key, source)}

    def _page(self, index: str, hits: Sequence[Hit], body: Mapping[str, Any]) -> dict[str, Any]:
        return {"hits": {"hits": [self._hit(index, hit, body) for hit in hits]}}

    def _hit(self, index: str, hit: Hit, body: Mapping[str, Any]) -> dict[str, Any]:
        key, source, points = hit
        fields = self.mappings[index]["properties"]
        hidden = {name for name in fields if fields[name].get("type") == "dense_vector"}
        shown = {name: value for name, value in source.items() if name not in hidden}
        asked = {name: source[name] for name in body.get("fields", ()) if name in source}
        page = {"_id": key, "_score": points, "_source": selected(shown, body.get("_source", True))}
        return {**page, "fields": asked} if asked else page


class OpenSearchServer(ElasticServer):
    """OpenSearch."""

    headers: Mapping[str, str] = {}
    about = {"version": {"number": "3.1.0", "distribution": "opensearch"}}  # noqa: RUF012

    def _hit(self, index: str, hit: Hit, body: Mapping[str, Any]) -> dict[str, Any]:
        vectors = [n for n in body.get("fields", ()) if n in self.mappings[index]["properties"]]
        assert not vectors, "KNN Vector do not support fields search"
        return super()._hit(index, hit, body)


def missing(index: str) -> Answer:
    error = {"type": "index_not_found_exception", "reason": f"no such index [{index}]"}
    return Answer({"error": error, "status": 404}, 404)


def score(space: str, value: float) -> float:
    """Return the documented score of a cosine, an inner product or a negative squared distance."""
    if SPACES[space] == "euclidean":
        return 1 / (1 - value)
    if SPACES[space] == "cosine" or space == "dot_product":
        return (1 + value) / 2
    return 1 / (1 - value) if value < 0 else value + 1


def selected(source: Source, wanted: Any) -> Source:
    """Return the part of a document that `_source` asks for."""
    if wanted is True:
        return source
    if isinstance(wanted, Mapping):
        if "includes" in wanted:
            return selected(source, wanted["includes"])
        excluded = wanted.get("excludes") or wanted.get("exclude") or []
        return {name: value for name, value in source.items() if name not in excluded}
    return {name: source[name] for name in wanted or () if name in source}


def matches(query: Mapping[str, Any], key: str, source: Source) -> bool:
    """Return whether a document satisfies a query."""
    ((kind, what),) = query.items()
    match kind:
        case "match_all" | "knn":
            return True
        case "ids":
            return key in what["values"]
        case "exists":
            return what["field"] in source
        case "bool":
            every = [*_listed(what.get("filter")), *_listed(what.get("must"))]
            return all(matches(part, key, source) for part in every)
        case "term" | "terms":
            ((field, values),) = what.items()
            values = values["value"] if isinstance(values, Mapping) else values
            held = key if field == "_id" else _value(source, field.removesuffix(".keyword"))
            return held in (values if kind == "terms" else [values])
    raise AssertionError(f"unexpected query: {query}")


def _listed(parts: Any) -> list[Any]:
    return parts if isinstance(parts, list) else [parts] if parts else []


def _value(source: Any, field: str) -> Any:
    for name in field.split("."):
        source = source.get(name) or {}
    return source


def _knn_in(query: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the vector query of OpenSearch in the form of Elasticsearch's."""
    if "bool" in query:
        found = next(
            (knn for part in _listed(query["bool"].get("must")) if (knn := _knn_in(part))), None
        )
        return found and {**found, "filter": _listed(query["bool"].get("filter"))}
    if "knn" not in query:
        return None
    ((field, knn),) = query["knn"].items()
    return {
        "field": field,
        "query_vector": knn["vector"],
        "k": knn["k"],
        "filter": _listed(knn.get("filter")),
    }
