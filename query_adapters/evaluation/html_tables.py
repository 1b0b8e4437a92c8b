"""Scores as HTML tables; every text is escaped here."""

from collections.abc import Iterable, Sequence

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.scores import Contrast, Score, Scores
from query_adapters.text.markup import html_text

BRACKETS = "brackets: 95 % intervals"
WON = "wins / ties / losses"
HEADINGS = ("metric", "system", "mean × 100", "difference", WON, "p", "effect")


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", caption: str = ""
) -> str:
    """Return a table of HTML cells.

    Args:
        headings: Text of each column's heading; escaped here.
        rows: Rows of cells; the first cell of a row is its heading.
        kind: Class of the table.
        caption: Text above it; escaped here.
    """
    head = "".join(f'<th scope="col">{html_text(text)}</th>' for text in headings)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    caption_html = f"<caption>{html_text(caption)}</caption>" if caption else ""
    return (
        f'<table class="{html_text(kind)}">{caption_html}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def scores_table(scores: Scores, *, caption: str = "") -> str:
    """Return one row per metric and system: mean, difference from the baseline, and tests.

    Args:
        scores: The scores.
        caption: Text above the table; escaped here.
    """
    rows = (
        (_once(html_text(metric), is_first=place == 0), html_text(system), *_cells(score))
        for metric, systems in scores.items()
        for place, (system, score) in enumerate(systems.items())
    )
    return table(HEADINGS, rows, kind="scores", caption=caption)


def section(title: str, content: str) -> str:
    """Return a section of the page; the title is escaped, the content is HTML."""
    return f"<section><h2>{html_text(title)}</h2>{content}</section>"


def figure(name: str, plot: str, caption: str) -> str:
    """Return a plot with its caption, both HTML."""
    return f'<figure class="{name}">{plot}<figcaption>{caption}</figcaption></figure>'


def wide(content: str) -> str:
    """Return content that scrolls sideways on a narrow page."""
    return f'<div class="wide" role="region" aria-label="table" tabindex="0">{content}</div>'


def times_100(interval: Interval, *, sign: str = "") -> str:
    """Return mean and interval, times 100; `sign` "+" shows the sign."""
    mean, low, high = (100 * x for x in (interval.mean, interval.low, interval.high))
    ends = f"[{low:{sign}z.1f}, {high:{sign}z.1f}]"
    return f'{_minus(f"{mean:{sign}z.1f}")} <span class="interval">{_minus(ends)}</span>'


def probability(p: float) -> str:
    """Return a p value as text."""
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"


def verdict_class(against: Contrast) -> str:
    """Return "better", "worse" or "unsure", by the interval of the difference."""
    if against.difference.low > 0:
        return "better"
    return "worse" if against.difference.high < 0 else "unsure"


def difference_cells(against: Contrast) -> tuple[str, str]:
    """Return the difference, coloured if significant, and the wins and losses."""
    difference = times_100(against.difference, sign="+")
    return (
        f'<span class="{verdict_class(against)}">{difference}</span>',
        f"{against.wins} / {against.ties} / {against.losses}",
    )


def _cells(score: Score) -> tuple[str, ...]:
    against = score.against
    if against is None:
        return times_100(score.mean), "", "", "", ""
    effect = "" if against.effect_size is None else _minus(f"{against.effect_size:+z.2f}")
    tests = probability(against.p_adjusted), effect
    return times_100(score.mean), *difference_cells(against), *tests


def _once(text: str, *, is_first: bool) -> str:
    """Return a row's heading; a repeated heading is hidden visually."""
    return text if is_first else f'<span class="same">{text}</span>'


def _minus(figure: str) -> str:
    return figure.replace("-", "−")
