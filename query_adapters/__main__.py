"""Entry point of `python -m query_adapters` and of the script `query-adapters`."""

import os

from query_adapters.errors import MissingExtraError
from query_adapters.processes.signals import Interrupted, Interruption


def main() -> None:
    """Run the command line; without the extra `cli`, print how to install it."""
    interruption = Interruption()
    interruption.install()
    try:
        _run(interruption)
    except Interrupted as exc:
        os._exit(int(str(exc.code)))  # without waiting for threads
    finally:
        interruption.finish()


def _run(interruption: Interruption) -> None:
    try:
        from query_adapters.cli import app
    except MissingExtraError as exc:
        raise SystemExit(f"error: {exc}") from None
    app(prog_name="query-adapters", obj=interruption)


if __name__ == "__main__":
    main()
