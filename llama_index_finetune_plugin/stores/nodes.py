"""Read vectors from any store whose `get_nodes` returns nodes with embeddings."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import RawBlock
from query_adapters.stores.source import batches

REMEDY = (
    "add a reader to llama_index_finetune_plugin.stores.READERS, pass blocks of (ids, vectors) "
    "instead, or leave `index` out, and documents are embedded through the cache"
)


@dataclass(frozen=True)
class NodeSource:
    """The fallback reader, which loads whole nodes; all of them are in memory at once.

    Args:
        store: The vector store.
    """

    store: BasePydanticVectorStore

    @property
    def similarity(self) -> None:
        """None: such a store does not state it."""

    def count(self) -> None:
        """Return None: the count is known only after reading."""

    def read(self, ids: Sequence[str] | None, batch_size: int) -> Generator[RawBlock, None, None]:
        """Yield rows, fetched by id where ids are given."""
        if ids is None:
            yield from (_rows(self.store, nodes) for nodes in batches(self._nodes(), batch_size))
        else:
            for keys in batches(ids, batch_size):
                yield _rows(self.store, self._nodes(list(keys)))

    def _nodes(self, ids: list[str] | None = None) -> list[BaseNode]:
        try:
            return self.store.get_nodes(node_ids=ids)
        except NotImplementedError:
            raise _unreadable(self.store) from None


def _rows(store: BasePydanticVectorStore, nodes: Sequence[BaseNode]) -> RawBlock:
    if any(node.embedding is None for node in nodes):
        raise _unreadable(store)
    return [node.node_id for node in nodes], [node.embedding for node in nodes]


def _unreadable(store: object) -> UnreadableStoreError:
    expected = "a store whose get_nodes() returns nodes with their embeddings"
    return UnreadableStoreError(type(store).__name__, expected=expected, remedy=REMEDY)
