"""What every store is read through, and the two sources that need no package."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard, TypeVar

from numpy.typing import ArrayLike

from query_adapters.typing import Similarity

RawBlock = tuple[Sequence[str], Sequence[Any] | ArrayLike]
"""Ids and their vectors, one each, as the store gives them."""

Blocks = Iterator[RawBlock] | Sequence[RawBlock]
"""What stands in for a store that nothing here reads."""

T = TypeVar("T")


class VectorSource(Protocol):
    """A store's own way to give vectors back; `read_blocks` checks what it gives."""

    @property
    def similarity(self) -> Similarity | None:
        """What the store ranks by, None where it does not tell."""

    def count(self) -> int | None:
        """Return the number of stored vectors, None where only reading tells."""

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows, at most `batch_size` at once where the store can.

        Args:
            ids: The rows wanted, each once; those that the store lacks are left out. None for
                every row.
            batch_size: Rows at once, at least 1.
        """


@dataclass(frozen=True)
class MappingSource:
    """Vectors in memory, by id.

    Args:
        vectors: The vectors.
        similarity: What the store ranks by, if that is known.
    """

    vectors: Mapping[str, Any]
    similarity: Similarity | None = None

    def count(self) -> int:
        """Return the number of vectors."""
        return len(self.vectors)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows; those that vanish while they are read are left out."""
        for keys in batches(list(self.vectors) if ids is None else ids, batch_size):
            found = [key for key in keys if key in self.vectors]
            yield found, [self.vectors[key] for key in found]


@dataclass(frozen=True)
class BlockSource:
    """Blocks of ids and vectors that the user makes, for a store that nothing here reads.

    Args:
        blocks: The blocks, of any size; an iterator serves once.
        similarity: What the store ranks by, if that is known.
    """

    blocks: Iterable[RawBlock]
    similarity: Similarity | None = None

    def count(self) -> None:
        """Return None: only reading tells."""

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield the blocks, cut to `batch_size`, with the rows wanted."""
        wanted = None if ids is None else set(ids)
        for keys, vectors in self.blocks:
            rows = list(zip(keys, list(vectors), strict=True))  # type: ignore[arg-type]
            rows = rows if wanted is None else [row for row in rows if row[0] in wanted]
            for batch in batches(rows, batch_size):
                yield [key for key, _ in batch], [vector for _, vector in batch]


def are_blocks(store: object) -> TypeGuard[Blocks]:
    """Return whether it may be blocks of (ids, vectors) instead of a store."""
    return isinstance(store, Iterator | Sequence) and not isinstance(store, str | bytes)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in order, `size` at once."""
    return (items[start : start + size] for start in range(0, len(items), size))
