"""Sections of the page; every text of a user is escaped."""

from collections.abc import Iterator, Mapping
from html import escape

from query_adapters.evaluation.comparison import Comparison
from query_adapters.evaluation.groups import together_in
from query_adapters.evaluation.html_report.plots import Whisker, gain_plot, rank_plot, whisker_plot
from query_adapters.evaluation.html_tables import (
    WON,
    difference_cells,
    figure,
    scores_table,
    section,
    table,
    times_100,
    verdict_class,
    wide,
)
from query_adapters.evaluation.query_changes import Change
from query_adapters.evaluation.scores import Slice

SHOWN_FOUND = 3  # retrieved documents listed per change and system
SHOWN_TEXT = 500  # characters of a relevant document
SHOWN_SNIPPET = 90  # characters of a retrieved one


def headline(comparison: Comparison) -> str:
    """Return one sentence per system: its difference on the last metric, and wins and losses."""
    metric = comparison.metrics[-1]
    sentences = []
    for system in comparison.others:
        against = comparison.scores[metric][system].against
        if against is not None:
            sentences.append(
                f'<p class="lead"><strong>{escape(system)}</strong> against '
                f'{escape(comparison.baseline)}: {escape(metric)} <strong class="'
                f'{verdict_class(against)}">{times_100(against.difference, sign="+")}</strong>; '
                f"better on {against.wins} questions, worse on {against.losses}, equal on "
                f"{against.ties}.</p>"
            )
    return "\n".join(sentences)


def scores_section(comparison: Comparison) -> str:
    """Return the section of the metrics: a plot of differences and a table."""
    rows = list(_whiskers(comparison))
    label = "Differences from the baseline with their intervals, by metric"
    plot = whisker_plot(rows, label=label)
    together = "" if comparison.n_groups is None else f" ({together_in(comparison.n_groups)})"
    caption = (
        f"Difference from {escape(comparison.baseline)}, × 100, with its 95 % interval, over "
        f"{comparison.n_queries} questions{together}. An interval that holds 0 may be chance."
    )
    return section(
        "Metrics",
        figure("intervals", plot, caption) + wide(scores_table(comparison.scores)),
    )


def questions_section(comparison: Comparison) -> str:
    """Return the section with the plots of gains and ranks of each system."""
    metric = comparison.metrics[-1]
    parts = []
    for system in comparison.others:
        gains = gain_plot(
            comparison.differences(system, metric),
            label=f"Difference in {metric} of each question, sorted, {system}",
        )
        caption = f"Each question’s difference in {escape(metric)}, × 100, sorted."
        figures = figure("gains", gains, caption) + _rank_figure(comparison, system)
        name = f"<h3>{escape(system)}</h3>" if len(comparison.others) > 1 else ""
        parts.append(f'{name}<div class="plots">{figures}</div>')
    return section("Question by question", "".join(parts))


def slices_section(comparison: Comparison) -> str:
    """Return the section of differences per slice; empty without slices."""
    metric = comparison.metrics[-1]
    tables = [
        wide(
            table(
                (kind, "questions", "system", "baseline", "mean", "difference", WON),
                _slice_rows(labelled, metric, comparison.baseline),
                kind="slices",
            )
        )
        for kind, labelled in comparison.slices.items()
    ]
    caption = f'<p class="quiet">{escape(metric)}, × 100, on parts of the questions.</p>'
    return section("Slices", caption + "".join(tables)) if tables else ""


def about_section(comparison: Comparison) -> str:
    """Return the section of metadata; empty if there is none."""
    facts = "".join(
        f"<div><dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(str(fact))}</dd></div>"
        for name, fact in comparison.about.items()
    )
    return section("About this run", f'<dl class="about">{facts}</dl>') if facts else ""


