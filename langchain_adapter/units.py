"""Which unit a document of a vector store belongs to, where labels are on units."""

from query_adapters.data.units import UnitRule, UnitsOption, unit_rule


def rule_of(units: UnitsOption) -> UnitRule | None:
    """Return how the unit of a document is read; None for "chunk".

    LangChain does not record which source a document was split from, so every name is a metadata
    key, such as the `id_key` of a ParentDocumentRetriever or MultiVectorRetriever, "doc_id".

    Args:
        units: "chunk", a metadata key, or a function of a document.

    Raises:
        TypeError: If it is neither a string nor a function.
    """
    return unit_rule(units, {}, lambda document: document.metadata)
