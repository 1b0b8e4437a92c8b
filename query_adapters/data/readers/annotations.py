"""Answers of several annotators as one grade."""

from collections.abc import Mapping, Sequence
from typing import Any

from query_adapters.data.readers.examples import SkippedRowError
from query_adapters.data.readers.table import Row
from query_adapters.data.readers.values import grade_of, is_missing
from query_adapters.errors import InvalidDatasetError

MAJORITY = 0.5  # a mean below this counts as not relevant


def with_judgements(columns: Row, answers: Mapping[str, Sequence[Any]]) -> Row:
    """Return the columns with one more per annotation question, its mean grade or its first text.

    Raises:
        SkippedRowError: If nobody answered.
    """
    values = {name: _together(found) for name, found in answers.items()}
    values = {name: value for name, value in values.items() if value is not None}
    if not values:
        raise SkippedRowError("without an annotation")
    return {**columns, **values}


def _together(found: Sequence[Any]) -> float | str | None:
    present = [value for value in found if not is_missing(value)]
    if not present:
        return None
    try:
        mean = sum(grade_of(value, "") for value in present) / len(present)
    except InvalidDatasetError:  # a text that an annotator wrote
        return str(present[0])
    return mean if mean >= MAJORITY else 0.0
