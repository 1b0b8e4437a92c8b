"""The lines of a BEIR folder's `corpus.jsonl` and `queries.jsonl`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from query_adapters.data.lines import read_rows
from query_adapters.data.readers.values import id_text
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted

WEIGHT = "question_weight"
"""Key of a question's weight in its `metadata`."""


class BeirLine(NamedTuple):
    """A document or a question.

    Attributes:
        text: Its title and its text.
        metadata: Its `metadata`; empty without any.
    """

    text: str
    metadata: Mapping[str, Any]


def beir_lines(path: Path) -> Iterator[tuple[str, BeirLine]]:
    """Yield the lines of a file with their ids.

    Raises:
        FileNotFoundError: If there is no such file.
        InvalidDatasetError: If a line cannot be read.
    """
    for place, row in read_rows(path):
        try:
            key, text = id_text(row["_id"], place), row["text"]
            text, metadata = " ".join(p for p in (row.get("title"), text) if p), row.get("metadata")
        except (KeyError, TypeError) as exc:
            raise InvalidDatasetError(
                f"{place}: expected a JSON object with _id and text, got {quoted(row)}"
            ) from exc
        yield key, BeirLine(text, metadata if isinstance(metadata, Mapping) else {})


def texts_of(lines: Mapping[str, BeirLine]) -> dict[str, str]:
    """Return the texts by id."""
    return {key: line.text for key, line in lines.items()}


def weights_of(lines: Mapping[str, BeirLine]) -> dict[str, Any]:
    """Return the weight of each question that has one, by id; a dataset checks them."""
    return {key: line.metadata[WEIGHT] for key, line in lines.items() if WEIGHT in line.metadata}


def encoded_lines(texts: Mapping[str, str], weights: Mapping[str, float]) -> Iterator[bytes]:
    """Yield the lines to write, each with its line break."""
    for key, text in texts.items():
        data = {"metadata": {WEIGHT: weights[key]}} if key in weights else {}
        row = {"_id": key, "title": "", "text": text, **data}
        yield (json.dumps(row, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
