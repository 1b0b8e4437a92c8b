"""Open a LangChain vector store for reading its vectors."""

from collections.abc import Iterator, Sequence

from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores.readers import READERS
from query_adapters.errors import UnreadableStoreError
from query_adapters.registry import inherited_entry_of
from query_adapters.stores import Blocks, BlockSource, StoredVectors, StoreReader, VectorSource
from query_adapters.stores.source import are_blocks
from query_adapters.typing import Similarity, Vectors

Store = VectorStore | StoredVectors | Blocks


def stored_vectors(
    store: Store, *, ids: Sequence[str] | None = None, batch_size: int = 1_000
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield blocks of (document ids, their vectors `(n, dim)`), at most `batch_size` rows each.

    Vectors are returned as the store keeps them: Qdrant normalizes them to length 1 where it
    ranks by cosine, FAISS with `normalize_L2=True`; quantized FAISS indices round them.

    Args:
        store: The vector store; a StoredVectors; or an iterator or list of blocks (ids,
            vectors), for a store without a reader.
        ids: The document ids wanted; ids that the store lacks are not yielded. None for all.
        batch_size: Rows per block, at least 1.

    Raises:
        UnreadableStoreError: If vectors cannot be read back from such a store.
        InvalidVectorsError: As `query_adapters.stores.read_blocks`.
        DimensionMismatchError: If vectors differ in length.
    """
    return open_store(store).blocks(ids, batch_size=batch_size)


def stored_similarity(store: Store) -> Similarity | None:
    """Return what the vector store ranks by; None if it does not state it.

    Args:
        store: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If there is no reader for such a store.
    """
    return open_store(store).similarity


def open_store(store: Store) -> StoreReader:
    """Return a reader of the store's vectors.

    Args:
        store: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If there is no reader for such a store.
    """
    return StoreReader(name=type(store).__name__, source=_source_of(store))


def _source_of(store: Store) -> VectorSource:
    reader = inherited_entry_of(type(store), READERS)
    if reader is not None:
        return reader(store)
    if isinstance(store, StoredVectors):
        return store
    if are_blocks(store):
        return BlockSource(store)
    raise UnreadableStoreError(
        type(store).__name__,
        expected="a vector store with a reader, or blocks of (ids, vectors)",
        remedy="add a reader to langchain_adapter.stores.READERS, pass blocks of (ids, vectors) "
        "instead, or leave the store out, and documents are embedded through the cache",
    )
