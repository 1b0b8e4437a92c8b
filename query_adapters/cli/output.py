"""Output of the commands: JSON for programs, lines and tables for people.

Whatever is printed is made visible first, so that no text of a file acts on the terminal.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from query_adapters.text.shown import message, one_line, visible

MIN_WIDTH = 80  # columns; narrower terminals wrap lines themselves
UNLIMITED = 100_000  # columns, if the output is no terminal


class _Visible:
    """Renders what it holds, with escapes in place of characters that act on a terminal."""

    def __init__(self, part: RenderableType) -> None:
        self.part = part

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.part, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield Segment(shown, segment.style, segment.control)


def show_json(content: Mapping[str, Any]) -> None:
    """Print the content as JSON."""
    typer.echo(visible(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)))


def show(*parts: RenderableType) -> None:
    """Print lines and tables; in a file or a pipe, lines are not wrapped."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, MIN_WIDTH) if console.is_terminal else UNLIMITED
    for part in parts:
        console.print(Text(visible(part)) if isinstance(part, str) else _Visible(part))


def note(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(one_line(message(text)), err=True)


def facts(rows: Mapping[str, Any]) -> Table:
    """Return a table with one row per fact, without facts that are None."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            table.add_row(Text(name), Text(visible(str(value))))
    return table


def plain_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = ""
) -> Table:
    """Return a table without rules; all columns but the first are right-aligned."""
    above = Text(one_line(title), style="table.title") if title else None
    table = Table(box=None, padding=(0, 2, 0, 0), title=above)
    for position, heading in enumerate(headings):
        table.add_column(Text(heading), justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table
