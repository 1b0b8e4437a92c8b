"""Read vectors from a Milvus collection."""

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from query_adapters.stores.source import RawBlock, Record, batches, numbers_among, texts_of
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {"COSINE": "cosine", "IP": "dot", "L2": "euclidean"}
LOWEST = -(2**63) + 1  # of numbers as primary keys
MOST = 16_384  # rows that a server returns at once


@dataclass(frozen=True)
class MilvusSource:
    """A collection of a Milvus client: Milvus Lite, a server or Zilliz Cloud.

    A collection that is released, as each of Milvus Lite is when its file is opened, is loaded, as
    a search needs it.

    Args:
        client: The `pymilvus.MilvusClient`.
        collection: Name of the collection.
        vector_field: Its field of dense vectors.
        id_field: Its primary key.
        text_field: Its field of texts.
        partitions: The partitions that are searched; None for all.
    """

    client: Any
    collection: str
    vector_field: str
    id_field: str = "id"
    text_field: str = "text"
    partitions: Sequence[str] | None = None

    @property
    def similarity(self) -> Similarity | None:
        """What the index of the field ranks by; None before there is one."""
        if not self._exists():
            return None
        names = self.client.list_indexes(self.collection, field_name=self.vector_field)
        indices = [self.client.describe_index(self.collection, name) for name in names]
        metrics = [i["metric_type"] for i in indices if i["field_name"] == self.vector_field]
        return SIMILARITIES.get(metrics[0]) if metrics else None

    def count(self) -> int:
        """Return the number of entities."""
        if not self._exists():
            return 0
        counted = self.client.query(
            self.collection, filter=self._every, output_fields=["count(*)"], **self._where
        )
        return int(counted[0]["count(*)"])

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield entities, in one pass, or those of the ids."""
        size = min(batch_size, MOST)
        if self._exists():
            yield from self._iterate(size) if ids is None else self._by_id(ids, size)

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and the other fields by id."""
        return {str(row[self.id_field]): self._record(row) for row in self.rows(ids)}

    def rows(self, ids: Sequence[str], *, admits: str | None = None) -> list[dict[str, Any]]:
        """Return all fields of those entities that an expression admits."""
        if not self._exists():
            return []
        return [dict(row) for row in self._get(self._keys(ids), "*", admits)]

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; entities without a text are left out."""
        return texts_of(self.records(ids))

    def _record(self, row: dict[str, Any]) -> Record:
        others = {key: row[key] for key in row if key not in (self.vector_field, self.text_field)}
        return Record(row.get(self.text_field) or "", others)

    def _iterate(self, batch_size: int) -> Generator[RawBlock, None, None]:
        iterator = self.client.query_iterator(
            self.collection,
            batch_size=batch_size,
            output_fields=[self.id_field, self.vector_field],
            **self._where,
        )
        with closing(iterator):
            while rows := iterator.next():
                yield self._block(rows)

    def _by_id(self, ids: Sequence[str], batch_size: int) -> Generator[RawBlock, None, None]:
        for keys in batches(self._keys(ids), batch_size):
            yield self._block(self._get(keys, self.vector_field))

    def _get(self, keys: Sequence[Any], field: str, admits: str | None = None) -> Sequence[Any]:
        if not keys:
            return []
        among = f"{self.id_field} in {json.dumps(list(keys), ensure_ascii=False)}"
        found: Sequence[Any] = self.client.query(  # `get` does not escape quotation marks
            self.collection,
            filter=f"({admits}) and {among}" if admits else among,
            output_fields=[self.id_field, field],
            **self._where,
        )
        return found

    def _block(self, rows: Sequence[Any]) -> RawBlock:
        return [str(row[self.id_field]) for row in rows], [row[self.vector_field] for row in rows]

    def _keys(self, ids: Sequence[str]) -> list[Any]:
        """Return the ids as the collection holds them; those that it cannot hold are left out."""
        if not self._is_numbered:
            return list(ids)
        return numbers_among(ids)

    @property
    def _every(self) -> str:
        """A filter that admits all entities: without one, Milvus Lite counts all partitions."""
        if not self.partitions:
            return ""
        return f"{self.id_field} >= {LOWEST}" if self._is_numbered else f'{self.id_field} >= ""'

    @property
    def _is_numbered(self) -> bool:
        fields = self.client.describe_collection(self.collection)["fields"]
        kind = next(field["type"] for field in fields if field.get("is_primary"))
        return bool(kind.name == "INT64")

    def _exists(self) -> bool:
        if not self.client.has_collection(self.collection):
            return False
        if self.client.get_load_state(self.collection)["state"].name != "Loaded":
            self.client.load_collection(self.collection)
        return True

    @property
    def _where(self) -> dict[str, Any]:
        return {"partition_names": list(self.partitions)} if self.partitions else {}
