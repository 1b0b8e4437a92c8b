"""Spans as OpenInference's instrumentation writes them."""

from collections.abc import Mapping
from typing import Any


def retrieval(key: str, query: str, texts: Mapping[str, str], **fields: Any) -> dict[str, Any]:
    """Return the span of a retriever that found these documents, by id and best first."""
    listed = [{"document": {"id": one, "content": text}} for one, text in texts.items()]
    return {
        "context": {"span_id": key, "trace_id": f"trace of {key}"},
        "attributes": {
            "openinference.span.kind": "RETRIEVER",
            "input.value": query,
            "retrieval.documents": listed,
        },
        **fields,
    }
