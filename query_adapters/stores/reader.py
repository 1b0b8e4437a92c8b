"""Read the vectors of one store: in blocks, or all of them in one matrix."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.source import VectorSource
from query_adapters.stores.stored import StoredVectors, gather
from query_adapters.typing import Similarity, Vectors


@dataclass(frozen=True, kw_only=True)
class StoreReader:
    """A store of either framework, opened for reading.

    Attributes:
        name: Name of the store in messages.
        source: Its vectors.
    """

    name: str
    source: VectorSource

    @property
    def similarity(self) -> Similarity | None:
        """What the store ranks by; None if it does not state it."""
        return self.source.similarity

    def blocks(
        self, ids: Sequence[str] | None = None, *, batch_size: int = 1_000
    ) -> Iterator[tuple[list[str], Vectors]]:
        """Yield blocks of (ids, their vectors `(n, dim)`), as `read_blocks` does."""
        return read_blocks(self.source, name=self.name, ids=ids, batch_size=batch_size)

    def gather(self) -> StoredVectors:
        """Return all vectors in one matrix; vectors that are in one already are not copied.

        Raises:
            InvalidVectorsError: If there is no vector, or an id occurs twice.
            DimensionMismatchError: If vectors differ in length.
        """
        if isinstance(self.source, StoredVectors):
            return self.source
        return replace(gather(self.blocks()), similarity=self.similarity)


StoredBlocks = Iterable[tuple[Sequence[str], Vectors]]
"""Blocks of (document ids, their vectors `(n, dim)`), as read from an index."""
Index = StoreReader | StoredVectors | StoredBlocks


def gathered(index: Index) -> StoredVectors:
    """Return the index's vectors in one matrix.

    Raises:
        InvalidVectorsError: If there is no vector, or an id occurs twice.
        DimensionMismatchError: If vectors differ in length.
    """
    if isinstance(index, StoredVectors):
        return index
    return index.gather() if isinstance(index, StoreReader) else gather(index)
