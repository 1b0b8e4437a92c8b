"""Read vectors from a FAISS index."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import faiss
import numpy as np

from query_adapters.stores.source import RawBlock, batches
from query_adapters.typing import Rows, Similarity

SIMILARITIES: dict[int, Similarity] = {
    faiss.METRIC_INNER_PRODUCT: "dot",
    faiss.METRIC_L2: "euclidean",
}


@dataclass(frozen=True)
class FaissSource:
    """A FAISS index, which numbers its vectors, and the ids of the numbers.

    A quantized index returns rounded vectors. An inverted-file index without a direct map gets one
    (8 bytes per vector).

    Args:
        index: The `faiss.Index`.
        ids: Ids by number; numbers without an id are deleted rows.
        unit: Whether the store normalizes vectors and queries to length 1.
    """

    index: Any
    ids: Mapping[int, str]
    unit: bool = False

    @property
    def similarity(self) -> Similarity | None:
        """What the index ranks by."""
        return "cosine" if self.unit else SIMILARITIES.get(self.index.metric_type)

    def count(self) -> int:
        """Return the number of vectors that have an id."""
        return len(self.ids)

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows by their position in the index."""
        index, numbers = _unwrapped(self.index)
        keys = self._all_keys(numbers) if ids is None else self._keys(numbers, ids)
        for batch in batches(list(keys), batch_size):
            there = [place for place in batch if place < index.ntotal]
            vectors = index.reconstruct_batch(np.array(there, dtype=np.int64))
            yield [keys[place] for place in there], vectors

    def _all_keys(self, numbers: Rows | range) -> dict[int, str]:
        """Return all ids by their position in the index, in ascending order."""
        found = ((place, self.ids.get(int(number))) for place, number in enumerate(numbers))
        return {place: key for place, key in found if key is not None}

    def _keys(self, numbers: Rows | range, ids: Sequence[str]) -> dict[int, str]:
        """Return these ids by their position in the index, in ascending order."""
        wanted = self._wanted(ids)
        if isinstance(numbers, range):
            return dict(sorted(wanted.items()))
        places = np.flatnonzero(np.isin(numbers, list(wanted)))
        return {place: wanted[int(numbers[place])] for place in places.tolist()}

    def _wanted(self, ids: Sequence[str]) -> dict[int, str]:
        """Return the ids by number; those that have none are left out.

        The numbers of all ids are kept with the index, because to turn all around for each question
        would take longer than to search; an id that is missing or has moved makes them out of date.
        """
        kept = _kept.get(self.index, {})
        wanted = _numbered(kept, ids)
        if any(key not in kept for key in ids) or any(
            self.ids.get(number) != key for number, key in wanted.items()
        ):
            kept = _kept[self.index] = _turned_around(self.ids)
            return _numbered(kept, ids)
        return wanted


_kept: WeakKeyDictionary[Any, Mapping[str, tuple[int, ...]]] = WeakKeyDictionary()


def _turned_around(ids: Mapping[int, str]) -> dict[str, tuple[int, ...]]:
    """Return the numbers of each id."""
    numbers: dict[str, tuple[int, ...]] = {}
    for number, key in ids.items():
        numbers[key] = (*numbers.get(key, ()), number)
    return numbers


def _numbered(known: Mapping[str, tuple[int, ...]], ids: Sequence[str]) -> dict[int, str]:
    return {number: key for key in ids for number in known.get(key, ())}


def _unwrapped(index: Any) -> tuple[Any, Rows | range]:
    """Return the inner index with the vectors, and the number of each of its positions."""
    numbers: Rows | range = range(index.ntotal)
    if isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
        numbers = faiss.vector_to_array(index.id_map)
        index = faiss.downcast_index(index.index)
    inverted = faiss.try_extract_index_ivf(index)
    if inverted is not None and inverted.direct_map.no():
        inverted.make_direct_map()
    return index, numbers
