"""Plots as inline SVG; colours and type come from the page's style sheet.

All are 360 units wide, so that their text is readable on a phone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.text.markup import html_text
from query_adapters.text.shown import shortened
from query_adapters.typing import Rows, Values

WIDTH = 360
POINTS = 300  # points of a curve; more are not visible
RANK_LABELS = ("1", "2", "3", "4–5", "6–10", "> 10", "none")
RANK_ENDS = (1, 2, 3, 5, 10)  # last rank of each bin but the last two


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """One row of a plot of intervals.

    Attributes:
        label: Label of the row.
        interval: The interval, not multiplied by 100.
        kind: "better", "worse" or "unsure".
    """

    label: str
    interval: Interval
    kind: str


def whisker_plot(rows: Sequence[Whisker | str], *, label: str) -> str:
    """Return a row per interval, around a line at 0.

    Args:
        rows: Rows from top to bottom; a string is the heading of the rows below it.
        label: Text alternative of the plot.
    """
    left, right, height = 128, WIDTH - 14, 26
    whiskers = [row for row in rows if isinstance(row, Whisker)]
    ends = [0.0, *(x for row in whiskers for x in (row.interval.low, row.interval.high))]
    low, high = min(ends), max(ends)
    scale = (right - left) / ((high - low) or 1.0)
    foot = height * len(rows) + 6
    zero = left - low * scale
    parts = [_line(zero, 0, zero, foot, "zero"), _text(zero, foot + 14, "0", "note", "middle")]
    for end in {low, high} - {0.0}:
        if abs(end) * scale > 34:  # room for both figures
            x = min(zero + end * scale, WIDTH - 18)  # the whole figure is in the plot
            parts.append(_text(x, foot + 14, f"{100 * end:+z.1f}", "note", "middle"))
    for number, row in enumerate(rows):
        y = height * (number + 0.5)
        if isinstance(row, Whisker):
            parts += _whisker(row, y, zero, scale)
        else:
            parts.append(_text(0, y + 4, shortened(row, 19), "note", title=row))
    return _svg(foot + 22, label, parts)


def gain_plot(differences: Values, *, label: str) -> str:
    """Return the plot of all queries' differences, from the largest loss to the largest gain.

    Args:
        differences: One value per query, `(n_queries,)`.
        label: Text alternative of the plot.
    """
    ordered = np.sort(differences)
    n, top, bottom, left = len(ordered), 10, 170, 34
    extent = float(np.abs(ordered).max()) or 1.0
    middle = (top + bottom) / 2
    scale = (bottom - top) / 2 / extent
    width = WIDTH - left - 4
    counts = {
        "worse": int((ordered < 0).sum()),
        "unsure": int((ordered == 0).sum()),
        "better": int((ordered > 0).sum()),
    }
    parts = [_line(left, middle, WIDTH - 4, middle, "zero")]
    for value in (-extent, 0.0, extent):
        y = middle - value * scale
        parts.append(_text(left - 5, y + 4, f"{100 * value:+.0f}" if value else "0", "note", "end"))
    for kind, kept in (("worse", ordered[ordered < 0]), ("better", ordered[ordered > 0])):
        start = left if kind == "worse" else left + width * (n - len(kept)) / n
        parts.append(_steps(kept, start, width / n, middle, scale, kind))
    names = {"worse": "worse", "unsure": "equal", "better": "better"}
    for place, (kind, count) in enumerate(counts.items()):
        x, anchor = ((left, "start"), (left + width / 2, "middle"), (left + width, "end"))[place]
        parts.append(_text(x, bottom + 20, f"{count} {names[kind]}", kind, anchor))
    return _svg(bottom + 28, label, parts)


def rank_plot(before: Rows, after: Rows, *, label: str) -> str:
    """Return the grid of the number of queries by rank before and after.

    Args:
        before: Rank of the first relevant document under the baseline; 0 for none.
        after: The same under the other system.
        label: Text alternative of the plot.
    """
    n, left, top = len(RANK_LABELS), 52, 40
    side = (WIDTH - left) / n
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (_rank_bins(before), _rank_bins(after)), 1)
    parts = [
        _text(left + n * side / 2, 12, "rank after", "note", "middle"),
        _text(0, 12, "before", "note"),
    ]
    for place, name in enumerate(RANK_LABELS):
        middle = (place + 0.5) * side
        parts.append(_text(left + middle, top - 10, name, "note", "middle"))
        parts.append(_text(left - 10, top + middle + 4, name, "note", "end"))
    largest = counts.max() or 1
    for row, column in np.argwhere(counts):
        kind = "unsure" if row == column else "better" if column < row else "worse"
        x, y = left + column * side, top + row * side
        strength = 0.2 + 0.8 * (counts[row, column] / largest) ** 0.5
        parts.append(
            f'<rect class="cell {kind}" x="{x + 1.5:.1f}" y="{y + 1.5:.1f}" rx="4" '
            f'width="{side - 3:.1f}" height="{side - 3:.1f}" fill-opacity="{strength:.2f}"/>'
        )
        parts.append(
            _text(x + side / 2, y + side / 2 + 4, str(counts[row, column]), anchor="middle")
        )
    return _svg(top + n * side + 6, label, parts)


def _whisker(row: Whisker, y: float, zero: float, scale: float) -> list[str]:
    low, mean, high = (
        zero + scale * x for x in (row.interval.low, row.interval.mean, row.interval.high)
    )
    return [
        _text(0, y + 4, shortened(row.label, 19), title=row.label),
        _line(low, y, high, y, f"whisker {row.kind}"),
        f'<circle class="{row.kind}" cx="{mean:.1f}" cy="{y:.1f}" r="4"/>',
    ]


def _rank_bins(ranks: Rows) -> Rows:
    bins = np.searchsorted(RANK_ENDS, ranks)
    return np.where(ranks == 0, len(RANK_LABELS) - 1, bins)


def _steps(
    values: Values, start: float, step: float, middle: float, scale: float, kind: str
) -> str:
    """Return the area between the values, `step` wide each, and the line at 0."""
    if not len(values):
        return ""
    edges = np.unique(np.linspace(0, len(values), min(len(values), POINTS) + 1).astype(int))
    outline = [f"M{start:.1f} {middle:.1f}"]
    for low, high in pairwise(edges):
        part = values[low:high]
        outline.append(f"V{middle - float(part[np.abs(part).argmax()]) * scale:.1f}")
        outline.append(f"H{start + high * step:.1f}")
    return f'<path class="area {kind}" d="{"".join(outline)}V{middle:.1f}Z"/>'


def _svg(height: float, label: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html_text(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(
    x: float, y: float, text: str, kind: str = "", anchor: str = "start", *, title: str = ""
) -> str:
    tooltip = f"<title>{html_text(title)}</title>" if title and title != text else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{tooltip}{html_text(text.replace('-', '−') if _is_figure(text) else text)}</text>"
    )


def _is_figure(text: str) -> bool:
    return text[:1] in "+-" and text[1:2].isdigit()
