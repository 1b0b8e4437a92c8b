"""Output of the commands: JSON for programs, lines and tables for people."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from query_adapters.providers.redaction import redacted, redacted_value

MIN_WIDTH = 80  # columns; narrower terminals wrap lines themselves
UNLIMITED = 100_000  # columns, if the output is no terminal


def show_json(content: Mapping[str, Any]) -> None:
    """Print the content as JSON, without secrets."""
    typer.echo(json.dumps(redacted_value(content), indent=2, ensure_ascii=False, allow_nan=False))


def show(*parts: RenderableType) -> None:
    """Print lines and tables, without secrets; in a file or a pipe, lines are not wrapped."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, MIN_WIDTH) if console.is_terminal else UNLIMITED
    for part in parts:
        console.print(Text(redacted(part)) if isinstance(part, str) else part)


def facts(rows: Mapping[str, Any]) -> Table:
    """Return a table with one row per fact, without facts that are None."""
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, Text(redacted(str(value))))
    return table


def plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table without rules; all columns but the first are right-aligned."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="right" if position else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(redacted(cell)) for cell in row))
    return table
