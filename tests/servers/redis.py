"""A server with the part of Redis and of its search module that vector stores use."""

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from io import BufferedIOBase
from typing import Any

import numpy as np

from tests.servers.sockets import SocketService
from tests.servers.vector_services import similarity_of

METRICS = {"COSINE": "cosine", "IP": "dot", "L2": "euclidean"}
DTYPES = {"FLOAT32": "<f4", "FLOAT64": "<f8"}
KNN = re.compile(r"(.*)=>\[KNN (\S+) @(\w+) \$(\w+) AS (\w+)\]", re.DOTALL)
TOKEN = re.compile(r'\(|\)|\||\*|@(\w+):(\{((?:\\.|[^}])*)\}|\(?"((?:\\.|[^"])*)"\)?)')
FLAGS = {"SORTABLE", "UNF", "NOINDEX", "NOSTEM", "CASESENSITIVE", "INDEXMISSING", "INDEXEMPTY"}
Row = dict[str, Any]


class RefusalError(Exception):
    """An error that the client is told."""


class RedisServer(SocketService):
    """A database of hashes and JSON documents, and indexes over them.

    Both versions of the protocol are spoken: maps are sent as maps in the third.
    """

    scheme = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, Row] = {}
        self.indexes: dict[str, Row] = {}
        self.places: dict[str, int] = {}  # of keys, which scans follow while others go

    def talk(self, reader: BufferedIOBase, writer: BufferedIOBase) -> bool:
        version = 2
        while arguments := _arguments(reader):
            name, *rest = arguments
            if name.upper() == b"HELLO":
                version = int(rest[0]) if rest else version
            with self.lock:
                try:
                    found = self._run(name.decode().upper(), rest)
                except RefusalError as refusal:
                    found = refusal
            writer.write(_encoded(found, version))
            writer.flush()
        return False

    def _run(self, name: str, rest: list[bytes]) -> Any:  # noqa: C901
        text = [part.decode(errors="replace") for part in rest]
        match name:
            case "HELLO":
                return {"server": "redis", "version": "8.2.0", "proto": int(text[0]), "modules": []}
            case "CLIENT" | "SELECT" | "PING" | "BGSAVE":
                return True
            case "INFO":
                return "redis_version:8.2.0\r\n"
            case "MODULE":
                return [{"name": "search", "ver": 80200}, {"name": "ReJSON", "ver": 80200}]
            case "HSET":
                row = self.rows.setdefault(text[0], {})
                row.update(zip(text[1::2], rest[2::2], strict=True))
                return len(rest) // 2
            case "HMGET":
                row = self.rows.get(text[0], {})
                return [row.get(field) for field in text[1:]]
            case "HGETALL":
                return dict(self.rows.get(text[0], {}))
            case "JSON.SET":
                self.rows[text[0]] = {"": json.loads(rest[2])}
                return True
            case "JSON.GET":
                return self._json(text[0], text[1] if text[1:] else None)
            case "DEL":
                return sum(self.rows.pop(key, None) is not None for key in text)
            case "EXISTS":
                return sum(key in self.rows for key in text)
            case "SCAN":
                return self._scan(text)
            case "FT.CREATE":
                self.indexes[text[0]] = _index(text)
                return True
            case "FT._LIST":
                return list(self.indexes)
            case "FT.INFO":
                return self._info(text[0])
            case "FT.SEARCH":
                return self._search(text, rest)
        raise AssertionError(f"unexpected command: {name} {text}")

    def _json(self, key: str, path: str | None) -> str | None:
        if key not in self.rows:
            return None
        held = self.rows[key][""]
        if path in (None, ".", "$"):
            return json.dumps([held] if path == "$" else held)
        field = json.loads(path.removeprefix("$[").removesuffix("]"))
        return json.dumps([held[field]] if field in held else [])

    def _scan(self, options: Sequence[str]) -> Any:
        at, given = int(options[0]), dict(zip(options[1::2], options[2::2], strict=True))
        size = int(given.get("COUNT", 10))
        for key in self.rows:
            self.places.setdefault(key, len(self.places))
        keys = [key for key in self.rows if self.places[key] >= at]
        again = [key for key in self.rows if self.places[key] == at - 1]  # as a scan may return
        is_json = given.get("TYPE", "hash").upper() == "REJSON-RL"
        pattern = re.sub(r"\\(.)", r"[\1]", given["MATCH"])
        page = again + keys[:size]
        found = [k for k in page if fnmatchcase(k, pattern) and ("" in self.rows[k]) == is_json]
        return [str(self.places[keys[size]] if size < len(keys) else 0), found]

    def _under(self, index: Row) -> list[str]:
        return [key for key in self.rows if key.startswith(tuple(index["prefixes"]))]

    def _info(self, name: str) -> Any:
        if name not in self.indexes:
            raise RefusalError(f"SEARCH_INDEX_NOT_FOUND Index not found: {name}")
        index = self.indexes[name]
        definition = {"key_type": index["on"], "prefixes": index["prefixes"], "default_score": "1"}
        return {
            "index_name": name,
            "index_options": [],
            "index_definition": definition,
            "attributes": [
                {"identifier": f["path"], "attribute": f["name"], "type": f["type"], **f["options"]}
                for f in index["fields"].values()
            ],
            "num_docs": len(self._under(index)),
        }

    def _search(self, text: Sequence[str], rest: Sequence[bytes]) -> Any:
        index, query = self.indexes[text[0]], text[1]
        knn = KNN.fullmatch(query)
        tree = _Query(knn[1] if knn else query)
        rows = {key: self._fields(index, key) for key in self._under(index)}
        found = [key for key, row in rows.items() if tree.admits(row)]
        scores: dict[str, float] = {}
        options = {part.upper(): at for at, part in enumerate(text)}
        offset, size = 0, 10
        if "LIMIT" in options:
            offset, size = (int(part) for part in text[options["LIMIT"] + 1 :][:2])
        if knn:
            scores = self._distances(index, {key: rows[key] for key in found}, knn, text, rest)
            count = int(_parameters(text, rest).get(knn[2].strip("$"), knn[2]))
            found = sorted(scores, key=lambda key: scores[key])[:count]
        wanted = None
        if "RETURN" in options:
            at = options["RETURN"] + 1
            wanted = text[at + 1 : at + 1 + int(text[at])]
        shown = []
        for key in found[offset : offset + size]:
            row = {**rows[key], **({knn[5]: str(scores[key])} if knn else {})}
            shown.append((key, {k: v for k, v in row.items() if wanted is None or k in wanted}))
        if "NOCONTENT" in options or size == 0:
            shown = [(key, {}) for key, _ in shown]
        return _Results(len(found), shown)

    def _fields(self, index: Row, key: str) -> Row:
        row = self.rows[key]
        return {str(k): v for k, v in row[""].items()} if "" in row else row

    def _distances(
        self, index: Row, rows: Mapping[str, Row], knn: Any, text: Any, rest: Any
    ) -> Any:
        field = index["fields"][knn[3]]["options"]
        kind, metric = DTYPES[field["data_type"]], METRICS[field["distance_metric"].upper()]
        query = np.frombuffer(_parameters(text, rest)[knn[4]], kind)
        held = {
            key: np.frombuffer(v, kind) if isinstance(v := row[knn[3]], bytes) else np.array(v)
            for key, row in rows.items()
            if row.get(knn[3]) is not None
        }
        return {
            key: -similarity_of(metric, query.tolist(), vector.tolist())
            + (0.0 if metric == "euclidean" else 1.0)
            for key, vector in held.items()
        }


