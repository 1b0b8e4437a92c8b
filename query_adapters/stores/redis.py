"""Read vectors from an index of Redis with its search module."""

import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from query_adapters.stores.source import RawBlock, Record, batches, loaded, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {"COSINE": "cosine", "IP": "dot", "L2": "euclidean"}
DTYPES = {
    "BFLOAT16": "<u2",
    "FLOAT16": "<f2",
    "FLOAT32": "<f4",
    "FLOAT64": "<f8",
    "INT8": "i1",
    "UINT8": "u1",
}
MISSING = re.compile("unknown index name|no such index|index not found", re.IGNORECASE)
GLOB = re.compile(r"[*?\[\]^\\]")


@dataclass(frozen=True, kw_only=True)
class RedisSource:
    """The documents under the prefix of an index: hashes, or documents of JSON.

    Keys are scanned, which takes as long as the database has keys, those of others included.

    Args:
        client: The `redis.Redis`.
        index: Name of the index.
        prefix: What all keys of the index begin with; the rest is the id.
        vector_field: The field of vectors.
        text_field: The field of texts.
        metadata_field: The field of metadata as JSON; None if they stand in fields of their own.
        is_json: Whether documents are JSON.
    """

    client: Any
    index: str
    prefix: str
    vector_field: str
    text_field: str
    metadata_field: str | None = None
    is_json: bool = False

    @property
    def similarity(self) -> Similarity | None:
        """What the index ranks by; None before there is one."""
        return SIMILARITIES.get(self._declared.get("distance_metric", "").upper())

    def count(self) -> int:
        """Return the number of documents that are indexed."""
        return int(self._info().get("num_docs", 0))

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows in one scan, or those of the ids; documents that go meanwhile are left out."""
        if not self._info():
            return
        kind = self._declared.get("data_type", "FLOAT32").upper()
        pages = self._scan(batch_size) if ids is None else batches(ids, batch_size)
        for keys in pages:
            found = zip(keys, self._vectors(keys), strict=True)
            rows = [(key, held) for key, held in found if held is not None or self._holds(key)]
            yield [key for key, _ in rows], [_numbers(held, kind) for _, held in rows]

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and metadata by id."""
        rows = zip(ids, self._documents(ids), strict=True)
        return {key: self._record(row) for key, row in rows if row}

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; documents without a text are left out."""
        return texts_of(self.records(ids))

    def _scan(self, size: int) -> Iterator[list[str]]:
        """Yield ids; a scan may return a key twice."""
        pattern = GLOB.sub(lambda found: f"\\{found[0]}", self.prefix) + "*"
        kind = "ReJSON-RL" if self.is_json else "HASH"
        keys = map(_text, self.client.scan_iter(match=pattern, count=size, _type=kind))
        once = _each_once(key for key in keys if isinstance(key, str))  # an id is text
        while page := list(islice(once, size)):
            yield [key.removeprefix(self.prefix) for key in page]

    def _vectors(self, ids: Sequence[str]) -> list[Any]:
        if self.is_json:
            path = f"$[{json.dumps(self.vector_field)}]"
            found = self._each("JSON.GET", ids, path)
            return [next(iter(_parsed(held) or ()), None) for held in found]
        return [row[0] for row in self._each("HMGET", ids, self.vector_field)]

    def _documents(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return documents without their vectors; empty for those that are missing."""
        if self.is_json:
            rows = [_parsed(held) or {} for held in self._each("JSON.GET", ids)]
        else:
            rows = [_pairs(held) for held in self._each("HGETALL", ids)]
        return [
            {key: _text(value) for key, value in row.items() if key != self.vector_field}
            for row in rows
        ]

    def _record(self, row: dict[str, Any]) -> Record:
        text, metadata = row.pop(self.text_field, ""), row
        if self.metadata_field in row:
            metadata = loaded(row[self.metadata_field])
        return Record(text, metadata)

    def _each(self, command: str, ids: Sequence[str], *options: str) -> list[Any]:
        """Return what a command answers for each id, as bytes whatever the client decodes."""
        with self.client.pipeline(transaction=False) as pipe:
            for key in ids:
                pipe.execute_command(command, self.prefix + key, *options, NEVER_DECODE=True)
            found: list[Any] = pipe.execute()
        return found

    def _holds(self, key: str) -> bool:
        return bool(self.client.exists(self.prefix + key))

    def _info(self) -> dict[str, Any]:
        """Return what the server says of the index; empty if there is none."""
        from redis.exceptions import ResponseError

        try:
            return _pairs(self.client.execute_command("FT.INFO", self.index))
        except ResponseError as error:
            if MISSING.search(str(error)):
                return {}
            raise

    @property
    def _declared(self) -> dict[str, str]:
        """What the server says of the field of vectors."""
        attributes = [_pairs(found) for found in self._info().get("attributes", ())]
        named = (a for a in attributes if _text(a.get("attribute")) == self.vector_field)
        return {key: _text(value) for key, value in next(named, {}).items()}


def _each_once(keys: Iterable[str]) -> Iterator[str]:
    known: set[str] = set()
    for key in keys:
        if key not in known:
            known.add(key)
            yield key


def _numbers(held: Any, kind: str) -> Any:
    """Return the numbers of a vector: a list in JSON, bytes in a hash."""
    if not isinstance(held, bytes):
        return held
    if len(held) % np.dtype(DTYPES[kind]).itemsize:
        return held  # no vector: `read_blocks` names the document
    numbers = np.frombuffer(held, DTYPES[kind])
    if kind == "BFLOAT16":  # the upper half of a float32
        return (numbers.astype("<u4") << 16).view("<f4")
    return numbers


def _parsed(held: Any) -> Any:
    """Return what a server sends as JSON; clients parse it once `client.json()` has been called."""
    return json.loads(held) if isinstance(held, bytes | str) else held


def _pairs(found: Any) -> dict[str, Any]:
    """Return keys and values, which servers send as a map or one after another."""
    if not isinstance(found, Mapping):
        found = dict(zip(found[::2], found[1::2], strict=False))
    return {_text(key): value for key, value in found.items()}


def _text(value: Any) -> Any:
    """Return bytes as text; those of another field of vectors stay bytes."""
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        return value
