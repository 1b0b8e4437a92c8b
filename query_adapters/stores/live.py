"""Read an existing index for training: the labelled documents and a sample of the others."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters.data.units import UnitRule, Units, read_units
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import InvalidDatasetError
from query_adapters.stores.blocks import read_blocks
from query_adapters.stores.origin import PROBES, check_origin
from query_adapters.stores.prefix_check import Encode
from query_adapters.stores.source import VectorSource, batches
from query_adapters.stores.stored import Block, StoredVectors, gather
from query_adapters.stores.unit_labels import check_labels, chunks_of, sampled_chunks

MAX_DOCUMENTS = 100_000
CHUNKS_AT_ONCE = 1_000
SHOWN = 3  # ids that an error names; further ones are counted


def _unknown(ids: Sequence[str]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class LiveIndex:
    """An existing index, opened by an integration.

    Attributes:
        name: Name of the store in messages.
        source: Its vectors.
        texts: Returns the embedded texts of some ids, by id; those that cannot be read back are
            left out.
        hint: Returns advice about missing ids, for the error message.
        chunks: Returns the framework's chunks of some ids, by id, for `units`.
        units: How the unit of a chunk is read, if labels are on units; None for labels on ids.
    """

    name: str
    source: VectorSource
    texts: Callable[[Sequence[str]], Mapping[str, str]]
    hint: Callable[[Sequence[str]], str]
    chunks: Callable[[Sequence[str]], Mapping[str, Any]] = _unknown
    units: UnitRule | None = None

    def read(
        self,
        labelled: Sequence[str],
        *,
        embedder: TextEmbedder | None = None,
        max_documents: int | None = MAX_DOCUMENTS,
        path: Path | None = None,
        seed: int = 0,
    ) -> StoredVectors:
        """Return the vectors of the labelled documents, followed by all others or a sample of them.

        Labelled documents are read by id and checked first. The others are read in one pass; of
        more than `max_documents`, a uniform sample without replacement is kept. With `units`, the
        unit of every chunk is read first, and units are sampled whole; an index of at most
        `max_documents` (and 100,000) vectors is still read in one pass.

        Args:
            labelled: Ids of the documents that are relevant to a question; with `units`, of units.
            embedder: The model that built the index; it embeds three labelled documents as a check.
                None to skip the check.
            max_documents: The most other documents, at least 0; None for all.
            path: A `.npy` file to keep the vectors in, instead of in memory.
            seed: Seed of the sample.

        Raises:
            InvalidDatasetError: If labelled documents are not in the index, or chunks have no unit.
            AdapterMismatchError: If the model's vectors of documents are not the stored ones.
            InvalidVectorsError: If the store is empty, lost rows while it was read, or holds a
                vector that is missing, not flat or not finite.
            DimensionMismatchError: If vectors differ in length.
            ValueError: If `max_documents` is below 0.
        """
        if max_documents is not None and max_documents < 0:
            raise ValueError(f"max_documents: expected at least 0 or None, got {max_documents}")
        index = self if self.units is None else self._in_memory(max_documents)
        encode = getattr(self.source, "as_stored", None)
        return index._read(labelled, embedder, encode, max_documents, path, seed)

    def _read(
        self,
        labelled: Sequence[str],
        embedder: TextEmbedder | None,
        encode: Encode | None,
        max_documents: int | None,
        path: Path | None,
        seed: int,
    ) -> StoredVectors:
        unit_of = None if self.units is None else self._unit_of(self._all_ids(), self.units)
        if unit_of is not None:
            check_labels(labelled, unit_of, name=self.name)
        needed = self._labelled(labelled if unit_of is None else chunks_of(labelled, unit_of))
        if embedder is not None:
            check_origin(
                needed,
                self.texts(needed.ids[:PROBES]),
                embedder,
                name=self.name,
                encode=encode,
            )
        known = frozenset(needed.ids)
        n_stored = self._count() if unit_of is None else len(set(unit_of.values()))
        if unit_of is None:
            others = self._others(known, n_stored, max_documents, seed)
        else:
            others = self._among(sampled_chunks(unit_of, known, max_documents, seed))
        with _folder_of(path):
            stored = gather(chain([(needed.ids, needed.vectors)], others), path=path)
        stored = replace(stored, n_stored=n_stored, similarity=self.source.similarity)
        return stored if unit_of is None else self._with(stored, unit_of)

    def with_units(self, stored: StoredVectors) -> StoredVectors:
        """Return the vectors of the index with their units; as they are without `units`.

        Raises:
            InvalidDatasetError: If a chunk cannot be read back, or has no unit, or several.
        """
        if self.units is None:
            return stored
        return self._with(stored, self._unit_of(batches(stored.ids, CHUNKS_AT_ONCE), self.units))

    def _with(self, stored: StoredVectors, unit_of: Mapping[str, str]) -> StoredVectors:
        rule = None if self.units is None else self.units.kind
        return replace(stored, units=Units.of((unit_of[key] for key in stored.ids), rule=rule))

    def _in_memory(self, most: int | None) -> "LiveIndex":
        """Return the index with its vectors in memory if all are wanted, else as it is.

        Units are read before vectors are, which would read the store twice.
        """
        count = self.source.count()
        if count is None or count > min(MAX_DOCUMENTS, count if most is None else most):
            return self
        vectors = gather(read_blocks(self.source, name=self.name))
        return replace(self, source=replace(vectors, similarity=self.source.similarity))

    def _unit_of(self, ids: Iterable[Sequence[str]], rule: UnitRule) -> dict[str, str]:
        return read_units(ids, self.chunks, rule, name=self.name)

    def _all_ids(self) -> Iterator[list[str]]:
        return (keys for keys, _ in read_blocks(self.source, name=self.name))

    def _among(self, ids: Collection[str]) -> Iterator[Block]:
        if ids:
            yield from _kept(read_blocks(self.source, name=self.name), lambda key: key in ids)

    @property
    def stored_texts(self) -> "StoredTexts":
        """Blocks of (ids, embedded texts) of all documents, read anew by each iteration."""
        return StoredTexts(self)

    def _labelled(self, ids: Sequence[str]) -> StoredVectors:
        blocks = list(read_blocks(self.source, name=self.name, ids=ids))
        if not blocks:  # an empty store has a message of its own
            next(read_blocks(self.source, name=self.name))
        found = {key for keys, _ in blocks for key in keys}
        missing = [key for key in ids if key not in found]
        if missing:
            names = ", ".join(map(repr, missing[:SHOWN]))
            raise InvalidDatasetError(
                f"{self.name}: expected every relevant document, got an index "
                f"without {len(missing)} of {len(ids)}, such as {names}; {self.hint(missing)}"
            )
        return gather(blocks)

    def _count(self) -> int:
        count = self.source.count()
        if count is None:
            count = sum(len(keys) for keys, _ in read_blocks(self.source, name=self.name))
        return count

    def _others(
        self, labelled: Collection[str], n_stored: int, most: int | None, seed: int
    ) -> Iterator[Block]:
        if most == 0:
            return
        n_others = n_stored - len(labelled)
        others = _kept(read_blocks(self.source, name=self.name), lambda key: key not in labelled)
        if most is None or n_others <= most:
            yield from others
        else:
            yield from _drawn(others, n_rows=n_others, n_drawn=most, seed=seed)


@dataclass(frozen=True)
class StoredTexts:
    """The texts of an index, in blocks; those that cannot be read back are left out.

    Attributes:
        index: The index.
    """

    index: LiveIndex

    def __iter__(self) -> Iterator[tuple[list[str], list[str]]]:
        for keys, _ in read_blocks(self.index.source, name=self.index.name):
            texts = self.index.texts(keys)
            yield list(texts), list(texts.values())


def _kept(blocks: Iterable[Block], is_kept: Callable[[str], bool]) -> Iterator[Block]:
    for keys, vectors in blocks:
        rows = [row for row, key in enumerate(keys) if is_kept(key)]
        if rows:
            yield [keys[row] for row in rows], vectors[rows]


def _drawn(blocks: Iterable[Block], *, n_rows: int, n_drawn: int, seed: int) -> Iterator[Block]:
    """Yield a random sample of the rows in their order; positions are drawn beforehand."""
    rng = np.random.default_rng(seed)
    places = np.sort(rng.choice(n_rows, n_drawn, replace=False, shuffle=False))
    start = 0
    for keys, vectors in blocks:
        first, last = np.searchsorted(places, (start, start + len(keys)))
        rows = places[first:last] - start
        start += len(keys)
        if len(rows):
            yield [keys[row] for row in rows], vectors[rows]


@contextmanager
def _folder_of(path: Path | None) -> Iterator[None]:
    """Create the file's folder, and remove it again on an error."""
    if path is None or path.parent.exists():
        yield
        return
    path.parent.mkdir(parents=True)
    try:
        yield
    except BaseException:
        path.parent.rmdir()
        raise
