"""The protocol of readable stores, and the two sources that need no package."""

import json
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

from numpy.typing import ArrayLike

from query_adapters.errors import UnreadableStoreError
from query_adapters.typing import Similarity

RawBlock = tuple[Sequence[str], Sequence[Any] | ArrayLike]
"""Ids and their vectors, as a store returns them."""

Blocks = Iterator[RawBlock] | Sequence[RawBlock]
"""Blocks of (ids, vectors) in place of a store without a reader."""

INTEGER = re.compile("0|-?[1-9][0-9]{0,18}")
SHOWN = 40  # characters of malformed metadata in an error
T = TypeVar("T")


class VectorSource(Protocol):
    """A store whose vectors can be read back; `read_blocks` validates them."""

    @property
    def similarity(self) -> Similarity | None:
        """What the store ranks by; None if it does not state it."""

    def count(self) -> int | None:
        """Return the number of stored vectors; None if it is known only after reading."""

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield blocks of rows, at most `batch_size` per block if the store allows it.

        Args:
            ids: Ids of the rows wanted, without repetition; ids that the store lacks are left out.
                None for all rows.
            batch_size: Rows per block, at least 1.
        """


class Record(NamedTuple):
    """What a store holds of a document besides its vector.

    Attributes:
        text: The text; "" if there is none.
        metadata: The metadata, in the form in which the integration stores them.
    """

    text: str
    metadata: Mapping[str, Any]


@runtime_checkable
class TextSource(Protocol):
    """A store whose texts can be read back as well."""

    def texts(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the texts by id; rows without a text, and ids that it lacks, are left out."""


@runtime_checkable
class RecordSource(Protocol):
    """A store whose texts and metadata can be read back as well."""

    def records(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """Return texts and metadata by id; ids that it lacks are left out."""


def loaded(metadata: Any = None) -> dict[str, Any]:
    """Return metadata that a store keeps as JSON; empty if there are none.

    Raises:
        UnreadableStoreError: If they are no JSON, or no object.
    """
    try:
        found = json.loads(metadata or "{}") or {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UnreadableStoreError(
            f"{str(metadata)[:SHOWN]!r}",
            expected="metadata that are an object of JSON",
            remedy="write the documents with the framework's store, or mend their metadata",
        )
    return found


def numbers_among(ids: Iterable[str]) -> list[int]:
    """Return the ids that are written as integers of 64 bits, as such; others are left out."""
    return [int(key) for key in ids if INTEGER.fullmatch(key) and -(2**63) <= int(key) < 2**63]


def texts_of(records: Mapping[str, Record]) -> dict[str, str]:
    """Return the texts of records by id; those without a text are left out."""
    return {key: record.text for key, record in records.items() if record.text}


@dataclass(frozen=True)
class MappingSource:
    """Vectors in memory, by id.

    Args:
        vectors: The vectors.
        similarity: What the store ranks by, if known.
    """

    vectors: Mapping[str, Any]
    similarity: Similarity | None = None

    def count(self) -> int:
        """Return the number of vectors."""
        return len(self.vectors)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows; rows that are deleted during the read are left out."""
        for keys in batches(list(self.vectors) if ids is None else ids, batch_size):
            found = [key for key in keys if key in self.vectors]
            yield found, [self.vectors[key] for key in found]


@dataclass(frozen=True)
class BlockSource:
    """Blocks of ids and vectors from the user, for a store without a reader.

    Args:
        blocks: The blocks, of any size; an iterator can be read once.
        similarity: What the store ranks by, if known.
    """

    blocks: Iterable[RawBlock]
    similarity: Similarity | None = None

    def count(self) -> None:
        """Return None: the count is known only after reading."""

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield the wanted rows in blocks of at most `batch_size`."""
        wanted = None if ids is None else set(ids)
        for keys, vectors in self.blocks:
            rows = list(zip(keys, list(vectors), strict=True))  # type: ignore[arg-type]
            rows = rows if wanted is None else [row for row in rows if row[0] in wanted]
            for batch in batches(rows, batch_size):
                yield [key for key, _ in batch], [vector for _, vector in batch]


def are_blocks(store: object) -> TypeGuard[Blocks]:
    """Return whether the object may be blocks of (ids, vectors) instead of a store."""
    return isinstance(store, Iterator | Sequence) and not isinstance(store, str | bytes)


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in order, `size` per batch."""
    return (items[start : start + size] for start in range(0, len(items), size))
