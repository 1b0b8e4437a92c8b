"""A comparison as a table in the terminal (extra: report)."""

from collections.abc import Mapping

from query_adapters._extras import require_extra

require_extra("report")

from rich.table import Table

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.comparison import MetricComparison


def comparison_table(comparison: Mapping[str, MetricComparison], *, title: str = "") -> Table:
    """Return one row a metric: base, adapted and paired difference, times 100, and who won.

    Each mean has its 95 % interval; the last column counts the questions on which the adapted
    system is better, equal and worse. Fits into 80 columns.
    """
    table = Table(title=title or None, box=None, padding=(0, 2, 0, 0), title_justify="left")
    table.add_column("× 100", no_wrap=True)
    for heading in ("base", "adapted", "difference"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("+/=/−", justify="right", overflow="fold")
    for name, row in comparison.items():
        table.add_row(
            name,
            _cell(row.base),
            _cell(row.adapted),
            _cell(row.difference, sign="+"),
            f"{row.wins}/{row.ties}/{row.losses}",
        )
    return table


def _cell(interval: Interval, sign: str = "") -> str:
    mean, low, high = (100 * x for x in (interval.mean, interval.low, interval.high))
    return f"{mean:{sign}.1f} [{low:{sign}.1f},{high:{sign}.1f}]"
