"""Print a comparison as a table in the terminal (extra: report)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath

from query_adapters._extras import require_extra

require_extra("report")

from rich.markup import escape
from rich.table import Table

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.comparison import ALL, Comparison
from query_adapters.evaluation.groups import together_in
from query_adapters.evaluation.html_tables import BRACKETS
from query_adapters.evaluation.pairwise import MetricComparison
from query_adapters.evaluation.scores import Score
from query_adapters.text.shown import one_line, quoted, shortened


def comparison_table(comparison: Mapping[str, MetricComparison], *, title: str = "") -> Table:
    """Return one row per metric: base, adapted, paired difference (× 100), wins and losses.

    Each mean has its 95 % interval. The last column has the numbers of queries on which the adapted
    system is better, equal and worse. The table fits into 80 columns.
    """
    table = _table(title)
    table.add_column("× 100", no_wrap=True)
    for heading in ("base", "adapted", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("+/=/−", justify="right", overflow="fold")
    for name, row in comparison.items():
        table.add_row(
            _name(name),
            _cell(row.base),
            _cell(row.adapted),
            _cell(row.difference, sign="+"),
            f"{row.wins}/{row.ties}/{row.losses}",
        )
    _add_caption(table, next((row.n_groups for row in comparison.values()), None))
    return table


def systems_table(comparison: Comparison, *, title: str = "", kind: str | None = None) -> Table:
    """Return one row per metric and system: mean and difference from the baseline (× 100).

    p is the two-sided p value of the paired permutation test, adjusted for the number of systems. A
    system named by an absolute path is shown by its last part, if that is unique.

    Args:
        comparison: The comparison.
        title: Title above the table.
        kind: A kind of slice, to show its parts instead of all queries.

    Raises:
        ValueError: If there is no such slice.
    """
    parts = [part for part in comparison.parts if part[0] == (kind or ALL)]
    if not parts:
        raise ValueError(f"expected a slice of {list(comparison.slices)}, got {quoted(kind)}")
    table = _table(title)
    table.add_column("× 100", no_wrap=True)
    table.add_column("system", overflow="fold")
    for heading in ("mean", "difference", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("+/=/−", justify="right", overflow="fold")
    names = _labels(comparison.evaluations)
    for _, label, part in parts:
        if kind:
            table.add_row(f"[bold]{_name(label)}[/bold] ({part.n_queries})")
        for metric, systems in part.scores.items():
            for place, (system, score) in enumerate(systems.items()):
                heading = "" if place else metric
                table.add_row(_name(heading), _name(names[system]), *_score_cells(score))
    _add_caption(table, comparison.n_groups)
    return table


def _table(title: str) -> Table:
    return Table(title=_name(title) or None, box=None, padding=(0, 2, 0, 0), title_justify="left")


def _name(name: str) -> str:
    """Return a name of a user's as one line, without markup."""
    return escape(shortened(one_line(name)))


def _add_caption(table: Table, n_groups: int | None) -> None:
    together = "" if n_groups is None else f"; questions {together_in(n_groups)}"
    table.caption = f"{BRACKETS}{together}"
    table.caption_justify = "left"


def _score_cells(score: Score) -> tuple[str, ...]:
    against = score.against
    if against is None:
        return (_cell(score.mean),)
    return (
        _cell(score.mean),
        _cell(against.difference, sign="+"),
        _p_value(against.p_adjusted),
        f"{against.wins}/{against.ties}/{against.losses}",
    )


def _p_value(p: float) -> str:
    """Return the p value with three decimals; it is never shown as 0."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _cell(interval: Interval, sign: str = "") -> str:
    mean, low, high = (100 * x for x in (interval.mean, interval.low, interval.high))
    return f"{mean:{sign}z.1f} [{low:{sign}z.1f},{high:{sign}z.1f}]"


def _labels(systems: Iterable[str]) -> dict[str, str]:
    """Return each system's name; of an absolute path its last part, if that is unique."""
    short = {name: _last_part(name) for name in systems}
    counts = Counter(short.values())
    return {name: label if counts[label] == 1 else name for name, label in short.items()}


def _last_part(name: str) -> str:
    """Return the last part of `<path>` or `<provider>:<path>`; any other name as it is."""
    path = PurePath(re.sub(r"^[\w-]{2,}:", "", name))
    return path.name if path.is_absolute() and path.name else name
