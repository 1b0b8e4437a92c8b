"""Assemble the HTML page: one file, no network, every text escaped."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Protocol, runtime_checkable

from query_adapters.evaluation.comparison import Comparison
from query_adapters.evaluation.explanation import RetrieverExplanation
from query_adapters.evaluation.html_report.changes import changes_section
from query_adapters.evaluation.html_report.retriever import retriever_section
from query_adapters.evaluation.html_report.sections import (
    about_section,
    headline,
    questions_section,
    scores_section,
    slices_section,
)
from query_adapters.evaluation.html_report.verdict import training_section
from query_adapters.files.atomic import replace_file
from query_adapters.text.markup import html_text


@runtime_checkable
class Recorded(Protocol):
    """An object with a training record, such as a `TrainingResult`."""

    def to_record(self) -> dict[str, Any]:
        """Return the record as JSON values."""


def write_html(
    comparison: Comparison,
    path: str | Path,
    *,
    training: Recorded | Mapping[str, Any] | None = None,
    retriever: RetrieverExplanation | None = None,
    title: str = "Retrieval report",
    max_changes: int = 100,
) -> Path:
    """Write the page in UTF-8 and return its path; arguments as in `page_html`."""
    page = page_html(
        comparison, training=training, retriever=retriever, title=title, max_changes=max_changes
    )
    return replace_file(path, [page.encode()])


def page_html(
    comparison: Comparison,
    *,
    training: Recorded | Mapping[str, Any] | None = None,
    retriever: RetrieverExplanation | None = None,
    title: str = "Retrieval report",
    max_changes: int = 100,
) -> str:
    """Return the page: metrics, gains by question, ranks, slices, training, facts, wins, losses.

    The page loads nothing; its content security policy forbids requests and foreign scripts.

    Args:
        comparison: The comparison; texts come from its dataset, ranks from its evaluations.
        training: The training of the adapter: a `TrainingResult`, or its record.
        retriever: What a learned retriever weighs, from `query_adapters.fusion.explain_fusion`.
        title: Title of the page.
        max_changes: Number of gains and of losses listed per system, at least 0.

    Raises:
        AdapterFileError: If the training is none, or its record is not understood.
        ValueError: If `max_changes` is negative.
    """
    if max_changes < 0:
        raise ValueError(f"max_changes: expected at least 0, got {max_changes}")
    record: object = training.to_record() if isinstance(training, Recorded) else training
    sections = [
        scores_section(comparison),
        questions_section(comparison),
        slices_section(comparison),
        "" if record is None else training_section(record),
        "" if retriever is None else retriever_section(retriever),
        about_section(comparison),
        changes_section(comparison, max_changes),
    ]
    style, script = _part("page.css"), _part("page.js")
    return Template(_part("page.html")).substitute(
        title=html_text(title),
        headline=headline(comparison),
        body="\n".join(filter(None, sections)),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
