"""Rows of a table as examples, once it is known which column plays which role."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from query_adapters.data.readers.columns import ROW_ID, Columns
from query_adapters.data.readers.examples import Example, Judgement, SkippedRowError
from query_adapters.data.readers.values import document_of, grade_of, id_text, is_missing, listed
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted

Row = Mapping[str, Any]


def read_row(row: Row, columns: Columns, place: str) -> Example:
    """Return what the row says.

    Raises:
        SkippedRowError: If it holds no question.
        InvalidDatasetError: If a cell has the wrong type.
    """
    negatives = [
        replace(document_of(entry, place), grade=0.0)
        for name in columns.names.get("negative", ())
        for entry in listed(row.get(name))
    ]
    return Example(
        place,
        _question(_cell(row, columns, "question"), place),
        (*_judgements(row, columns, place), *negatives),
        _answer(_cell(row, columns, "answer")),
        _question_id(row, columns, place),
    )


def _cell(row: Row, columns: Columns, role: str) -> Any:
    name = columns.of(role)
    return None if name is None else row.get(name)


def _question(value: Any, place: str) -> str:
    if is_missing(value):
        raise SkippedRowError("without a question")
    if isinstance(value, list | tuple):
        raise SkippedRowError("with a conversation instead of a question")
    if not isinstance(value, str):
        raise InvalidDatasetError(f"{place}: expected a question's text, got {quoted(value)}")
    return value


def _answer(value: Any) -> str | None:
    texts = [entry for entry in listed(value) if isinstance(entry, str)]
    return texts[0] if texts else None


def _question_id(row: Row, columns: Columns, place: str) -> str | None:
    value = _cell(row, columns, "question_id")
    if value is None and _is_whole(row, columns):
        value = next((row[name] for name in ROW_ID if not is_missing(row.get(name))), None)
    return None if _is_blank_id(value) else id_text(value, place)


def _is_blank_id(value: Any) -> bool:
    return value == "" or (is_missing(value) and not isinstance(value, str))


def _is_whole(row: Row, columns: Columns) -> bool:
    """Return whether the row holds all documents of its question, and not one of them."""
    cells = (_cell(row, columns, role) for role in ("document", "document_id"))
    return any(hasattr(cell, "__len__") and not isinstance(cell, str) for cell in cells)


def _judgements(row: Row, columns: Columns, place: str) -> tuple[Judgement, ...]:
    documents = [document_of(entry, place) for entry in listed(_cell(row, columns, "document"))]
    ids = _cell(row, columns, "document_id")
    if isinstance(ids, Mapping):
        return tuple(Judgement(None, str(key), _above_0(g, place)) for key, g in ids.items())
    keys = [id_text(entry, place) for entry in _ids(ids)]
    judged = _paired(documents, keys, place) if documents else [Judgement(None, k) for k in keys]
    if columns.of("relevance") is None:
        return tuple(judged)
    grade = grade_of(_cell(row, columns, "relevance"), place)
    return tuple(replace(one, grade=grade) for one in judged)


def _ids(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) and not value.startswith("[") else listed(value)


def _paired(documents: list[Judgement], keys: list[str], place: str) -> list[Judgement]:
    if not keys:
        return documents
    if len(keys) != len(documents):
        raise InvalidDatasetError(
            f"{place}: expected one id per document, got {len(keys)} ids of {len(documents)} "
            "documents; correct the row"
        )
    return [replace(one, id=key) for one, key in zip(documents, keys, strict=True)]


def _above_0(value: Any, place: str) -> float:
    grade = grade_of(value, place)
    if grade > 0:
        return grade
    raise InvalidDatasetError(
        f"{place}: expected grades that are numbers above 0, got {quoted(value)}; "
        "correct it or leave the document out"
    )
