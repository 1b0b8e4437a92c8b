"""What an interrupted command says: what is kept, and how to go on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from query_adapters.cli.inputs import VECTORS
from query_adapters.processes.signals import Interruption

INTERRUPTED = 130  # exit status of shells after Ctrl-C


class InterruptibleCommand(TyperCommand):
    """A command that says after an interruption what is kept, and how to go on.

    Signals are handled by the process (`query_adapters.processes.signals`); where a program calls
    the command line itself, Ctrl-C is handled here.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C exits with status 130."""
        if isinstance(ctx.obj, Interruption):
            ctx.obj.advice = lambda: advice(ctx.params)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as exc:
            typer.echo(f"interrupted: {advice(ctx.params)}", err=True)
            raise typer.Exit(INTERRUPTED) from exc


def advice(params: Mapping[str, Any]) -> str:
    """Return what is kept of a command with these parameters, and how to go on."""
    kept = [str(path) for path in _resumable(params) if path.exists()]
    if kept:
        return f"what is finished is kept in {' and '.join(kept)}; the same command goes on from it"
    output = params.get("output_path")
    if "overwrite" in params and output is not None and output.exists():
        return f"files of {output} that are complete are kept; run again with --overwrite"
    hint = "; with --cache it keeps finished embeddings" if "cache" in params else ""
    return f"nothing was finished that could be kept; run the same command again{hint}"


def _resumable(params: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the files from which the same command goes on: a journal, a cache of embeddings."""
    output, adapter = params.get("output_path"), params.get("adapter")
    if "llm" in params:
        yield Path(f"{output}.answers.jsonl")
    if params.get("cache") is not None:
        yield params["cache"]
    elif "cache" in params:
        folders = adapter if isinstance(adapter, list) else [adapter or output]
        yield from (folder / VECTORS for folder in folders[:1] if folder is not None)