class _Results:
    """What a search has found: the number of documents, and those of the page with fields."""

    def __init__(self, total: int, rows: Sequence[tuple[str, Row]]) -> None:
        self.total, self.rows = total, rows

    def shown(self, version: int) -> Any:
        if version == 3:
            results = [{"id": k, "extra_attributes": row, "values": []} for k, row in self.rows]
            about = {"attributes": [], "warning": [], "format": "STRING"}
            return {**about, "total_results": self.total, "results": results}
        return [self.total, *(part for key, row in self.rows for part in (key, row))]


class _Query:
    """A query: conditions side by side must all hold, between bars one of them."""

    def __init__(self, query: str) -> None:
        self.tokens = [found for found in TOKEN.finditer(query)]
        self.at = 0

    def admits(self, row: Row) -> bool:
        self.at = 0
        return self._any(row)

    def _any(self, row: Row) -> bool:
        found = self._all(row)
        while self.at < len(self.tokens) and self.tokens[self.at][0] == "|":
            self.at += 1
            found = self._all(row) or found
        return found

    def _all(self, row: Row) -> bool:
        found = True
        while self.at < len(self.tokens) and self.tokens[self.at][0] not in (")", "|"):
            token = self.tokens[self.at]
            self.at += 1
            if token[0] == "(":
                found = self._any(row) and found
                self.at += 1
            elif token[1]:
                found = self._holds(token, row) and found
        return found

    def _holds(self, token: Any, row: Row) -> bool:
        held = row.get(token[1], b"")
        held = held.decode() if isinstance(held, bytes) else str(held)
        wanted = [token[4]] if token[4] is not None else token[3].split("|")
        return held in [re.sub(r"\\(.)", r"\1", value) for value in wanted]


