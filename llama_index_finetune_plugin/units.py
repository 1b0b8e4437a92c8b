"""Which unit a node belongs to, where labels are on documents or parents instead of nodes."""

from collections.abc import Callable, Mapping
from typing import Any

from llama_index.core.schema import BaseNode, Document, IndexNode

from query_adapters.data.units import UnitRule, UnitsOption, unit_rule


def rule_of(units: UnitsOption) -> UnitRule | None:
    """Return how the unit of a node is read; None for "chunk".

    Args:
        units: "chunk"; one of `RULES`; a metadata key; or a function of a node.

    Raises:
        TypeError: If it is neither a string nor a function.
    """
    return unit_rule(units, RULES, lambda node: node.metadata)


def source_document(node: BaseNode) -> str | None:
    """Return the id of the source document (`ref_doc_id`); of a document, its own."""
    if isinstance(node, Document):
        return node.node_id
    return None if node.source_node is None else node.source_node.node_id


def parent(node: BaseNode) -> str | None:
    """Return the id of the parent of a node without children; of another node, its own."""
    if node.child_nodes:
        return node.node_id
    return None if node.parent_node is None else node.parent_node.node_id


def referred(node: BaseNode) -> str:
    """Return the id that an IndexNode refers to (`index_id`); of another node, its own."""
    return node.index_id if isinstance(node, IndexNode) else node.node_id


RULES: Mapping[str, Callable[[Any], object]] = {
    "document": source_document,
    "parent": parent,
    "index_id": referred,
    "text": lambda node: node.get_content(),
}
"""Rules that are not metadata keys."""
