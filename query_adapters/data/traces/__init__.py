"""Datasets from traces: what retrievers returned, and how people rated it."""

from query_adapters.data.traces.labels import from_traces

__all__ = ["from_traces"]