def _parameters(text: Sequence[str], rest: Sequence[bytes]) -> dict[str, bytes]:
    at = [part.upper() for part in text].index("PARAMS")
    n = int(text[at + 1])
    return dict(zip(text[at + 2 : at + 2 + n : 2], rest[at + 3 : at + 2 + n : 2], strict=True))


def _index(text: Sequence[str]) -> Row:
    """Return the index that FT.CREATE describes."""
    at = text.index("PREFIX")
    prefixes = list(text[at + 2 : at + 2 + int(text[at + 1])])
    parts, fields = list(text[text.index("SCHEMA") + 1 :]), {}
    while parts:
        path = name = parts.pop(0)
        if parts[0] == "AS":
            name = parts[1]
            del parts[:2]
        kind, options = parts.pop(0), {}
        if kind == "VECTOR":
            options["algorithm"], n = parts.pop(0), int(parts.pop(0))
            names = (part.lower() for part in parts[:n:2])
            options.update(
                zip(("data_type" if k == "type" else k for k in names), parts[1:n:2], strict=True)
            )
            del parts[:n]
        while parts and (parts[0] in FLAGS or parts[0] in ("SEPARATOR", "WEIGHT", "PHONETIC")):
            del parts[: 1 if parts[0] in FLAGS else 2]
        fields[name] = {"path": path, "name": name, "type": kind, "options": options}
    return {"on": text[text.index("ON") + 1], "prefixes": prefixes, "fields": fields}


def _arguments(reader: BufferedIOBase) -> list[bytes]:
    """Return the words of a command; none when the client has gone."""
    if not (head := reader.readline()):
        return []
    return [_word(reader) for _ in range(int(head[1:]))]


def _word(reader: BufferedIOBase) -> bytes:
    size = int(reader.readline()[1:])
    return reader.read(size + 2)[:size]


def _encoded(found: Any, version: int) -> bytes:  # noqa: C901
    match found:
        case RefusalError():
            return f"-{found}\r\n".encode()
        case _Results():
            return _encoded(found.shown(version), version)
        case True:
            return b"+OK\r\n"
        case None:
            return b"_\r\n" if version == 3 else b"$-1\r\n"
        case int():
            return f":{found}\r\n".encode()
        case str():
            return _encoded(found.encode(), version)
        case bytes():
            return f"${len(found)}\r\n".encode() + found + b"\r\n"
        case Mapping():
            parts = [part for pair in found.items() for part in pair]
            head = f"%{len(found)}\r\n" if version == 3 else f"*{len(parts)}\r\n"
            return head.encode() + b"".join(_encoded(part, version) for part in parts)
    return f"*{len(found)}\r\n".encode() + b"".join(_encoded(part, version) for part in found)
