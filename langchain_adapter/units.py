"""Which unit a document of a vector store belongs to, where labels are on units."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from langchain_core.documents import Document

from langchain_adapter.documents import document_id
from query_adapters.data.units import UnitRule, UnitsOption, unit_rule

RULES: Mapping[str, Callable[[Any], object]] = {"text": lambda document: document.page_content}
"""Rules that are not metadata keys."""


def rule_of(units: UnitsOption) -> UnitRule | None:
    """Return how the unit of a document is read; None for "chunk".

    LangChain does not record which source a document was split from, so every other name is a
    metadata key, such as the `id_key` of a ParentDocumentRetriever or MultiVectorRetriever,
    "doc_id".

    Args:
        units: "chunk", "text", a metadata key, or a function of a document.

    Raises:
        TypeError: If it is neither a string nor a function.
    """
    return unit_rule(units, RULES, lambda document: document.metadata)


def id_reader(units: UnitsOption, id_key: str | None) -> Callable[[Document], str]:
    """Return the function that returns the id of a document, or of its unit.

    Args:
        units: As in `rule_of`.
        id_key: As in `document_id`, without units.

    Raises:
        TypeError: If `units` is neither a string nor a function.
        ValueError: If both are given.
    """
    rule = rule_of(units)
    if rule is None:
        return partial(document_id, id_key=id_key)
    if id_key is not None:
        raise ValueError(
            f"expected id_key or units, got id_key={id_key!r} and units={rule.name}; ids of "
            "documents are not used where ids are of units"
        )
    return rule
