"""Entry point of `python -m query_adapters` and of the script `query-adapters`."""

from query_adapters.errors import MissingExtraError


def main() -> None:
    """Run the command line; without the extra `cli`, print how to install it."""
    try:
        from query_adapters.cli import app
    except MissingExtraError as exc:
        raise SystemExit(f"error: {exc}") from None
    app(prog_name="query-adapters")


if __name__ == "__main__":
    main()
