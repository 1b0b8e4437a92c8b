"""Read the options of commands from a TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from query_adapters.files.reading import read_text

FILE = "query_adapters.config"  # key of the file's path in a command's context


def use_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Use the settings in the file as defaults of the command; options override them.

    Top-level settings apply to every command that has them, `[train]` to `train`.

    Raises:
        typer.BadParameter: If the file is not TOML, or no command has a setting.
    """
    if path is None:
        return None
    text = read_text(path, error=typer.BadParameter)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # a number of 5,000 digits is a plain ValueError
        raise typer.BadParameter(f"{path}: expected TOML, got: {exc}") from exc
    commands: Mapping[str, Any] = ctx.parent.command.commands  # type: ignore[union-attr]
    names = {command: _settings(known) for command, known in commands.items()}
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    shared = {key: value for key, value in content.items() if key not in tables}
    _refuse_unknown(path, tables, names)
    _refuse_unknown(path, shared, {key for known in names.values() for key in known})
    for command, table in tables.items():
        _refuse_unknown(path, table, names[command], place=f"[{command}] ")
    own = names[str(ctx.info_name)]
    given = shared | tables.get(str(ctx.info_name), {})
    known = {own[name]: value for key, value in given.items() if (name := _plain(key)) in own}
    ctx.meta[FILE] = path
    ctx.default_map = {parameter.name: _as_taken(parameter, v) for parameter, v in known.items()}
    return path


def named(error: typer.BadParameter) -> typer.BadParameter:
    """Return the error, with the file in its message if the wrong value is from the file."""
    if error.ctx is not None and error.param is not None and error.param.name is not None:
        source = error.ctx.get_parameter_source(error.param.name)
        if source is not None and source.name == "DEFAULT_MAP":
            error.message = f"{error.ctx.meta[FILE]}: {error.message}"
    return error


def _as_taken(parameter: Any, value: Any) -> Any:
    """Return the value, as a list if the option may be given several times."""
    several = getattr(parameter, "multiple", False) and not isinstance(value, list)
    return [value] if several else value


def _settings(command: Any) -> dict[str, Any]:
    """Return the command's parameters by their name on the command line."""
    return {
        _plain(option): parameter
        for parameter in command.params
        for option in parameter.opts
        if parameter.name not in ("config", "help")
    }


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def _refuse_unknown(path: Path, given: Any, known: Any, *, place: str = "") -> None:
    unknown = [key for key in given if _plain(key) not in known]
    if unknown:
        raise typer.BadParameter(
            f"{path}: {place}{unknown[0]!r} is unknown; expected one of {', '.join(sorted(known))}"
        )


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file of settings, named as the options; options override them.",
        exists=True,
        dir_okay=False,
        is_eager=True,
        callback=use_config,
    ),
]
