"""Vectors out of a PostgreSQL table with pgvector."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sql
from pgvector.sqlalchemy import Vector
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from query_adapters.stores.source import RawBlock
from query_adapters.typing import Similarity

HEADER = 4  # bytes: the dimension and an unused field, before big-endian float32 numbers


@dataclass(frozen=True, eq=False)
class PostgresSource:
    """A column of vectors, `vector` or `halfvec`.

    Args:
        engine: A synchronous SQLAlchemy engine.
        ids: The column of ids.
        vectors: The column of vectors.
        similarity: What the store's queries order by.
        where: Which rows are the store's; all by default.
    """

    engine: sql.Engine
    ids: sql.ColumnElement[Any]
    vectors: sql.ColumnElement[Any]
    similarity: Similarity | None
    where: sql.ColumnElement[bool] | None = None

    def count(self) -> int:
        """Return the number of rows."""
        with self.engine.connect() as connection:
            counted = connection.execute(self._of_store(sql.select(sql.func.count(self.ids))))
            return int(counted.scalar_one())

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows of one snapshot, in one pass over the table."""
        key = sql.cast(self.ids, sql.Text)
        # pgvector's own binary form: any driver takes it, and parsing text takes ten times longer
        vector = sql.func.vector_send(sql.cast(self.vectors, Vector()), type_=sql.LargeBinary)
        query = self._of_store(sql.select(key, vector))
        if ids is not None:
            query = query.where(key == sql.any_(sql.cast(list(ids), ARRAY(sql.Text))))
        with (
            self.engine.connect() as connection,
            connection.execution_options(yield_per=batch_size).execute(query) as rows,
        ):
            for block in rows.partitions():
                yield [row[0] for row in block], [_numbers(row[1]) for row in block]

    def _of_store(self, query: sql.Select[Any]) -> sql.Select[Any]:
        return query if self.where is None else query.where(self.where)


def table(name: str, *columns: str, schema: str | None = None) -> sql.TableClause:
    """Return the table of a store, with those of its columns that are read."""
    return sql.table(name, *(sql.column(c, sql.types.NullType()) for c in columns), schema=schema)


def synchronous(engine: AsyncEngine) -> sql.Engine:
    """Return an engine on the same database that keeps no connection open."""
    url = engine.url.set(drivername="postgresql+psycopg")
    return sql.create_engine(url, poolclass=sql.NullPool)


def _numbers(sent: bytes | memoryview | None) -> Any:
    return None if sent is None else np.frombuffer(sent, dtype=">f4", offset=HEADER)
