"""Stored vectors, read back out of a vector store that is there already."""

from collections.abc import Iterator

import numpy as np
from langchain_core.vectorstores import InMemoryVectorStore, VectorStore

from query_adapters.typing import Vectors


def stored_vectors(
    vectorstore: VectorStore, *, batch_size: int = 1_000
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield blocks of (document ids, their vectors `(n, dim)`), at most `batch_size` rows each.

    Raises:
        TypeError: If it is not a store whose vectors can be read back.
    """
    if not isinstance(vectorstore, InMemoryVectorStore):
        raise TypeError(
            f"vectorstore: expected an InMemoryVectorStore, got {type(vectorstore).__name__}; "
            "leave `vectorstore` out, and documents are embedded through the cache instead"
        )
    rows = list(vectorstore.store.items())
    for start in range(0, len(rows), batch_size):
        ids, contents = zip(*rows[start : start + batch_size], strict=True)
        vectors = [content["vector"] for content in contents]
        yield list(ids), np.array(vectors, dtype=np.float32)
