"""The folder of a run: one file per finished block, and a record of what is done in it.

    000000.parquet   rows of the first block
    _manifest.json   the map with its model or adapter, the input and the size of a block

A file is there as soon as its block is finished, and not before: it is written under another name
and renamed. Readers of Parquet folders ignore the record for its first letter.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from query_adapters.errors import InvalidDatasetError
from query_adapters.files.atomic import naming, replace_file, replacing
from query_adapters.files.json_reading import read_json_file
from query_adapters.pipelines.parquet import Block
from query_adapters.processes.locks import writing

MANIFEST = "_manifest.json"
FORMAT = {"format": "query_adapters.pipelines", "version": 1}
GROUP_ROWS = 65_536  # rows of a row group, at most
ELSEWHERE = "name another folder, or remove this one to start anew"


@dataclass(frozen=True)
class OutputFolder:
    """The finished blocks of one run.

    Args:
        path: The folder.
    """

    path: Path

    @contextmanager
    def opened(self, record: Mapping[str, Any]) -> Iterator[None]:
        """Return a context in which this run alone writes the folder.

        Args:
            record: What the run does, as JSON.

        Raises:
            InvalidDatasetError: If the folder is of another run, or in use.
        """
        record = json.loads(json.dumps({**FORMAT, **record}))
        self.path.mkdir(parents=True, exist_ok=True)
        with writing(self.path, refusal=InvalidDatasetError, patience=1.0):
            self._check(record)
            for left in self.path.glob(".*.tmp"):  # by a process that was killed
                left.unlink(missing_ok=True)
            yield

    def is_finished(self, block: Block) -> bool:
        """Return whether the block's file is there."""
        return self._file(block).is_file()

    def write(self, block: Block, tables: Iterable[Any]) -> None:
        """Write the Arrow tables of a block, at least one, as its file."""
        from pyarrow import parquet

        rest = iter(tables)
        first = next(rest)
        with (
            naming(self._file(block)),
            replacing(self._file(block)) as file,
            # dictionaries of numbers that rarely repeat take time and save nothing
            parquet.ParquetWriter(file, first.schema, use_dictionary=False) as writer,
        ):
            for table in chain([first], rest):
                writer.write_table(table, row_group_size=GROUP_ROWS)

    def _file(self, block: Block) -> Path:
        return self.path / f"{block.number:06d}.parquet"

    def _check(self, record: Mapping[str, Any]) -> None:
        """Check that the folder is of this run; write the record where there is nothing yet."""
        path = self.path / MANIFEST
        if path.is_file():
            found = read_json_file(path, error=InvalidDatasetError)
            if found != record:
                raise InvalidDatasetError(f"{self.path}: {_difference(record, found)}; {ELSEWHERE}")
        elif others := sorted(p.name for p in self.path.iterdir() if not p.name.startswith(".")):
            raise InvalidDatasetError(
                f"{self.path}: expected an empty folder, or one of this run with {MANIFEST}, got "
                f"{others[0]!r}; {ELSEWHERE}"
            )
        else:
            replace_file(path, [(json.dumps(record, indent=2) + "\n").encode()])


def _difference(record: Mapping[str, Any], found: Any) -> str:
    """Return the first entry in which the record of a folder is another than expected."""
    others = found if isinstance(found, dict) else {}
    for name, expected in record.items():
        actual = others.get(name)
        if isinstance(expected, dict) and isinstance(actual, dict) and expected != actual:
            return _difference(expected, actual)
        if expected != actual:
            return f"expected a run with {name} {expected!r}, got one with {actual!r}"
    return f"expected the record of this run in {MANIFEST}, got another"
