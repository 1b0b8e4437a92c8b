"""The location of the stores of a test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DIM = 8


@dataclass(frozen=True)
class Place:
    """A folder, and a table in a database server that starts on first use."""

    folder: Path
    postgres: Callable[[], str]

    @property
    def table(self) -> str:
        return self.folder.name.replace("-", "_").lower()[-40:]
