"""Read vectors from a LanceDB table."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from query_adapters.stores.source import RawBlock, batches
from query_adapters.typing import Similarity

SIMILARITIES: dict[str, Similarity] = {"cosine": "cosine", "dot": "dot", "l2": "euclidean"}


@dataclass(frozen=True)
class LanceSource:
    """A LanceDB table.

    Args:
        table: The table; None if there is none yet.
        vector_column: Its column of vectors.
        id_column: Its column of ids.
    """

    table: Any
    vector_column: str = "vector"
    id_column: str = "id"

    @property
    def similarity(self) -> Similarity | None:
        """What its vector index ranks by; without one, Euclidean distance."""
        indices = [] if self.table is None else self.table.list_indices()
        for index in indices:
            if list(index.columns) == [self.vector_column]:
                distance = self.table.index_stats(index.name).distance_type
                return SIMILARITIES.get(str(distance).lower())
        return "euclidean"

    def count(self) -> int:
        """Return the number of rows."""
        return 0 if self.table is None else int(self.table.count_rows())

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows of one version of the table, or those of the ids."""
        if self.table is None:
            return
        parts: Iterable[Sequence[str] | None] = [None] if ids is None else batches(ids, batch_size)
        for keys in parts:
            search = self.table.search().select([self.id_column, self.vector_column])
            search = search if keys is None else search.where(is_among(self.id_column, keys))
            for batch in search.to_batches(batch_size):
                vectors = batch.column(self.vector_column).to_numpy(zero_copy_only=False)
                yield batch.column(self.id_column).to_pylist(), list(vectors)


def is_among(column: str, ids: Sequence[str]) -> str:
    """Return the condition that a row's id is one of these."""
    quoted = ", ".join("'" + key.replace("'", "''") + "'" for key in ids)
    return f"{column} IN ({quoted})"
