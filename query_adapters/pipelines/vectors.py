"""Vectors in Parquet files as the documents of a search, of which memory holds a block."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters.errors import InvalidDatasetError
from query_adapters.pipelines.batches import vectors_of
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.text.shown import listed
from query_adapters.typing import Rows, Vectors


@dataclass(frozen=True)
class ParquetVectors:
    """Document vectors in Parquet files; every `for` reads their blocks from the start.

    `search_blocks` and `evaluate_blocks` take them as documents.

    Args:
        source: A file or a folder, which every worker of a cluster can read.
        vector_column: Column of the vectors, lists of numbers.
        id_column: Column of the ids, texts or whole numbers; None to count rows from 0.
        block_rows: Documents in a block.
    """

    source: str | Path
    _: KW_ONLY
    vector_column: str = "vector"
    id_column: str | None = "id"
    block_rows: int = 32_768

    @cached_property
    def rows(self) -> ParquetRows:
        """The files, of which the footers are read.

        Raises:
            FileNotFoundError: If there is no such file or folder.
            InvalidDatasetError: If it holds no rows, or a file lacks a column.
        """
        found = ParquetRows(self.source)
        found.check_columns([self.vector_column, *([self.id_column] if self.id_column else [])])
        return found

    @property
    def dim(self) -> int:
        """Length of the vectors, from the footers of all files."""
        return self.rows.dim(self.vector_column)

    @property
    def identity(self) -> dict[str, Any]:
        """What the documents of a search are, for the record of a run."""
        columns = {"vectors": self.vector_column, "ids": self.id_column}
        return {"fingerprint": self.rows.fingerprint, **columns, "block_rows": self.block_rows}

    def __iter__(self) -> Iterator[Vectors]:
        """Yield blocks of vectors, `(n, dim)`."""
        for table in self._read(self.vector_column):
            yield vectors_of(table, self.vector_column)

    def rows_of(self, ids: Any) -> Rows:
        """Return the row of each document; `ids` is an Arrow array of distinct ids.

        Raises:
            InvalidDatasetError: If a document is missing, or there twice.
        """
        from pyarrow import compute

        if self.id_column is None:
            return self._as_rows(ids)
        rows, counts, first = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64), 0
        for found in self._ids():
            places = compute.index_in(found, value_set=self._cast(ids, found.type))
            here = compute.is_valid(places).to_numpy(zero_copy_only=False).nonzero()[0]
            which = places.drop_null().to_numpy()
            rows[which] = first + here
            np.add.at(counts, which, 1)
            first += len(found)
        self._check(ids, counts)
        return rows

    def ids_at(self, rows: Rows) -> Any:
        """Return the ids of the rows, `(n,)`, as an Arrow array."""
        import pyarrow as pa

        if self.id_column is None:
            return pa.array(rows)
        wanted, place = np.unique(rows, return_inverse=True)
        first, parts = 0, []
        for found in self._ids():
            low, high = np.searchsorted(wanted, [first, first + len(found)])
            parts.append(found.take(pa.array(wanted[low:high] - first)))
            first += len(found)
        return pa.concat_arrays(parts).take(pa.array(place))

    def _ids(self) -> Iterator[Any]:
        """Yield the ids of one block after the other, as Arrow arrays."""
        name = str(self.id_column)
        for table in self._read(name):
            yield table.column(name).combine_chunks()

    def _read(self, column: str) -> Iterator[Any]:
        for block in self.rows.blocks(1 << 62):
            yield from self.rows.read(block, [column], batch_rows=self.block_rows)

    def _cast(self, ids: Any, kind: Any) -> Any:
        """Return the ids in the type of the documents' ids."""
        import pyarrow as pa

        try:
            return ids.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as exc:
            raise InvalidDatasetError(
                f"ids of documents: expected {kind}, as in {self.source}, got {ids.type}; write "
                "both with one type"
            ) from exc

    def _as_rows(self, ids: Any) -> Rows:
        import pyarrow as pa

        rows: Rows = self._cast(ids, pa.int64()).to_numpy()
        counts = ((rows >= 0) & (rows < self.rows.n_rows)).astype(np.int64)
        self._check(ids, counts)
        return rows

    def _check(self, ids: Any, counts: Rows) -> None:
        for count, problem in ((counts == 0, "missing"), (counts > 1, "there more than once")):
            if count.any():
                names = [repr(ids[int(row)].as_py()) for row in count.nonzero()[0]]
                raise InvalidDatasetError(
                    f"{self.source}: expected each relevant document once in column "
                    f"{self.id_column!r}; {problem}: {listed(names)}; correct the ids, or name "
                    "the right column"
                )
