"""The formats by name, in the order in which they are recognised."""

from collections.abc import Mapping
from typing import Any

from query_adapters.data.readers.argilla import ARGILLA
from query_adapters.data.readers.deepeval import DEEPEVAL
from query_adapters.data.readers.format import RowFormat
from query_adapters.data.readers.label_studio import LABEL_STUDIO
from query_adapters.data.readers.labelled_rag import LABELLED_RAG
from query_adapters.data.readers.langsmith import LANGSMITH
from query_adapters.data.readers.pairs import PAIRS, TABLE
from query_adapters.data.readers.promptfoo import PROMPTFOO
from query_adapters.data.readers.ragas import RAGAS, RAGAS_0_1
from query_adapters.data.readers.table import Row
from query_adapters.data.readers.whole import BEIR, DATASET, LLAMA_INDEX_QA, MTEB, WholeFormat
from query_adapters.errors import InvalidDatasetError

Format = WholeFormat | RowFormat

WHOLE_FORMATS: Mapping[str, WholeFormat] = {
    known.name: known for known in (DATASET, BEIR, LLAMA_INDEX_QA, MTEB)
}
ROW_FORMATS: Mapping[str, RowFormat] = {
    known.name: known
    for known in (
        LABELLED_RAG, RAGAS, RAGAS_0_1, DEEPEVAL, ARGILLA, LABEL_STUDIO, PROMPTFOO, LANGSMITH,
        PAIRS, TABLE,
    )
}  # fmt: skip
"""The last, a plain table, fits every row."""


def whole_format(source: Any, name: str | None) -> WholeFormat | None:
    """Return the format of that name, or the one that fits; None if it is one of rows.

    Raises:
        InvalidDatasetError: If no format has the name.
    """
    if name in ROW_FORMATS:
        return None
    if name is not None:
        return WHOLE_FORMATS.get(name) or _refuse(name)
    return next((known for known in WHOLE_FORMATS.values() if known.fits(source)), None)


def row_format(row: Row, name: str | None) -> RowFormat:
    """Return the format of that name, or the first one that fits the row."""
    if name is not None:
        return ROW_FORMATS[name]
    return next(known for known in ROW_FORMATS.values() if known.fits(row))


def _refuse(name: str) -> WholeFormat:
    known = ", ".join((*WHOLE_FORMATS, *ROW_FORMATS))
    raise InvalidDatasetError(f"expected one of the formats {known}; got {name!r}")
