"""A reader to fuzz, with small valid inputs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from query_adapters.errors import QueryAdaptersError

Files = Mapping[str, bytes]
FUZZED = "input"  # name of the file that is fuzzed, before its suffix


@dataclass(frozen=True)
class Target:
    """A reader with valid inputs.

    Args:
        read: Reads what is in the folder, where the fuzzed file is.
        path: The fuzzed file's path in the folder.
        seeds: Valid contents of it.
        others: The other files of the folder, by path.
        is_file: Whether the path is opened by this package, and not its content passed to it.
    """

    read: Callable[[Path], object]
    path: str
    seeds: Sequence[bytes]
    others: Callable[[], Files] = field(default=dict)
    is_file: bool = True

    def run(self, content: bytes, folder: Path) -> bool:
        """Write the content and read it; return whether it was accepted.

        Raises:
            Exception: Whatever is not an error of this package.
        """
        self.write(content, folder)
        try:
            self.read(folder)
        except QueryAdaptersError:
            return False
        except FileNotFoundError as exc:  # an input that names another file
            return exc.filename is not None and False
        return True

    def write(self, content: bytes, folder: Path) -> None:
        """Write the fuzzed file and the others."""
        for name, other in {**self.others(), self.path: content}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(other)


def as_json(*values: object) -> list[bytes]:
    """Return each value as a file of JSON."""
    return [json.dumps(value).encode() for value in values]


def as_lines(*rows: object) -> bytes:
    """Return the rows as one file of JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