def changes_section(comparison: Comparison, limit: int) -> str:
    """Return the section with the largest gains and losses of every system."""
    items = []
    for system in comparison.others:
        found = [
            *comparison.gains(system, n=limit),
            *comparison.regressions(system, n=limit),
        ]
        items += [_change(change, system, comparison) for change in found]
    if not items:
        return ""
    caption = (
        f'<p class="quiet">By {escape(comparison.metrics[-1])}, at most {limit} of each, × 100; '
        "rank of the first relevant document before → after.</p>"
    )
    controls = (
        '<div class="filter"><label>Search questions and documents'
        '<input id="search" type="search" autocomplete="off"></label>'
        '<label class="small">Show<select id="kind"><option value="">wins and losses</option>'
        '<option value="better">wins</option><option value="worse">losses</option></select>'
        '</label></div><p class="quiet" id="count" aria-live="polite"></p>'
    )
    return section(
        "Wins and losses", f'{caption}{controls}<ul class="changes">{"".join(items)}</ul>'
    )


def cut(text: str, length: int) -> str:
    """Return the text, cut after so many characters."""
    return text if len(text) <= length else f"{text[:length].rstrip()}…"


def _whiskers(comparison: Comparison) -> Iterator[Whisker | str]:
    """Return a row per metric, or one per system under the metric's name."""
    alone = len(comparison.others) == 1
    for metric, systems in comparison.scores.items():
        if not alone:
            yield metric
        for system, score in systems.items():
            if score.against is not None:
                yield Whisker(
                    label=metric if alone else system,
                    interval=score.against.difference,
                    kind=verdict_class(score.against),
                )


def _slice_rows(
    labelled: Mapping[str, Slice], metric: str, baseline: str
) -> Iterator[tuple[str, ...]]:
    for label, part in labelled.items():
        base = times_100(part.scores[metric][baseline].mean)
        for system, score in part.scores[metric].items():
            if score.against is not None:
                name = escape(label), str(part.n_queries), escape(system)
                yield (*name, base, times_100(score.mean), *difference_cells(score.against))


def _rank_figure(comparison: Comparison, system: str) -> str:
    before = comparison.evaluations[comparison.baseline].first_relevant
    after = comparison.evaluations[system].first_relevant
    if not len(before) or not len(after):
        return ""
    label = f"Rank of the first relevant document before and after, {system}"
    plot = rank_plot(before, after, label=label)
    caption = (
        "Questions by the rank of their first relevant document: "
        '<span class="better">left of the diagonal it rose</span>, '
        '<span class="worse">right of it it fell</span>; “none”: not retrieved.'
    )
    return figure("ranks", plot, caption)


def _change(change: Change, system: str, comparison: Comparison) -> str:
    kind = "better" if change.gain > 0 else "worse"
    gain = f"{100 * change.gain:+z.0f}".replace("-", "−")
    of = f" · {escape(system)}" if len(comparison.others) > 1 else ""
    ranks = f"rank {change.rank_before or 'none'} → {change.rank_after or 'none'}"
    known = len(comparison.evaluations[system].first_relevant) > 0
    return (
        f'<li data-kind="{kind}"><details><summary><span class="gain {kind}">{gain}</span>'
        f"<span>{escape(change.query or change.query_id)}</span>"
        f'<span class="move">{ranks if known else ""}{of}</span></summary>'
        f'<div class="inside">{_answers(change)}'
        f"{_found(comparison.baseline, change.found_before, change, comparison)}"
        f"{_found(system, change.found_after, change, comparison)}</div></details></li>"
    )


def _answers(change: Change) -> str:
    return "".join(
        f'<div class="answer"><h3>relevant: {escape(key)}</h3>{escape(cut(text, SHOWN_TEXT))}</div>'
        for key, text in change.relevant.items()
    )


def _found(system: str, ids: tuple[str, ...], change: Change, comparison: Comparison) -> str:
    corpus = {} if comparison.dataset is None else comparison.dataset.corpus
    items = []
    for key in ids[:SHOWN_FOUND]:
        mark = ' class="better"' if key in change.relevant else ""
        snippet = escape(cut(corpus.get(key, ""), SHOWN_SNIPPET))
        tick = " ✓" if mark else ""
        items.append(
            f'<li{mark}><span class="id">{escape(key)}{tick}</span> '
            f'<span class="quiet">{snippet}</span></li>'
        )
    if not items:
        return ""
    return f"<div><h3>{escape(system)} found</h3><ol>{''.join(items)}</ol></div>"
