"""The Typer application: its commands and its error handling."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from query_adapters._version import installed_version
from query_adapters.cli.adapters import export, train, verify
from query_adapters.cli.config import named
from query_adapters.cli.conversion import convert
from query_adapters.cli.data import generate, split
from query_adapters.cli.demo import demo
from query_adapters.cli.doctor import doctor
from query_adapters.cli.feedback import feedback
from query_adapters.cli.inspecting import inspect
from query_adapters.cli.interruption import InterruptibleCommand
from query_adapters.cli.locating import locate
from query_adapters.cli.measures import compare, evaluate, report
from query_adapters.cli.options import quiet_models, shows
from query_adapters.cli.output import note
from query_adapters.cli.registry import registry
from query_adapters.cli.traces import traces
from query_adapters.cli.upgrading import upgrade
from query_adapters.errors import QueryAdaptersError
from query_adapters.providers.redaction import redacting_errors
from query_adapters.text.shown import message

COMMANDS = (
    generate, convert, locate, traces, feedback, split, train, evaluate, compare, report, inspect,
    verify, doctor, upgrade, export, demo,
)  # fmt: skip
EXPECTED = (QueryAdaptersError, OSError, ValueError, sqlite3.Error)  # the user can correct these
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]  # Typer exports no name for it
DESCRIPTION = """Better retrieval on an index that stays as it is.

Learn a small map on query embeddings, measure it, keep it only where it helps.

Models are named <provider>/<model>, for example openai/text-embedding-3-small,
cohere/embed-v4.0, ollama/nomic-embed-text or st/<folder or id on the Hub>. A colon does as
well. Keys are taken from the environment (OPENAI_API_KEY, CO_API_KEY) and from nowhere else.

Exit status: 0 if all went well, 1 if something is wrong with the data, the adapter or the
provider, 2 if the command was called wrongly; 130, 143 or 129 after SIGINT, SIGTERM or SIGHUP,
with one line that says what is kept and how to go on.
"""


@contextmanager
def _readable_usage() -> Iterator[None]:
    """Make what is said about a wrong call safe to print, and name the file of a wrong setting."""
    try:
        yield
    except USAGE_ERROR as exc:
        shown: Any = named(exc) if isinstance(exc, typer.BadParameter) else exc
        shown.message = message(shown.message)
        raise


class ReportingGroup(TyperGroup):
    """A group of commands that reports expected errors in one line on stderr, with status 1."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the arguments; an error about them is safe to print and shows no secret."""
        with redacting_errors(), _readable_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report expected errors."""
        try:
            with redacting_errors(), _readable_usage():
                return super().invoke(ctx)
        except EXPECTED as exc:
            if ctx.params.get("traceback"):
                raise
            note(f"error: {exc}")
            raise typer.Exit(1) from exc


app = typer.Typer(
    name="query-adapters",
    cls=ReportingGroup,
    help=DESCRIPTION,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # it would print local variables, which may include a key
)


def show_version(asked: bool) -> None:
    """Print the version and exit, if requested."""
    if asked:
        typer.echo(f"query-adapters {installed_version()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=show_version),
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where an error comes from.")
    ] = False,
) -> None:
    """Declare the options of all commands; the group reads them."""
    if not shows(None):
        quiet_models()


for command in COMMANDS:
    app.command(cls=InterruptibleCommand)(command)
app.add_typer(registry)
