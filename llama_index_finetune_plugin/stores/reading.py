"""Open a LlamaIndex index or vector store for reading its vectors."""

from collections.abc import Iterator, Sequence

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.core.vector_stores.utils import metadata_dict_to_node

from llama_index_finetune_plugin.stores.nodes import NodeSource
from llama_index_finetune_plugin.stores.readers import READERS
from query_adapters.errors import UnreadableStoreError
from query_adapters.registry import inherited_entry_of
from query_adapters.stores import Blocks, BlockSource, StoredVectors, StoreReader, VectorSource
from query_adapters.stores.source import RecordSource, are_blocks
from query_adapters.typing import Similarity, Vectors

Store = VectorStoreIndex | BasePydanticVectorStore | StoredVectors | Blocks


def stored_vectors(
    index: Store, *, ids: Sequence[str] | None = None, batch_size: int = 1_000
) -> Iterator[tuple[list[str], Vectors]]:
    """Yield blocks of (node ids, their vectors `(n, dim)`), at most `batch_size` rows each.

    Vectors are returned as the store keeps them: Qdrant normalizes them to length 1 where it
    ranks by cosine; `halfvec` columns and quantized FAISS indices round them.

    Args:
        index: The VectorStoreIndex, or its store (FAISS needs the index); a StoredVectors; or
            an iterator or list of blocks (ids, vectors), for a store without a reader.
        ids: The node ids wanted; ids that the store lacks are not yielded. None for all.
        batch_size: Rows per block, at least 1.

    Raises:
        UnreadableStoreError: If vectors cannot be read back from such a store.
        InvalidVectorsError: As `query_adapters.stores.read_blocks`.
        DimensionMismatchError: If vectors differ in length.
    """
    return open_store(index).blocks(ids, batch_size=batch_size)


def stored_similarity(index: Store) -> Similarity | None:
    """Return what the index ranks by; None if its store does not state it.

    Args:
        index: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If there is no reader for such a store.
    """
    return open_store(index).similarity


def open_store(index: Store) -> StoreReader:
    """Return a reader of the index's vectors.

    Args:
        index: As in `stored_vectors`.

    Raises:
        UnreadableStoreError: If there is no reader for such a store.
    """
    store = index.vector_store if isinstance(index, VectorStoreIndex) else index
    return StoreReader(name=type(store).__name__, source=_source_of(store, index))


def _source_of(store: object, index: object) -> VectorSource:
    reader = inherited_entry_of(type(store), READERS)
    if reader is not None:
        return reader(store, index if isinstance(index, VectorStoreIndex) else None)
    if isinstance(store, StoredVectors):
        return store
    if isinstance(store, BasePydanticVectorStore):
        return NodeSource(store)
    if are_blocks(store):
        return BlockSource(store)
    raise UnreadableStoreError(
        type(store).__name__,
        expected="a VectorStoreIndex, a vector store, or blocks of (ids, vectors)",
        remedy="leave `index` out, and documents are embedded through the cache instead",
    )


def recorded_nodes(index: VectorStoreIndex, ids: Sequence[str]) -> list[BaseNode]:
    """Return nodes by id, of a store whose reader returns what it holds of them; else none.

    Args:
        index: The index.
        ids: The node ids; those that the store lacks are left out.
    """
    source = open_store(index).source
    if not isinstance(source, RecordSource):
        return []
    records = source.records(ids).values()
    return [metadata_dict_to_node(dict(held), text=text or None) for text, held in records]
