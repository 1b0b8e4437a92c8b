"""The commands `registry push`, `list`, `promote`, `rollback`, `delete`, `gc` and `history`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from query_adapters.cli import output
from query_adapters.cli.interruption import InterruptibleCommand
from query_adapters.cli.options import Folder, Json
from query_adapters.deployment import AdapterRegistry, AdapterVersion, Move
from query_adapters.remote.locations import VARIABLE
from query_adapters.remote.records import SHOWN
from query_adapters.remote.registry import GRACE, KEPT_MOVES, PRODUCTION

registry = typer.Typer(
    name="registry",
    help="Versions of adapters in a folder or an object store, and the aliases that are served.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Url = Annotated[
    str,
    typer.Option(
        "--registry", "-r", envvar=VARIABLE, metavar="URL", help="Folder, or s3://bucket/folder."
    ),
]
Name = Annotated[str, typer.Argument(help="Name of the adapter in the registry.")]
Version = Annotated[str, typer.Argument(help="Version: its first 8 digits or more, or an alias.")]
Alias = Annotated[str, typer.Option("--alias", help="The alias.")]
AnyAlias = Annotated[str | None, typer.Option("--alias", help="One alias alone.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the history.")]
By = Annotated[
    str | None, typer.Option("--by", help="Who, for the history.  [default: user and host]")
]


def push(folder: Folder, name: Name, url: Url, by: By = None, as_json: Json = False) -> None:
    """Store an adapter, and print its version.

    No alias is moved: `registry promote` puts it into service.

    Example:  query-adapters registry push my_adapter faq -r s3://bucket/registry
    """
    store = AdapterRegistry(url)
    version = store.push(folder, name, by=by)
    if as_json:
        return output.show_json({"name": name, "version": version, "uri": store.uri(name, version)})
    output.show(version)


def list_(
    url: Url,
    name: Annotated[str | None, typer.Argument(help="Adapter; all without it.")] = None,
    as_json: Json = False,
) -> None:
    """Show the versions of one adapter, or of all, and the aliases that name them.

    Example:  query-adapters registry list faq -r s3://bucket/registry
    """
    store = AdapterRegistry(url)
    names = store.names() if name is None else (name,)
    found = [version for one in names for version in store.versions(one)]
    if as_json:
        return output.show_json({"versions": [asdict(version) for version in found]})
    output.show(_versions(found))


def promote(
    name: Name,
    version: Version,
    url: Url,
    alias: Alias = PRODUCTION,
    reason: Reason = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Move an alias to a version.

    If another process moves it at the same time, one of the two is refused.

    Example:  query-adapters registry promote faq 3f5a9c01 -r registry --reason "better on tickets"
    """
    move = AdapterRegistry(url).promote(name, version, alias=alias, reason=reason, by=by)
    _show_move(move, as_json=as_json)


def rollback(
    name: Name,
    url: Url,
    alias: Alias = PRODUCTION,
    reason: Reason = "",
    by: By = None,
    as_json: Json = False,
) -> None:
    """Move an alias back to the version that it named before.

    Example:  query-adapters registry rollback faq -r registry --reason "worse on long questions"
    """
    move = AdapterRegistry(url).rollback(name, alias=alias, reason=reason, by=by)
    _show_move(move, as_json=as_json)


def delete(name: Name, version: Version, url: Url, as_json: Json = False) -> None:
    """Hide a version that no alias names; `registry gc` removes its files later.

    Example:  query-adapters registry delete faq 3f5a9c01 -r registry
    """
    store = AdapterRegistry(url)
    deleted = store.delete(name, store.resolve(name, version))
    if as_json:
        return output.show_json({"name": name, "deleted": deleted})
    output.show(f"deleted {name}@{deleted[:SHOWN]}")


def gc(
    url: Url,
    hours: Annotated[
        float, typer.Option("--hours", min=0, help="Grace time, longer than any push can take.")
    ] = GRACE / timedelta(hours=1),
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="Moves of each alias whose versions are kept.")
    ] = KEPT_MOVES,
    as_json: Json = False,
) -> None:
    """Remove half-written pushes, and in two steps the versions that nobody names.

    The first run marks them, a run at least the grace time later removes them.

    Example:  query-adapters registry gc -r s3://bucket/registry
    """
    swept = AdapterRegistry(url).gc(grace=timedelta(hours=hours), keep=keep)
    if as_json:
        return output.show_json(asdict(swept))
    output.show(output.facts(asdict(swept)))


def history(name: Name, url: Url, alias: AnyAlias = None, as_json: Json = False) -> None:
    """Show who moved which alias, when and why.

    Example:  query-adapters registry history faq -r s3://bucket/registry
    """
    moves = AdapterRegistry(url).history(name, alias=alias)
    if as_json:
        return output.show_json({"moves": [asdict(move) for move in moves]})
    headings = ("when", "alias", "action", "from", "to", "by", "reason")
    rows = [
        (m.at, m.alias, m.action, _short(m.previous), _short(m.version), m.by, m.reason)
        for m in moves
    ]
    output.show(output.plain_table(headings, rows))


def _versions(found: Sequence[AdapterVersion]) -> Table:
    headings = ("adapter", "version", "aliases", "pushed", "by", "kind", "base model")
    rows = [
        (
            one.name,
            _short(one.version),
            ", ".join(one.aliases),
            one.pushed,
            one.by,
            str(one.facts.get("kind") or ""),
            str(one.facts.get("base_model") or ""),
        )
        for one in found
    ]
    return output.plain_table(headings, rows)


def _show_move(move: Move, *, as_json: bool) -> None:
    if as_json:
        return output.show_json(asdict(move))
    moved = f"{_short(move.previous)} → {_short(move.version)}"
    output.show(f"{move.name} {move.alias}: {moved}")


def _short(version: str | None) -> str:
    return "–" if version is None else version[:SHOWN]


for command in (push, promote, rollback, delete, gc, history):
    registry.command(cls=InterruptibleCommand)(command)
registry.command(name="list", cls=InterruptibleCommand)(list_)
