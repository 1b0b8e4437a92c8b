"""Weights of questions in the lines of a BEIR folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from query_adapters.data.lines import read_rows
from query_adapters.data.readers.values import id_text

WEIGHT = "question_weight"
"""Key of a question's weight in its `metadata`."""


def weights_in(path: Path) -> dict[str, Any]:
    """Return the weight of each question that has one, by id; a dataset checks them."""
    found = ((row.get("_id"), row.get("metadata"), place) for place, row in read_rows(path))
    return {
        id_text(key, place): data[WEIGHT]
        for key, data, place in found
        if isinstance(data, Mapping) and WEIGHT in data
    }
