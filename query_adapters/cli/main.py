"""The Typer application: its commands and its error handling."""

import sqlite3
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from query_adapters._version import installed_version
from query_adapters.cli.adapters import export, train, verify
from query_adapters.cli.config import named
from query_adapters.cli.conversion import convert
from query_adapters.cli.data import generate, split
from query_adapters.cli.demo import demo
from query_adapters.cli.inspecting import inspect
from query_adapters.cli.locating import locate
from query_adapters.cli.measures import compare, evaluate, report
from query_adapters.cli.options import quiet_models, shows
from query_adapters.cli.upgrading import upgrade
from query_adapters.errors import QueryAdaptersError
from query_adapters.providers.redaction import redacting_errors

COMMANDS = (
    generate, convert, locate, split, train, evaluate, compare, report, inspect, verify, upgrade,
    export, demo,
)  # fmt: skip
EXPECTED = (QueryAdaptersError, OSError, ValueError, sqlite3.Error)  # the user can correct these
RESUMED = ("generate", "train", "upgrade")  # these commands resume when run again
INTERRUPTED = 130  # exit status of shells after Ctrl-C
DESCRIPTION = """Better retrieval on an index that stays as it is.

Learn a small map on query embeddings, measure it, keep it only where it helps.

Models are named <provider>:<model>, for example openai:text-embedding-3-small,
cohere:embed-v4.0 or sentence-transformers:<folder or id on the Hub>. Keys are taken from
the environment (OPENAI_API_KEY, CO_API_KEY) and from nowhere else.

Exit status: 0 if all went well, 1 if something is wrong with the data, the adapter or the
provider, 2 if the command was called wrongly.
"""


class ReportingGroup(TyperGroup):
    """A group of commands that reports expected errors in one line on stderr, with exit status 1.

    Ctrl-C exits with status 130, with a message if the work so far is kept.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; report expected errors."""
        try:
            with redacting_errors():
                return super().invoke(ctx)
        except typer.BadParameter as exc:
            raise named(exc) from exc.__cause__
        except KeyboardInterrupt as exc:
            if ctx.invoked_subcommand in RESUMED:
                typer.echo("interrupted; the same command again goes on from here", err=True)
            raise typer.Exit(INTERRUPTED) from exc
        except EXPECTED as exc:
            if ctx.params.get("traceback"):
                raise
            typer.echo(f"error: {' '.join(str(exc).split())}", err=True)
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
    app.command()(command)
