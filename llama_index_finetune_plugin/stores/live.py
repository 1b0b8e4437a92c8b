"""Read an existing VectorStoreIndex for training."""

import logging
from collections.abc import Sequence
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from llama_index_finetune_plugin.embedding import AdapterEmbedding
from llama_index_finetune_plugin.stores.reading import open_store
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import LiveIndex

logger = logging.getLogger(__name__)


def live_index(index: VectorStoreIndex, *, mode: MetadataMode = MetadataMode.EMBED) -> LiveIndex:
    """Return the index as the core's LiveIndex.

    Args:
        index: The index.
        mode: Which metadata its texts include; by default what LlamaIndex embeds.

    Raises:
        UnreadableStoreError: If it is not a VectorStoreIndex, or its vectors cannot be read back.
    """
    if not isinstance(index, VectorStoreIndex):
        raise UnreadableStoreError(
            type(index).__name__,
            expected="a VectorStoreIndex",
            remedy="pass the questions first and then the index; of a vector store, pass "
            "VectorStoreIndex.from_vector_store(store, embed_model=...)",
        )
    return LiveIndex(
        name=type(index.vector_store).__name__,
        source=open_store(index).source,
        texts=lambda ids: embedded_texts(index, ids, mode),
        hint=lambda missing: _hint(index, missing),
    )


def own_model(index: VectorStoreIndex) -> BaseEmbedding:
    """Return the index's embedding model, without its adapter if it has one."""
    return without_adapter(index._embed_model)


def without_adapter(model: BaseEmbedding) -> BaseEmbedding:
    """Return the base of a model with an adapter; another model itself."""
    return model.base_embed_model if isinstance(model, AdapterEmbedding) else model


def embedded_texts(
    index: VectorStoreIndex, ids: Sequence[str], mode: MetadataMode = MetadataMode.EMBED
) -> dict[str, str]:
    """Return the texts of nodes by node id, by default as LlamaIndex embeds them, with metadata.

    Nodes that neither the docstore nor the vector store returns are left out.
    """
    nodes = index.docstore.get_nodes(list(ids), raise_error=False)
    missing = set(ids).difference(node.node_id for node in nodes)
    if missing:
        nodes = [*nodes, *_stored_nodes(index, node_ids=[key for key in ids if key in missing])]
    texts = {node.node_id: embedded_text(node, mode) for node in nodes}
    wanted = set(ids)
    return {key: text for key, text in texts.items() if key in wanted and text}


def embedded_text(node: BaseNode, mode: MetadataMode = MetadataMode.EMBED) -> str:
    """Return the text of a node, by default as LlamaIndex embeds it; "" if it has none."""
    is_text = isinstance(node, TextNode) and not isinstance(node, ImageNode)
    return node.get_content(mode) if is_text else ""


def _hint(index: VectorStoreIndex, missing: Sequence[str]) -> str:
    for source in missing[:1]:
        chunks = _chunks_of(index, source)
        if chunks:
            return (
                f"{source!r} is the id of a source document (ref_doc_id): name its nodes instead, "
                f"such as {chunks[0]!r}"
            )
    return (
        "ids of its nodes (node_id) are expected: correct them, or drop questions about nodes "
        "that were deleted"
    )


def _chunks_of(index: VectorStoreIndex, source: str) -> list[str]:
    """Return ids of the nodes of a source document, as far as the stores return them."""
    known = index.docstore.get_ref_doc_info(source)
    if known is not None:
        return known.node_ids
    only = MetadataFilters(filters=[MetadataFilter(key="ref_doc_id", value=source)])
    return [node.node_id for node in _stored_nodes(index, node_ids=None, filters=only)]


def _stored_nodes(index: VectorStoreIndex, **wanted: Any) -> list[BaseNode]:
    """Return nodes from the vector store; none if it cannot return them."""
    store: Any = index.vector_store
    try:
        return list(store.get_nodes(**wanted))
    except Exception as error:  # every store raises another error, and training works without texts
        logger.info("%s gives no nodes back: %s", type(store).__name__, error)
        return []
