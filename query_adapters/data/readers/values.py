"""Cells of a table as texts, lists and grades."""

import ast
import json
import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from query_adapters.data.readers.examples import Judgement
from query_adapters.errors import InvalidDatasetError
from query_adapters.files.json_reading import is_deep
from query_adapters.text.shown import quoted

TEXT_KEYS = ("text", "content", "page_content", "passage", "document", "contents")
ID_KEYS = ("id", "_id", "id_", "doc_id", "docid", "document_id", "passage_id", "chunk_id")
GRADES = {
    **dict.fromkeys(("relevant", "yes", "true", "correct", "positive", "good", "helpful"), 1.0),
    **dict.fromkeys(("thumbs up", "up", "accepted", "pass"), 1.0),
    **dict.fromkeys(("irrelevant", "not relevant", "non relevant", "unrelated", "no"), 0.0),
    **dict.fromkeys(("false", "incorrect", "negative", "bad", "unhelpful", "not helpful"), 0.0),
    **dict.fromkeys(("thumbs down", "down", "rejected", "fail"), 0.0),
}
"""Grades of judgements in words; of other words the meaning is not guessed."""


def is_missing(value: Any) -> bool:
    """Return whether the cell is empty: None, NaN, NA or NaT of pandas, or a blank text."""
    if isinstance(value, str):
        return not value.strip()
    is_nan = isinstance(value, float) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def listed(value: Any) -> list[Any]:
    """Return the cell's entries; a text that spells a list, as CSV files do, is taken as one."""
    if hasattr(value, "tolist"):  # arrays in pandas and Parquet tables
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [entry for entry in value if not is_missing(entry)]
    if is_missing(value):
        return []
    return _spelled(value) if isinstance(value, str) else [value]


def protected(text: str) -> str:
    """Return the text as a cell that `listed` reads back as this one text."""
    return text if listed(text) == [text] else json.dumps([text])


def _spelled(text: str) -> list[Any]:
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        return [text]
    for parse in (json.loads, ast.literal_eval):
        try:
            found = parse(inner)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
        plain = isinstance(found, list) and all(isinstance(entry, str | dict) for entry in found)
        if plain and not is_deep(found):
            return list(found)
    return [text]


def id_text(value: Any, place: str) -> str:
    """Return the id that a text or a whole number is.

    Raises:
        InvalidDatasetError: If it is neither, which an empty text is not.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if is_whole or (isinstance(value, str) and value):
        return str(value)
    if isinstance(value, float) and value.is_integer():  # pandas turns ids with gaps into floats
        return str(int(value))
    raise InvalidDatasetError(
        f"{place}: expected a text or a whole number as id, got {quoted(value)}"
    )


def document_of(entry: Any, place: str) -> Judgement:
    """Return the document of a text, or of an object that holds its text and perhaps its id.

    Raises:
        InvalidDatasetError: If it is neither.
    """
    if isinstance(entry, str):
        return Judgement(entry)
    if isinstance(entry, Mapping):
        text = next((entry[key] for key in TEXT_KEYS if isinstance(entry.get(key), str)), None)
        key = next((entry[key] for key in ID_KEYS if not is_missing(entry.get(key))), None)
        if text is not None:
            titled = titled_text(entry.get("title"), text, place)
            return Judgement(titled, None if key is None else id_text(key, place))
    raise InvalidDatasetError(
        f"{place}: expected a document's text, or an object with one of {', '.join(TEXT_KEYS)}, "
        f"got {quoted(entry)}; correct or drop the row"
    )


def titled_text(title: Any, text: Any, place: str) -> str:
    """Return the title, if there is one, and the text.

    Raises:
        InvalidDatasetError: If one of them is no text.
    """
    parts = [part for part in (title, text) if not is_missing(part)]
    wrong = next((part for part in parts if not isinstance(part, str)), None)
    if wrong is not None:
        raise InvalidDatasetError(f"{place}: expected a text, got {wrong!r}; correct it")
    return " ".join(parts)


def grade_of(value: Any, place: str) -> float:
    """Return the grade, 0 for a document that is not relevant.

    Raises:
        InvalidDatasetError: If it is neither a finite number from 0 nor a known word.
    """
    word = str(value).strip().lower().replace("_", " ").replace("-", " ")
    try:
        grade = GRADES[word] if word in GRADES else float(value)
    except (TypeError, ValueError, OverflowError):
        grade = math.nan
    if not 0 <= grade < math.inf:
        raise InvalidDatasetError(
            f"{place}: expected grades that are numbers from 0, or words such as relevant and "
            f"irrelevant, yes and no; got {quoted(value)}; write a number"
        )
    return grade
