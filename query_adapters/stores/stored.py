"""Collect all vectors of a store in one matrix, in memory or in a memory-mapped file."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from query_adapters.data.units import Units, check_units
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.files.atomic import naming, replacing
from query_adapters.stores.source import RawBlock, batches
from query_adapters.typing import Similarity, Vectors

Block = tuple[Sequence[str], Vectors]


@dataclass(frozen=True, eq=False)
class StoredVectors:
    """Vectors of an index in one matrix; a `VectorSource` themselves.

    Attributes:
        ids: Ids of its documents.
        vectors: Their vectors, `(len(ids), dim)`.
        n_stored: Number of documents in the index, or of units, if these are a sample.
        similarity: What the index ranks by, if known.
        units: The units that labels are on, if a document has several vectors; None if labels
            are on the ids themselves.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    n_stored: int | None = None
    similarity: Similarity | None = None
    units: Units | None = None

    def __post_init__(self) -> None:
        if not self.ids or self.vectors.shape[:1] != (len(self.ids),):
            raise InvalidVectorsError(
                f"index: expected at least one stored vector and one id per vector, "
                f"got {len(self.ids)} ids and vectors of shape {self.vectors.shape}"
            )
        _check_unique(self.ids)
        if self.units is not None:
            check_units(self.units.unit_of, len(self.ids), n_units=len(self.units.ids))

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """The row of each id."""
        return {key: row for row, key in enumerate(self.ids)}

    @property
    def labels(self) -> Mapping[str, int]:
        """The row of each id that a label may name; with units, the number of each unit."""
        return self.row_of if self.units is None else self.units.number_of

    @property
    def unit_of(self) -> Mapping[str, str]:
        """The unit of each id; without units, itself."""
        if self.units is None:
            return dict(zip(self.ids, self.ids, strict=True))
        names = self.units.ids
        return {key: names[n] for key, n in zip(self.ids, self.units.unit_of, strict=True)}

    @property
    def dim(self) -> int:
        """Length of one vector."""
        return int(self.vectors.shape[1])

    def count(self) -> int:
        """Return the number of vectors."""
        return len(self.ids)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield blocks of rows, as every `VectorSource` does."""
        known = self.ids if ids is None else [key for key in ids if key in self.row_of]
        for keys in batches(known, batch_size):
            yield keys, self.vectors[[self.row_of[key] for key in keys]]


def gather(blocks: Iterable[Block], *, path: str | Path | None = None) -> StoredVectors:
    """Return the blocks as one matrix, without a second copy in memory.

    Args:
        blocks: Ids and vectors `(n, dim)`, as `stored_vectors` of either integration yields them.
        path: A `.npy` file to write the vectors to and to memory-map; it is renamed into place when
            complete. By default vectors are held in memory.

    Raises:
        InvalidVectorsError: If there is no vector, or an id occurs twice.
        DimensionMismatchError: If blocks differ in dimension.
    """
    return _in_memory(blocks) if path is None else _on_disk(blocks, Path(path))


def _in_memory(blocks: Iterable[Block]) -> StoredVectors:
    ids: list[str] = []
    matrix = np.empty((0, 0), dtype=np.float32)
    for keys, vectors in blocks:
        start, end, dim = len(ids), len(ids) + len(keys), vectors.shape[1]
        if start == 0:
            matrix = np.empty((0, dim), dtype=np.float32)
        _check_dim(keys, expected=matrix.shape[1], actual=dim)
        if end > len(matrix):  # grows by an eighth, so that growing costs O(n)
            matrix.resize((max(end, start + start // 8), dim), refcheck=False)
        matrix[start:end] = vectors
        ids += keys
    matrix.resize((len(ids), matrix.shape[1]), refcheck=False)
    return StoredVectors(tuple(ids), matrix)


def _on_disk(blocks: Iterable[Block], path: Path) -> StoredVectors:
    with naming(path), replacing(path) as file:
        ids, shape = _write(blocks, file)
        if not ids:
            return StoredVectors((), np.empty(shape, dtype=np.float32))
    return StoredVectors(tuple(ids), np.load(path, mmap_mode="r"))


def _write(blocks: Iterable[Block], file: BinaryIO) -> tuple[list[str], tuple[int, int]]:
    """Return the ids and the shape of the written matrix; the header is written last."""
    ids: list[str] = []
    dim = 0
    for keys, vectors in blocks:
        if not ids:
            dim = vectors.shape[1]
            file.write(_header((0, dim)))
        _check_dim(keys, expected=dim, actual=vectors.shape[1])
        file.write(np.ascontiguousarray(vectors, dtype="<f4").data)
        ids += keys
    file.seek(0)
    file.write(_header((len(ids), dim)))
    return ids, (len(ids), dim)


def _header(shape: tuple[int, int]) -> bytes:
    """Return the file's header, whose length does not depend on the number of rows."""
    header = BytesIO()
    npy.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _check_dim(keys: Sequence[str], *, expected: int, actual: int) -> None:
    if actual != expected:
        raise DimensionMismatchError(
            f"stored vector of {keys[0]!r}",
            expected=expected,
            actual=actual,
            remedy="keep the vectors of one embedding model in a store",
        )


def _check_unique(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    twice = list(dict.fromkeys(key for key in ids if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    if twice:
        raise InvalidVectorsError(
            f"index: expected each id once, got {len(twice)} of them twice or more, the first "
            f"{twice[0]!r}; delete the rows that are out of date"
        )
