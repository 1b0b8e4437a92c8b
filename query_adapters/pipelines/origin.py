"""What made the vectors of a folder, as the records of the runs that wrote it say."""

import json
from collections.abc import Mapping
from typing import Any

from query_adapters.adapters.serving import check_fits
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.embedders.call import Role
from query_adapters.errors import InvalidVectorsError
from query_adapters.pipelines.output import FORMAT, MANIFEST
from query_adapters.pipelines.parquet import ParquetRows

Step = Mapping[str, Any]


def history(rows: ParquetRows) -> list[Step]:
    """Return the identities of the maps that made the rows, the first one first; [] if unknown."""
    try:
        record = json.loads((rows.root / MANIFEST).read_text(encoding="utf-8"))
        if FORMAT.items() <= record.items():
            return [*record["history"], record["map"]]
    except (OSError, ValueError, AttributeError, KeyError, TypeError):  # of another program
        pass
    return []


def embedding_of(rows: ParquetRows, column: str) -> Step:
    """Return the identity of the `EmbedTexts` that made a column; empty if unknown."""
    steps = [step for step in history(rows) if column in step["writes"]]
    return next((step for step in reversed(steps) if step["kind"] == "embed"), {})


def check_role(rows: ParquetRows, column: str, role: Role) -> None:
    """Check that the vectors, as far as known, were embedded in the role.

    Raises:
        InvalidVectorsError: If not.
    """
    found = embedding_of(rows, column).get("role", role)
    if found != role:
        raise InvalidVectorsError(
            f"{rows.root}: expected vectors of texts in the role {role!r}, got {found!r}, as "
            f"{MANIFEST} says; embed the texts with role={role!r}"
        )


def check_adapter(saved: SavedAdapter, rows: ParquetRows, column: str) -> None:
    """Check that an adapter fits the vectors, which must be those of queries.

    Raises:
        AdapterMismatchError: If they are of another model than the adapter was trained on.
        DimensionMismatchError: If they have another length.
        InvalidVectorsError: If they are of documents, or adapted already.
    """
    check_role(rows, column, "query")
    if any(step["kind"] == "adapt" and column in step["writes"] for step in history(rows)):
        raise InvalidVectorsError(
            f"{rows.root}: expected vectors of the base model in column {column!r}, got adapted "
            f"ones, as {MANIFEST} says; adapt those of the base model"
        )
    name = embedding_of(rows, column).get("model_name")
    check_fits(saved, model_name=name, dim=rows.dim(column))


def check_models(rows: ParquetRows, column: str, documents: ParquetRows, of_documents: str) -> None:
    """Check that vectors that are searched as they are come from the documents' model.

    Raises:
        InvalidVectorsError: If, as far as known, they are of another model, or in the wrong role.
    """
    check_role(rows, column, "query")
    check_role(documents, of_documents, "document")
    models = [
        embedding_of(rows, column).get("model"),
        embedding_of(documents, of_documents).get("model"),
    ]
    is_adapted = any(step["kind"] == "adapt" for step in history(rows))
    if None not in models and models[0] != models[1] and not is_adapted:
        raise InvalidVectorsError(
            f"{rows.root}: expected vectors of {models[1]}, as those of the documents, got "
            f"{models[0]}; embed questions and documents with one model"
        )
