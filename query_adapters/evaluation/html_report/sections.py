"""Sections of the page; every text of a user is escaped."""

from collections.abc import Iterator, Mapping
from itertools import islice

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
from query_adapters.evaluation.scores import Slice
from query_adapters.text.markup import html_text

SHOWN_SLICES = 300  # slices in a table
SHOWN_FACTS = 100  # facts about the run


def headline(comparison: Comparison) -> str:
    """Return one sentence per system: its difference on the last metric, and wins and losses."""
    metric = comparison.metrics[-1]
    sentences = []
    for system in comparison.others:
        against = comparison.scores[metric][system].against
        if against is not None:
            sentences.append(
                f'<p class="lead"><strong>{html_text(system)}</strong> against '
                f'{html_text(comparison.baseline)}: {html_text(metric)} <strong class="'
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
        f"Difference from {html_text(comparison.baseline)}, × 100, with its 95 % interval, over "
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
        caption = f"Each question’s difference in {html_text(metric)}, × 100, sorted."
        figures = figure("gains", gains, caption) + _rank_figure(comparison, system)
        name = f"<h3>{html_text(system)}</h3>" if len(comparison.others) > 1 else ""
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
    longest = max((len(labelled) for labelled in comparison.slices.values()), default=0)
    more = (
        f" Tables show {SHOWN_SLICES} of up to {longest} parts." if longest > SHOWN_SLICES else ""
    )
    caption = f'<p class="quiet">{html_text(metric)}, × 100, on parts of the questions.{more}</p>'
    return section("Slices", caption + "".join(tables)) if tables else ""


def about_section(comparison: Comparison) -> str:
    """Return the section of metadata; empty if there is none."""
    facts = "".join(
        f"<div><dt>{html_text(name.replace('_', ' '))}</dt><dd>{html_text(str(fact))}</dd></div>"
        for name, fact in islice(comparison.about.items(), SHOWN_FACTS)
    )
    return section("About this run", f'<dl class="about">{facts}</dl>') if facts else ""


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
    for label, part in islice(labelled.items(), SHOWN_SLICES):
        base = times_100(part.scores[metric][baseline].mean)
        for system, score in part.scores[metric].items():
            if score.against is not None:
                name = html_text(label), str(part.n_queries), html_text(system)
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
