"""Read vectors from a DuckDB table."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from query_adapters.stores.source import RawBlock, Record, batches, loaded, texts_of
from query_adapters.typing import Similarity


@dataclass(frozen=True, eq=False)
class DuckDBSource:
    """A table of a DuckDB database, read by Arrow batches (DuckDB needs pyarrow for them).

    Args:
        connection: The `duckdb.DuckDBPyConnection`; each read has a cursor of its own.
        table: Name of the table.
        id_column: Its column of ids, VARCHAR.
        vector_column: Its column of vectors, `FLOAT[]` or `FLOAT[dim]`.
        text_column: Its column of texts.
        metadata_column: Its column of metadata as JSON; None without metadata.
        similarity: What the store's queries order by; a table does not state it.
    """

    connection: Any
    table: str
    id_column: str = "id"
    vector_column: str = "embedding"
    text_column: str = "text"
    metadata_column: str | None = None
    similarity: Similarity | None = "cosine"

    def count(self) -> int:
        """Return the number of rows."""
        with closing(self.connection.cursor()) as cursor:
            return int(cursor.table(self.table).count("*").fetchone()[0])

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows of one snapshot, in one pass, or those of the ids."""
        parts: Iterable[Sequence[str] | None] = [None] if ids is None else batches(ids, batch_size)
        with closing(self.connection.cursor()) as cursor:
            for keys in parts:
                rows = self._columns(cursor, keys, self.vector_column)
                reader = getattr(rows, "to_arrow_reader", None) or rows.fetch_arrow_reader  # < 2.0
                for batch in reader(batch_size):
                    vectors = batch.column(1).to_numpy(zero_copy_only=False)
                    yield batch.column(0).to_pylist(), list(vectors)

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        """Return texts and metadata by id."""
        if not ids:
            return {}
        columns = [self.text_column, *filter(None, [self.metadata_column])]
        with closing(self.connection.cursor()) as cursor:
            found = self._columns(cursor, ids, *columns).fetchall()
        return {key: Record(text or "", loaded(*held)) for key, text, *held in found}

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the texts by id; rows without a text are left out."""
        return texts_of(self.records(ids))

    def _columns(self, cursor: Any, ids: Sequence[str] | None, *columns: str) -> Any:
        from duckdb import ColumnExpression, ConstantExpression

        key, rows = ColumnExpression(self.id_column), cursor.table(self.table)
        if ids is not None:
            rows = rows.filter(key.isin(*map(ConstantExpression, ids)))
        return rows.select(key, *map(ColumnExpression, columns))
