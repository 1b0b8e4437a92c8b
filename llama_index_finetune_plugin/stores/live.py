"""Read an existing VectorStoreIndex for training."""

import logging
from collections.abc import Sequence
from typing import Any, cast

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters

from llama_index_finetune_plugin.embedding import AdapterEmbedding
from llama_index_finetune_plugin.stores.reading import Store, open_store, recorded_nodes
from llama_index_finetune_plugin.units import rule_of
from query_adapters.data.units import UnitsOption
from query_adapters.errors import UnreadableStoreError
from query_adapters.stores import LiveIndex, StoredVectors, StoreReader

logger = logging.getLogger(__name__)


def live_index(
    index: VectorStoreIndex,
    units: UnitsOption = "chunk",
    *,
    mode: MetadataMode = MetadataMode.EMBED,
) -> LiveIndex:
    """Return the index as the core's LiveIndex.

    Args:
        index: The index.
        units: What labels are on, as in `IndexOptions`.
        mode: Which metadata its texts include; by default what LlamaIndex embeds.

    Raises:
        TypeError: If `units` is neither a string nor a function.
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
        chunks=lambda ids: nodes_of(index, ids),
        units=rule_of(units),
    )


def opened(index: Store, units: UnitsOption) -> StoreReader | StoredVectors:
    """Return the index for reading; with units, its vectors and the units of its nodes.

    Raises:
        InvalidDatasetError: If a node cannot be read back, or has no unit, or several.
        UnreadableStoreError: If vectors or nodes cannot be read back from it.
    """
    reader = open_store(index)
    if units == "chunk":
        return reader
    return live_index(cast(VectorStoreIndex, index), units).with_units(reader.gather())


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
    texts = {key: embedded_text(node, mode) for key, node in nodes_of(index, ids).items()}
    return {key: text for key, text in texts.items() if text}


def nodes_of(index: VectorStoreIndex, ids: Sequence[str]) -> dict[str, BaseNode]:
    """Return nodes by id, of those that the docstore or the vector store returns."""
    nodes = index.docstore.get_nodes(list(ids), raise_error=False)
    missing = set(ids).difference(node.node_id for node in nodes)
    if missing:
        nodes = [*nodes, *_stored_nodes(index, node_ids=[key for key in ids if key in missing])]
    wanted = set(ids)
    return {node.node_id: node for node in nodes if node.node_id in wanted}


def embedded_text(node: BaseNode, mode: MetadataMode = MetadataMode.EMBED) -> str:
    """Return the text of a node, by default as LlamaIndex embeds it; "" if it has none."""
    is_text = isinstance(node, TextNode) and not isinstance(node, ImageNode)
    return node.get_content(mode) if is_text else ""


def _hint(index: VectorStoreIndex, missing: Sequence[str]) -> str:
    for source in missing[:1]:
        chunks = _chunks_of(index, source)
        if chunks:
            return (
                f"{source!r} is the id of a source document (ref_doc_id): pass "
                f'units="document", or name its nodes, such as {chunks[0]!r}'
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
    """Return nodes from the vector store; none if neither it nor its reader returns them."""
    store: Any = index.vector_store
    try:
        return list(store.get_nodes(**wanted))
    except Exception as error:  # every store raises another error, and training works without texts
        logger.info("%s gives no nodes back: %s", type(store).__name__, error)
        return [] if "filters" in wanted else recorded_nodes(index, wanted["node_ids"])
