"""From a vector store to its vectors."""

from collections.abc import Iterator, Sequence

from langchain_core.vectorstores import VectorStore

from langchain_adapter.stores.readers import READERS
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import Blocks, BlockSource, StoredVectors, VectorSource, read_blocks
from query_adapters.stores.registry import are_blocks, reader_of
from query_adapters.typing import Similarity, Vectors

Store = VectorStore | StoredVectors | Blocks


def stored_vectors(
    store: Store, *, ids: Sequence[str] | None = None, batch_size: int = 1_000
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield blocks of (document ids, their vectors `(n, dim)`), at most `batch_size` rows each.

    Vectors come as the store keeps them: Qdrant brings them to length 1 where it ranks by
    cosine, FAISS with `normalize_L2=True`; quantized FAISS indices round them.

    Args:
        store: The vector store; vectors that were read before; or an iterator or list of blocks
            (ids, vectors), for a store that nothing here reads.
        ids: The ids wanted; those that the store lacks are not yielded. None for all.
        batch_size: Rows at once, at least 1.

    Raises:
        UnreadableStoreError: If vectors cannot be read back from such a store.
        InvalidVectorsError: If the store is empty, lost rows while it was read, or holds a
            vector that is missing, not flat or not finite.
        DimensionMismatchError: If vectors differ in length.
    """
    name = type(store).__name__
    return read_blocks(source_of(store), name=name, ids=ids, batch_size=batch_size)


def stored_similarity(store: Store) -> Similarity | None:
    """Return what the store ranks by, None where it does not tell.

    Args:
        store: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If it is not a store that is read here.
    """
    return source_of(store).similarity


def source_of(store: Store) -> VectorSource:
    """Return what the store is read through.

    Args:
        store: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If it is not a store that is read here.
    """
    if isinstance(store, StoredVectors):
        return BlockSource([(store.ids, store.vectors)], store.similarity)
    reader = reader_of(store, READERS)
    if reader is not None:
        return reader(store)
    if are_blocks(store):
        return BlockSource(store)
    raise UnreadableStoreError(
        type(store).__name__,
        expected="a vector store that is read here, or blocks of (ids, vectors)",
        remedy="add a reader to langchain_adapter.stores.READERS, pass blocks of (ids, vectors) "
        "instead, or leave the store out, and documents are embedded through the cache",
    )
