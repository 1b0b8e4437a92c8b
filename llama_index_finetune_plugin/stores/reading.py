"""From an index to its vectors."""

from collections.abc import Iterator, Sequence

from llama_index.core import VectorStoreIndex
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llama_index_finetune_plugin.stores.nodes import NodeSource
from llama_index_finetune_plugin.stores.readers import READERS
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import Blocks, BlockSource, StoredVectors, VectorSource, read_blocks
from query_adapters.stores.registry import are_blocks, reader_of
from query_adapters.typing import Similarity, Vectors

Store = VectorStoreIndex | BasePydanticVectorStore | StoredVectors | Blocks


def stored_vectors(
    index: Store, *, ids: Sequence[str] | None = None, batch_size: int = 1_000
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield blocks of (node ids, their vectors `(n, dim)`), at most `batch_size` rows each.

    Vectors come as the store keeps them: Qdrant brings them to length 1 where it ranks by
    cosine, `halfvec` columns and quantized FAISS indices round them.

    Args:
        index: The VectorStoreIndex, or its store (FAISS needs the index); vectors that were
            read before; or an iterator or list of blocks (ids, vectors), for a store that nothing
            here reads.
        ids: The node ids wanted; those that the store lacks are not yielded. None for all.
        batch_size: Rows at once, at least 1.

    Raises:
        UnreadableStoreError: If vectors cannot be read back from such a store.
        InvalidVectorsError: If the store is empty, lost rows while it was read, or holds a
            vector that is missing, not flat or not finite.
        DimensionMismatchError: If vectors differ in length.
    """
    name = type(_store_of(index)).__name__
    return read_blocks(source_of(index), name=name, ids=ids, batch_size=batch_size)


def stored_similarity(index: Store) -> Similarity | None:
    """Return what the store ranks by, None where it does not tell.

    Args:
        index: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If it is not a store that is read here.
    """
    return source_of(index).similarity


def _store_of(index: object) -> object:
    return index.vector_store if isinstance(index, VectorStoreIndex) else index


def source_of(index: Store) -> VectorSource:
    """Return what the store is read through.

    Args:
        index: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If it is not a store that is read here.
    """
    if isinstance(index, StoredVectors):
        return BlockSource([(index.ids, index.vectors)], index.similarity)
    store = _store_of(index)
    reader = reader_of(store, READERS)
    if reader is not None:
        return reader(store, index if isinstance(index, VectorStoreIndex) else None)
    if isinstance(store, BasePydanticVectorStore):
        return NodeSource(store)
    if are_blocks(store):
        return BlockSource(store)
    raise UnreadableStoreError(
        type(store).__name__,
        expected="a VectorStoreIndex, a vector store, or blocks of (ids, vectors)",
        remedy="leave `index` out, and documents are embedded through the cache instead",
    )
