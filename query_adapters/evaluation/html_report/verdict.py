"""The section about training: the verdict and the candidates."""

from collections.abc import Mapping
from html import escape
from typing import Any

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.html_report.plots import Whisker, whisker_plot
from query_adapters.evaluation.html_tables import figure, section, table, wide


def training_section(record: Mapping[str, Any]) -> str:
    """Return the verdict of training and both views of every candidate."""
    chosen, rows = record.get("chosen"), record.get("table", ())
    verdict = verdict_html(str(record.get("verdict", "not recorded")))
    if not rows:
        return section("Training", verdict)
    shown = chosen or max(rows, key=lambda row: row["overall"]["mean"])
    views = {name: shown[name] for name in ("seen", "unseen", "overall") if shown.get(name)}
    whiskers = [_view_whisker(name, view) for name, view in views.items()]
    which = "the chosen candidate" if chosen else "the best candidate, which was not kept"
    caption = (
        f"Out-of-fold difference in {escape(str(record.get('metric', 'the metric')))} of {which}, "
        "× 100, ± one standard error: new questions about documents with training questions "
        "(seen), about documents without (unseen), and both, weighted by the share of future "
        "questions expected of each kind (overall)."
    )
    plot = whisker_plot(whiskers, label="Out-of-fold differences in both views")
    headings = ("candidate", "seen", "unseen", "overall")
    body = [_candidate_row(row, is_chosen=row == chosen) for row in rows]
    listed = wide(table(headings, body, kind="candidates"))
    every = f"<details><summary>All {len(rows)} candidates</summary>{listed}</details>"
    return section("Training", verdict + figure("views", plot, caption) + every)


def verdict_html(text: str) -> str:
    """Return the block of text with its first line, the decision, in bold."""
    first, *others = (escape(line) for line in text.splitlines() or [""])
    return f'<p class="lead">{"<br>".join([f"<strong>{first}</strong>", *others])}</p>'


def _view_whisker(name: str, view: Mapping[str, float]) -> Whisker:
    low, high = view["mean"] - view["error"], view["mean"] + view["error"]
    kind = "better" if low > 0 else "worse" if high < 0 else "unsure"
    return Whisker(label=name, interval=Interval(mean=view["mean"], low=low, high=high), kind=kind)


def _candidate_row(row: Mapping[str, Any], *, is_chosen: bool) -> tuple[str, ...]:
    name = escape(_settings(row["candidate"]))
    return (
        f'<span class="chosen">{name} (chosen)</span>' if is_chosen else name,
        *(_view_cell(row.get(view)) for view in ("seen", "unseen", "overall")),
    )


def _settings(candidate: Mapping[str, Any]) -> str:
    """Return the settings in one line, nested ones in brackets, without those that are None."""
    parts = []
    for name, value in candidate.items():
        if isinstance(value, Mapping):
            parts.append(f"{name} ({_settings(value)})")
        elif value is not None:
            parts.append(f"{name} {value:g}")
    return ", ".join(parts)


def _view_cell(view: Mapping[str, float] | None) -> str:
    if view is None:
        return "not measured"
    mean = f"{100 * view['mean']:+z.1f}".replace("-", "−")
    return f'{mean} <span class="interval">± {100 * view["error"]:.1f}</span>'
