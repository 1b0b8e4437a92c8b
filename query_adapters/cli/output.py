"""Output of the commands: JSON for programs, lines and tables for people.

Whatever is printed is made safe first: no text of a file acts on the terminal, or shows a secret in
use or the credentials of a URL. A line on stderr shows nothing that looks like a secret.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from query_adapters.providers.redaction import redacted, redacted_value, without_credentials
from query_adapters.text.shown import message, one_line, shortened, visible

MIN_WIDTH = 80  # columns; narrower terminals wrap lines themselves
LONGEST = 10_000  # characters of a value in a table
UNLIMITED = 100_000  # columns, if the output is no terminal


class _Safe:
    """Renders what it holds, each piece of text made safe."""

    def __init__(self, part: RenderableType) -> None:
        self.part = part

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.part, options):
            shown = segment.text if segment.control else safe(segment.text)
            yield Segment(shown, segment.style, segment.control)


def safe(text: str) -> str:
    """Return the text without secrets, and with escapes for what acts on a terminal."""
    return visible(without_credentials(text))


def show_json(content: Mapping[str, Any]) -> None:
    """Print the content as JSON, without secrets."""
    clean = redacted_value(content, without_credentials)
    shown = json.dumps(clean, indent=2, ensure_ascii=False, allow_nan=False)
    typer.echo(visible(shown))


def show(*parts: RenderableType) -> None:
    """Print lines and tables, without secrets; in a file or a pipe, lines are not wrapped."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, MIN_WIDTH) if console.is_terminal else UNLIMITED
    for part in parts:
        console.print(Text(safe(part)) if isinstance(part, str) else _Safe(part))


def note(text: str) -> None:
    """Print a line on stderr."""
    typer.echo(one_line(message(redacted(text))), err=True)


def facts(rows: Mapping[str, Any]) -> Table:
    """Return a table with one row per fact, without facts that are None."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            table.add_row(Text(name), Text(shortened(safe(str(value)), LONGEST)))
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
        shown = (shortened(one_line(without_credentials(cell)), LONGEST) for cell in row)
        table.add_row(*map(Text, shown))
    return table
