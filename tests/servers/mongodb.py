"""A server with the part of MongoDB's wire protocol and commands that vector stores use."""

import struct
from collections.abc import Callable, Mapping, Sequence
from io import BufferedIOBase
from itertools import count
from typing import Any

from tests.servers.sockets import SocketService
from tests.servers.vector_services import similarity_of

METRICS = {"cosine": "cosine", "dotProduct": "dot", "euclidean": "euclidean"}
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = {
    "helloOk": True,
    "isWritablePrimary": True,
    "ismaster": True,
    "maxBsonObjectSize": 2**24,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "logicalSessionTimeoutMinutes": 30,
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "readOnly": False,
}
Row = dict[str, Any]


class MongoDBServer(SocketService):
    """A database whose collections have search indexes, as one of Atlas.

    Attributes:
        cursors: Rows that open cursors have yet to return.
        lists_indexes: Whether it lists search indexes, as servers without Atlas Search do not.
    """

    scheme = "mongodb"

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[Any, Row]] = {}
        self.indexes: dict[str, list[Row]] = {}
        self.cursors: dict[int, list[Row]] = {}
        self.lists_indexes = True
        self._numbers = count(1)

    def talk(self, reader: BufferedIOBase, writer: BufferedIOBase) -> bool:
        import bson

        head = reader.read(16)
        if len(head) < 16:
            return False
        length, request, _, kind = struct.unpack("<iiii", head)
        content = reader.read(length - 16)
        if kind == OP_QUERY:  # the first greeting of a client
            answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode({**HELLO, "ok": 1.0})
            writer.write(struct.pack("<iiii", 16 + len(answer), 0, request, OP_REPLY) + answer)
            return True
        assert kind == OP_MSG, kind
        with self.lock:
            found = self._run(_command_of(content))
        answer = struct.pack("<iB", 0, 0) + bson.encode({"ok": 1.0, **found})
        writer.write(struct.pack("<iiii", 16 + len(answer), 0, request, OP_MSG) + answer)
        return True

    def _run(self, command: Row) -> Row:  # noqa: C901
        name = next(iter(command))
        at: Any = command[name]
        match name.lower():
            case "hello" | "ismaster":
                return HELLO
            case "ping" | "endsessions" | "killcursors" | "create" | "createindexes":
                for cursor in command.get("cursors", ()):
                    self.cursors.pop(cursor, None)
                return {}
            case "listcollections":
                return self._page("$cmd", [{"name": key} for key in self.rows], command)
            case "insert":
                self.rows.setdefault(at, {}).update((r["_id"], r) for r in command["documents"])
                return {"n": len(command["documents"])}
            case "update":
                return self._replace(at, command["updates"])
            case "delete":
                gone = [r for part in command["deletes"] for r in self._found(at, part["q"])]
                for row in gone:
                    self.rows[at].pop(row["_id"], None)
                return {"n": len(gone)}
            case "find":
                found = self._found(at, command["filter"])
                if command.get("sort") == {"_id": 1}:
                    found.sort(key=lambda row: (str(type(row["_id"])), row["_id"]))
                rows = [_projected(row, command.get("projection")) for row in found]
                return self._page(at, rows, command)
            case "getmore":
                return self._more(at, command["batchSize"])
            case "createsearchindexes":
                named = [{**index, "status": "READY"} for index in command["indexes"]]
                self.indexes.setdefault(at, []).extend(named)
                return {
                    "indexesCreated": [{"id": n, "name": i["name"]} for n, i in enumerate(named)]
                }
            case "aggregate":
                return self._aggregate(at, command)
        raise AssertionError(f"unexpected command: {command}")

    def _replace(self, name: str, updates: Sequence[Row]) -> Row:
        rows = self.rows.setdefault(name, {})
        new = [part for part in updates if part["q"]["_id"] not in rows]
        rows.update((part["q"]["_id"], part["u"]) for part in updates)
        upserted = [{"index": updates.index(part), "_id": part["q"]["_id"]} for part in new]
        return {"n": len(updates), "nModified": len(updates) - len(new), "upserted": upserted}

    def _found(self, name: str, wanted: Mapping[str, Any]) -> list[Row]:
        return [row for row in self.rows.get(name, {}).values() if admits(wanted, row)]

    def _aggregate(self, name: str, command: Row) -> Row:  # noqa: C901
        found = list(self.rows.get(name, {}).values())
        for stage in command["pipeline"]:
            (operator, options) = next(iter(stage.items()))
            match operator:
                case "$listSearchIndexes":
                    if not self.lists_indexes:
                        message = "$listSearchIndexes is only allowed on Atlas"
                        return {"ok": 0.0, "code": 115, "errmsg": message}
                    found = [
                        {"name": i["name"], "status": i["status"],
                         "latestDefinition": i["definition"]}
                        for i in self.indexes.get(name, ())
                        if options.get("name") in (None, i["name"])
                    ]  # fmt: skip
                case "$match":
                    found = [row for row in found if admits(options, row)]
                case "$group":
                    found = [{"_id": 1, "n": len(found)}] if found else []
                case "$vectorSearch":
                    found = self._nearest(name, options)
                case "$project":
                    found = [_projected(row, options) for row in found]
                case "$set":
                    assert options == {"score": {"$meta": "vectorSearchScore"}}
                case _:
                    raise AssertionError(f"unexpected stage: {stage}")
        return self._page(name, found, command["cursor"])

    def _nearest(self, name: str, options: Row) -> list[Row]:
        index = next(i for i in self.indexes[name] if i["name"] == options["index"])
        fields = index["definition"]["fields"]
        metric = next(f["similarity"] for f in fields if f["path"] == options["path"])
        filtered = {field["path"] for field in fields if field["type"] == "filter"}
        assert set(_paths(options.get("filter") or {})) <= filtered, "a path is not indexed"
        scored = [
            {
                **row,
                "score": similarity_of(
                    METRICS[metric], options["queryVector"], row[options["path"]]
                ),
            }
            for row in self._found(name, options.get("filter") or {})
            if row.get(options["path"]) is not None
        ]
        return sorted(scored, key=lambda row: -row["score"])[: options["limit"]]

    def _page(self, name: str, rows: list[Row], options: Mapping[str, Any]) -> Row:
        size = options.get("batchSize", 101)
        number = next(self._numbers) if len(rows) > size else 0
        if number:
            self.cursors[number] = rows[size:]
        return {"cursor": {"id": number, "ns": f"db.{name}", "firstBatch": rows[:size]}}

    def _more(self, number: int, size: int) -> Row:
        import bson

        rows = self.cursors.pop(number)
        if len(rows) > size:
            self.cursors[number] = rows[size:]
        held = bson.Int64(number if number in self.cursors else 0)
        return {"cursor": {"id": held, "ns": "db.any", "nextBatch": rows[:size]}}


