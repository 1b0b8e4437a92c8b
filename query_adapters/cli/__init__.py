"""The command line `query-adapters`, a thin layer over the package (extra: cli)."""

from query_adapters._extras import require_extra

require_extra("cli")

from query_adapters.cli.main import app

__all__ = ["app"]
