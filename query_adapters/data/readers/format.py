"""What is to be known of a format of test sets: how it is recognised, read and written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.readers.table import Row

Rows = list[dict[str, Any]]


def as_it_is(row: Row) -> Row:
    """Return the row itself."""
    return row


@dataclass(frozen=True)
class RowFormat:
    """A format of one row per question, or per judgement.

    Args:
        name: Name of the format.
        fits: Whether a row is of this format.
        flat: The row as a flat table row; it may raise SkippedRowError.
        columns: Columns of the flat row by role; roles that are left out are guessed if `guesses`.
        guesses: Whether names of columns differ from file to file.
        needs: Role without which a row says nothing, unless the caller names the documents.
        write: Rows of a dataset.
        keeps: What written rows keep beside questions and the texts of their documents.
        suffixes: Kinds of files that the tool itself reads.
    """

    name: str
    fits: Callable[[Row], bool]
    flat: Callable[[Row], Row] = as_it_is
    columns: Mapping[str, str] = field(default_factory=dict)
    guesses: bool = False
    needs: str | None = None
    write: Callable[[RetrievalDataset], Rows] | None = None
    keeps: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
