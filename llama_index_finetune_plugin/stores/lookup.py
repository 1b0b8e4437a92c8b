"""Nodes of an index by id, and those of them that satisfy metadata filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import BaseNode, ObjectType
from llama_index.core.vector_stores import (
    FilterCondition,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from llama_index_finetune_plugin.stores.reading import recorded_nodes
from query_adapters.errors import UnreadableStoreError
from query_adapters.fusion.serving import EXPLAINED

Found = Mapping[str, BaseNode | None]
"""Ids in the order of a search, with the nodes that the store returned itself."""


def found_in(index: VectorStoreIndex, result: VectorStoreQueryResult) -> Found:
    """Return what a search has found, nearest first.

    Stores without texts return ids alone, and FAISS the numbers of its rows.
    """
    if result.nodes:
        return {node.node_id: node for node in result.nodes}
    names = index.index_struct.nodes_dict
    return {names.get(key, key): None for key in result.ids or ()}


def nodes_by_id(index: VectorStoreIndex, ids: Sequence[str], found: Found) -> dict[str, BaseNode]:
    """Return the nodes as a VectorIndexRetriever would; those that no store holds are left out.

    A search's own text nodes are taken as they are. The others are read from the docstore, else
    from the vector store.

    Raises:
        UnreadableStoreError: If neither returns nodes by id.
    """
    given = {key: node for key in ids if (node := found.get(key)) is not None}
    nodes = {key: node for key, node in given.items() if node.get_type() == ObjectType.TEXT}
    others = [key for key in ids if key not in nodes]
    kept = index.docstore.get_nodes(others, raise_error=False) if others else []
    nodes = {**given, **nodes, **{node.node_id: node for node in kept}}
    missing = [key for key in ids if key not in nodes]
    if missing and index.vector_store.stores_text:
        nodes |= {node.node_id: _bare(node) for node in _read(index, missing)}
    return {key: nodes[key] for key in ids if key in nodes}


def satisfying(
    index: VectorStoreIndex, ids: Sequence[str], filters: MetadataFilters, vector: list[float]
) -> set[str]:
    """Return those of the ids whose nodes satisfy the filters, as the vector store reads them.

    A store with texts, such as Chroma, Qdrant and PostgreSQL, is asked for nodes by id and filters;
    one without, such as the in-memory store, is searched among the ids with the same filters.
    FAISS refuses filters in every search.

    Args:
        index: The index.
        ids: Ids of stored nodes, at least one.
        filters: The filters.
        vector: The adapted query, for stores that are searched.

    Raises:
        UnreadableStoreError: If the store does not return nodes by id.
    """
    if index.vector_store.stores_text:
        found = {node.node_id for node in _read(index, ids, filters=_as_one(filters))}
    else:
        query = VectorStoreQuery(vector, len(ids), node_ids=list(ids), filters=filters)
        found = set(found_in(index, index.vector_store.query(query)))
    return found.intersection(ids)


def explained(node: BaseNode, parts: Mapping[str, float]) -> BaseNode:
    """Return a copy of the node with the parts of its score in its metadata, which no model reads.

    Args:
        node: The node.
        parts: What each part adds to the score, by name.
    """
    return with_metadata(node, EXPLAINED, dict(parts))


def with_metadata(node: BaseNode, key: str, value: Any) -> BaseNode:
    """Return a copy of the node with a further entry of metadata, which no model reads."""
    return node.model_copy(
        update={
            "metadata": {**node.metadata, key: value},
            "excluded_embed_metadata_keys": [*node.excluded_embed_metadata_keys, key],
            "excluded_llm_metadata_keys": [*node.excluded_llm_metadata_keys, key],
        }
    )


def _as_one(filters: MetadataFilters) -> MetadataFilters:
    """Return the filters as one condition: Qdrant joins ids to a list of conditions by its "or"."""
    if filters.condition == FilterCondition.AND:
        return filters
    return MetadataFilters(filters=[filters])


def _read(index: VectorStoreIndex, ids: Sequence[str], **options: Any) -> Sequence[BaseNode]:
    store = index.vector_store
    try:
        return store.get_nodes(node_ids=list(ids), **options)
    except Exception as error:  # every store raises another error
        found = [] if options else recorded_nodes(index, ids)
        if found:
            return found
        raise UnreadableStoreError(
            type(store).__name__,
            expected="a vector store that returns nodes by id (`get_nodes`)",
            remedy="keep the nodes in the docstore as well, by "
            "VectorStoreIndex(..., store_nodes_override=True)",
        ) from error


def _bare(node: BaseNode) -> BaseNode:
    """Return the node without its embedding, as searches return nodes."""
    return node.model_copy(update={"embedding": None})
