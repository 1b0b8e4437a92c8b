"""Read vectors from a virtual table of sqlite-vec."""

import json
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores.source import RawBlock, Record, batches, loaded, numbers_among, texts_of
from query_adapters.typing import Similarity

DTYPES = {"float": "<f4", "f32": "<f4", "int8": "i1", "i8": "i1"}
SIMILARITIES: dict[str, Similarity] = {"cosine": "cosine", "l2": "euclidean"}


@dataclass(frozen=True, eq=False)
class SQLiteVecSource:
    """A `vec0` table; its rows are numbered, or have a TEXT PRIMARY KEY.

    Args:
        connection: The `sqlite3.Connection`, with the extension loaded.
        table: Name of the virtual table.
        vector_column: Its column of vectors.
        id_column: Its column of ids.
        texts_from: Table and column of the texts, joined by `rowid`; None without texts.
        metadata_column: Column of metadata as JSON in the table of texts; None without metadata.
    """

    connection: Any
    table: str
    vector_column: str = "embedding"
    id_column: str = "rowid"
    texts_from: tuple[str, str] | None = None
    metadata_column: str | None = None

    @property
    def similarity(self) -> Similarity | None:
        """What the column is declared to rank by; by default Euclidean distance."""
        stated = re.search(r"distance_metric\s*=\s*(\w+)", self._declared[1])
        return SIMILARITIES.get(stated[1].lower() if stated else "l2")

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._run("SELECT COUNT(*) FROM {table}").fetchone()[0])

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows by id, because a pass over the table fails when rows are deleted meanwhile.

        Raises:
            UnreadableStoreError: If the column holds bits.
        """
        dtype = self._dtype()
        keys = self._all_keys() if ids is None else self._keys(ids)
        query = (  # a join by id: `IN` would pass over the whole table for each block
            "SELECT {table}.{id}, {table}.{vector} FROM json_each(?) AS wanted "
            "CROSS JOIN {table} ON {table}.{id} = wanted.value"
        )
        for batch in batches(keys, batch_size):
            rows = self._run(query, json.dumps(batch)).fetchall()
            yield [str(row[0]) for row in rows], [np.frombuffer(row[1], dtype) for row in rows]

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and metadata by id; none without a table of texts."""
        if self.texts_from is None:
            return {}
        table, text = map(_quoted, self.texts_from)
        metadata = "NULL" if self.metadata_column is None else _quoted(self.metadata_column)
        query = (
            f"SELECT rowid, {text}, {metadata} FROM {table} "  # noqa: S608
            "WHERE rowid IN (SELECT value FROM json_each(?))"
        )
        found = self.connection.execute(query, (json.dumps(self._keys(ids)),))
        return {str(row[0]): Record(row[1] or "", loaded(row[2])) for row in found}

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; rows without a text are left out."""
        return texts_of(self.records(ids))

    def _run(self, query: str, *values: str) -> Any:
        names = {"table": self.table, "id": self.id_column, "vector": self.vector_column}
        quoted = {place: _quoted(name) for place, name in names.items()}
        return self.connection.execute(query.format(**quoted), values)

    def _all_keys(self) -> list[Any]:
        return [row[0] for row in self._run("SELECT {id} FROM {table}")]

    def _keys(self, ids: Sequence[str]) -> list[Any]:
        """Return the ids as the table holds them; those that it cannot hold are left out."""
        if self.id_column != "rowid":
            return list(ids)
        return numbers_among(ids)

    @cached_property
    def _declared(self) -> tuple[str, str]:
        """The element type of the column, and the options that follow it in its declaration."""
        query = "SELECT sql FROM sqlite_master WHERE name = ?"
        row = self.connection.execute(query, (self.table,)).fetchone()
        pattern = rf"\b{re.escape(self.vector_column)}\W+(\w+)\s*\[\s*\d+\s*\]([^,)]*)"
        found = re.search(pattern, row[0] if row else "", re.IGNORECASE)
        return (found[1].lower(), found[2]) if found else ("", "")

    def _dtype(self) -> str:
        kind = self._declared[0]
        if kind not in DTYPES:
            raise UnreadableStoreError(
                f"sqlite-vec table {self.table!r}, column {self.vector_column!r} of {kind or '?'}",
                expected="a column of float or int8 vectors",
                remedy="pass the float vectors as blocks of (ids, vectors), or embed the labelled "
                "documents again",
            )
        return DTYPES[kind]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
