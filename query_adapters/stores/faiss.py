"""Read vectors from a FAISS index."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        keys = [self.ids.get(int(number)) for number in numbers]
        wanted = set(self.ids.values()) if ids is None else set(ids)
        places = [place for place, key in enumerate(keys) if key in wanted]
        for batch in batches(places, batch_size):
            there = [place for place in batch if place < index.ntotal]
            vectors = index.reconstruct_batch(np.array(there, dtype=np.int64))
            yield [str(keys[place]) for place in there], vectors


def _unwrapped(index: Any) -> tuple[Any, Rows]:
    """Return the inner index with the vectors, and the number of each of its positions."""
    numbers: Rows = np.arange(index.ntotal)
    if isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
        numbers = faiss.vector_to_array(index.id_map)
        index = faiss.downcast_index(index.index)
    inverted = faiss.try_extract_index_ivf(index)
    if inverted is not None and inverted.direct_map.no():
        inverted.make_direct_map()
    return index, numbers
