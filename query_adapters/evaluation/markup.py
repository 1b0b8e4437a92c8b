"""Scores as HTML tables; every text is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.scores import Contrast, Score, Scores

HEADINGS = ("metric", "system", "mean × 100", "difference", "p", "effect", "wins / ties / losses")


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", caption: str = ""
) -> str:
    """Return a table of cells that are HTML already.

    Args:
        headings: Text of each column's heading; escaped here.
        rows: The cells; the first of each row is its heading.
        kind: Class of the table.
        caption: Text above it; escaped here.
    """
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<table class="{escape(kind)}">{told}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def scores_table(scores: Scores) -> str:
    """Return one row per metric and system: mean, difference from the baseline, and tests."""
    rows = (
        (escape(metric), escape(system), *_cells(score))
        for metric, systems in scores.items()
        for system, score in systems.items()
    )
    return table(HEADINGS, rows, kind="scores")


def times_100(interval: Interval, *, sign: str = "") -> str:
    """Return mean and interval, times 100; `sign` "+" shows the sign."""
    mean, low, high = (100 * x for x in (interval.mean, interval.low, interval.high))
    ends = f"[{low:{sign}.1f}, {high:{sign}.1f}]"
    return f'{_minus(f"{mean:{sign}.1f}")} <span class="interval">{_minus(ends)}</span>'


def probability(p: float) -> str:
    """Return a probability as people read it."""
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"


def verdict_class(against: Contrast) -> str:
    """Return "better", "worse" or "unsure": where the interval of the difference lies."""
    if against.difference.low > 0:
        return "better"
    return "worse" if against.difference.high < 0 else "unsure"


def _cells(score: Score) -> tuple[str, ...]:
    against = score.against
    if against is None:
        return times_100(score.mean), "", "", "", ""
    effect = "" if against.effect_size is None else _minus(f"{against.effect_size:+.2f}")
    return (
        times_100(score.mean),
        f'<span class="{verdict_class(against)}">{times_100(against.difference, sign="+")}</span>',
        probability(against.p_adjusted),
        effect,
        f"{against.wins} / {against.ties} / {against.losses}",
    )


def _minus(figure: str) -> str:
    return figure.replace("-", "−")
