"""Write a comparison as one self-contained HTML page."""

from query_adapters.evaluation.explanation import (
    ExplainedDocument,
    ExplainedQuestion,
    PartWeight,
    RetrieverExplanation,
)
from query_adapters.evaluation.html_report.document import Recorded, page_html, write_html

__all__ = [
    "ExplainedDocument",
    "ExplainedQuestion",
    "PartWeight",
    "Recorded",
    "RetrieverExplanation",
    "page_html",
    "write_html",
]
