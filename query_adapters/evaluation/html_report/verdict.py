"""The section about training: the verdict and the candidates."""

from collections.abc import Mapping
from typing import Any

from query_adapters.adapters.training_record import (
    VIEWS,
    RecordedCandidate,
    RecordedScore,
    read_training,
)
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.html_report.plots import Whisker, whisker_plot
from query_adapters.evaluation.html_tables import figure, section, table, wide
from query_adapters.text.markup import html_text
from query_adapters.text.shown import shortened

SHOWN_CANDIDATES = 500  # rows of the table
SHOWN_LINES, SHOWN_LINE = 40, 1_000  # lines of a verdict, and their characters


def training_section(record: object) -> str:
    """Return the verdict of training and both views of every candidate.

    Raises:
        AdapterFileError: If the record is not one that a `TrainingResult` writes.
    """
    training = read_training(record)
    verdict, shown = verdict_html(training.verdict or "not recorded"), training.best
    if shown is None or not training.table:
        return section("Training", verdict)
    whiskers = [_view_whisker(name, view) for name, view in shown.scores.items()]
    kept = shown == training.chosen
    which = "the chosen candidate" if kept else "the best candidate, which was not kept"
    caption = (
        f"Out-of-fold difference in {html_text(training.metric or 'the metric')} of {which}, "
        "× 100, ± one standard error: new questions about documents with training questions "
        "(seen), about documents without (unseen), and both, weighted by the share of future "
        "questions expected of each kind (overall)."
    )
    plot = whisker_plot(whiskers, label="Out-of-fold differences in both views")
    rows = training.table[:SHOWN_CANDIDATES]
    body = [_candidate_row(row, is_chosen=row == training.chosen) for row in rows]
    listed = wide(table(("candidate", *VIEWS), body, kind="candidates"))
    n = len(training.table)
    which = f"All {n} candidates" if len(rows) == n else f"{len(rows)} of {n} candidates"
    every = f"<details><summary>{which}</summary>{listed}</details>"
    return section("Training", verdict + figure("views", plot, caption) + every)


def verdict_html(text: str) -> str:
    """Return the block of text with its first line, the decision, in bold."""
    lines = text.splitlines()[:SHOWN_LINES] or [""]
    first, *others = (html_text(line, SHOWN_LINE) for line in lines)
    return f'<p class="lead">{"<br>".join([f"<strong>{first}</strong>", *others])}</p>'


def _view_whisker(name: str, view: RecordedScore) -> Whisker:
    low, high = view.mean - view.error, view.mean + view.error
    kind = "better" if low > 0 else "worse" if high < 0 else "unsure"
    return Whisker(label=name, interval=Interval(mean=view.mean, low=low, high=high), kind=kind)


def _candidate_row(row: RecordedCandidate, *, is_chosen: bool) -> tuple[str, ...]:
    name = html_text(_settings(row.settings))
    return (
        f'<span class="chosen">{name} (chosen)</span>' if is_chosen else name,
        *(_view_cell(row.scores.get(view)) for view in VIEWS),
    )


def _settings(settings: Mapping[str, Any] | tuple[str, ...]) -> str:
    """Return the settings in one line, nested ones in brackets, without those that are None."""
    if isinstance(settings, tuple):
        return ", ".join(settings)
    parts = [
        f"{name} ({_plain_settings(value)})"
        if isinstance(value, Mapping)
        else _plain_settings({name: value})
        for name, value in settings.items()
    ]
    return ", ".join(filter(None, parts))


def _plain_settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {_setting(value)}" for name, value in settings.items() if value is not None
    )


def _setting(value: object) -> str:
    """Return a number with six digits, a text shortened, and of other values their type."""
    if isinstance(value, int | float) and abs(value) < 1e300:  # a longer integer is no float
        return f"{float(value):g}"
    return shortened(value) if isinstance(value, str) else type(value).__name__


def _view_cell(view: RecordedScore | None) -> str:
    if view is None:
        return "not measured"
    mean = f"{100 * view.mean:+z.1f}".replace("-", "−")
    return f'{mean} <span class="interval">± {100 * view.error:.1f}</span>'
