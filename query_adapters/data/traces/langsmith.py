"""Runs of LangSmith, as exported or as `Run.model_dump` returns them."""

from collections.abc import Mapping

from query_adapters.data.traces.parts import Row, documents_of, first, query_of
from query_adapters.data.traces.spans import Feedback, Span


def fits(row: Row) -> bool:
    """Return whether the row is a run."""
    return "run_type" in row


def read(row: Row, id_key: str | None) -> tuple[Span, list[Feedback]]:
    """Return the run as a span, and the means that LangSmith stores in it."""
    key = first(row, ("id", "run_id")) or ""
    is_retriever = row["run_type"] == "retriever"
    span = Span(
        key,
        first(row, ("trace_id",)),
        first(row, ("parent_run_id",)),
        query_of(row.get("inputs")) if is_retriever else None,
        documents_of(row.get("outputs"), id_key) if is_retriever else (),
    )
    stats = row.get("feedback_stats") or {}
    means = {name: _mean(found) for name, found in stats.items()}
    return span, [
        Feedback(name, mean, span_id=key) for name, mean in means.items() if mean is not None
    ]


def _mean(found: object) -> float | None:
    mean = found.get("avg") if isinstance(found, Mapping) else found
    return float(mean) if isinstance(mean, int | float) else None