def _command_of(content: bytes) -> Row:
    """Return the command of an OP_MSG, whose second kind of section holds a list of documents."""
    import bson

    command: Row = {}
    at = 4
    while at < len(content):
        kind, at = content[at], at + 1
        (size,) = struct.unpack_from("<i", content, at)
        if kind == 0:
            command = {**bson.decode(content[at : at + size]), **command}
        else:
            end = content.index(b"\0", at + 4)
            command[content[at + 4 : end].decode()] = bson.decode_all(content[end + 1 : at + size])
        at += size
    return command


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda held, wanted: bool(held == wanted),
    "$ne": lambda held, wanted: bool(held != wanted),
    "$in": lambda held, wanted: held in wanted,
}


def admits(query: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Return whether a row satisfies a query."""
    for key, wanted in query.items():
        if key == "$and":
            if not all(admits(part, row) for part in wanted):
                return False
        else:
            held: Any = row
            for part in key.split("."):
                held = held.get(part) if isinstance(held, Mapping) else None
            tests = wanted if isinstance(wanted, Mapping) else {"$eq": wanted}
            if not all(TESTS[name](held, value) for name, value in tests.items()):
                return False
    return True


def _paths(query: Mapping[str, Any]) -> list[str]:
    parts = [part for inner in query.get("$and", ()) for part in _paths(inner)]
    return [*parts, *(key for key in query if key != "$and")]


def _projected(row: Row, fields: Mapping[str, Any] | None) -> Row:
    if not fields:
        return row
    if any(fields.values()):
        return {key: row[key] for key in row if key in fields or key == "_id"}
    return {key: row[key] for key in row if key not in fields}
