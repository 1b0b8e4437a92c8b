"""Stored vectors, read back out of an index that is there already."""

from collections.abc import Iterator

import numpy as np
from llama_index.core import VectorStoreIndex
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from query_adapters.typing import Vectors


def stored_vectors(
    index: VectorStoreIndex | BasePydanticVectorStore, *, batch_size: int = 1_000
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield blocks of (node ids, their vectors `(n, dim)`), at most `batch_size` rows each.

    Raises:
        TypeError: If it is not an index over a store whose vectors can be read back.
    """
    store = index.vector_store if isinstance(index, VectorStoreIndex) else index
    if not isinstance(store, SimpleVectorStore):
        raise TypeError(
            "index: expected a VectorStoreIndex over the default in-memory SimpleVectorStore, "
            f"got {type(store).__name__}; leave `index` out, and documents are embedded "
            "through the cache instead"
        )
    rows = list(store.data.embedding_dict.items())
    for start in range(0, len(rows), batch_size):
        ids, vectors = zip(*rows[start : start + batch_size], strict=True)
        yield list(ids), np.array(vectors, dtype=np.float32)
