"""Rows of any format as examples."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from query_adapters.data.readers.columns import Columns, given, guessed
from query_adapters.data.readers.examples import Example, Skipped, SkippedRowError
from query_adapters.data.readers.format import RowFormat
from query_adapters.data.readers.records import Located, read_records
from query_adapters.data.readers.registry import row_format
from query_adapters.data.readers.table import read_row
from query_adapters.errors import InvalidDatasetError

logger = logging.getLogger(__name__)


def read_examples(
    source: Any,
    skipped: Skipped,
    *,
    format: str | None,
    split: str | None,
    columns: Mapping[str, str] | None,
) -> Iterator[Example]:
    """Yield what the rows of the source say; rows that say nothing are added to `skipped`.

    Raises:
        InvalidDatasetError: If a row cannot be read, or its columns are not understood.
    """
    records = list(read_records(source, split=split))
    if not records:
        raise InvalidDatasetError(f"{_name(source)}: holds no rows; expected at least one")
    found = row_format(records[0][1], format)
    rows = list(_flattened(records, found, skipped))
    if not rows:
        return
    roles = _roles(rows, found, columns or {}, _name(source))
    logger.info("%s: format %s, %s", _name(source), found.name, roles)
    for place, row in rows:
        try:
            yield read_row(row, roles, place)
        except SkippedRowError as exc:
            skipped.add(place, str(exc))


def _flattened(records: Sequence[Located], found: RowFormat, skipped: Skipped) -> Iterator[Located]:
    for place, row in records:
        try:
            yield place, found.flat(row)
        except SkippedRowError as exc:
            skipped.add(place, str(exc))
        except InvalidDatasetError as exc:
            raise InvalidDatasetError(f"{place}: {exc}") from exc
        except (AttributeError, LookupError, TypeError, ValueError) as exc:
            raise InvalidDatasetError(
                f"{place}: expected a row of the format {found.name}, got {dict(row)!r}"
            ) from exc


def _roles(
    rows: Sequence[Located], found: RowFormat, columns: Mapping[str, str], place: str
) -> Columns:
    present = list(dict.fromkeys(name for _, row in rows for name in row))
    fixed = {role: name for role, name in found.columns.items() if name in present}
    named = given({**fixed, **columns}, present, place)
    roles = guessed(present, named, place) if found.guesses else named
    if roles.of("question") is None or _lacks(roles, found.needs):
        raise InvalidDatasetError(
            f"{place}: the format {found.name} needs a column of {found.needs or 'questions'} "
            f"among {', '.join(map(repr, present))}; name it: "
            f"columns={{{found.needs or 'question'!r}: ...}}"
        )
    return roles


def _lacks(roles: Columns, role: str | None) -> bool:
    return role is not None and roles.of(role) is None


def _name(source: Any) -> str:
    return str(source) if isinstance(source, str) or hasattr(source, "suffix") else "the table"
