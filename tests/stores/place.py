"""The location of the stores of a test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DIM = 8


@dataclass(frozen=True)
class Place:
    """A folder, and a table in a database server that starts on first use.

    Attributes:
        folder: The folder.
        postgres: Returns the URL of a database.
        service: Returns the URL of a local server that behaves as the service of this name.
        duckdb_extensions: Installs DuckDB's extensions from packages, into a home of the tests.
    """

    folder: Path
    postgres: Callable[[], str]
    service: Callable[[str], str] = str
    duckdb_extensions: Callable[[], None] = lambda: None

    @property
    def table(self) -> str:
        return self.folder.name.replace("-", "_").lower()[-40:]
