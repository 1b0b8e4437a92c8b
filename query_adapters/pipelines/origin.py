"""What made the vectors of a folder, as the records of the runs that wrote it say."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from query_adapters.adapters.serving import check_fits
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.embedders.call import Role
from query_adapters.errors import InvalidDatasetError, InvalidVectorsError
from query_adapters.files.json_reading import read_json_file
from query_adapters.pipelines.output import FORMAT, MANIFEST
from query_adapters.pipelines.parquet import ParquetRows

Step = Mapping[str, Any]
READ = ("model", "model_name", "role")  # of the step that made vectors


def history(rows: ParquetRows) -> list[Step]:
    """Return the identities of the maps that made the rows, the first one first; [] if unknown."""
    try:
        record = read_json_file(rows.root / MANIFEST, error=InvalidDatasetError)
        if FORMAT.items() <= record.items():
            steps = [*record["history"], record["map"]]
            return [step for step in steps if isinstance(step, Mapping)]
    except (OSError, InvalidDatasetError, AttributeError, KeyError, TypeError):  # no such record
        pass
    return []


def check_adapter(saved: SavedAdapter, rows: ParquetRows, column: str) -> None:
    """Check that an adapter fits the vectors, which must be those of queries.

    Raises:
        AdapterMismatchError: If they are of another model than the adapter was trained on.
        DimensionMismatchError: If they have another length.
        InvalidVectorsError: If they are of documents, or adapted already.
    """
    steps = history(rows)
    embedding = _embedding(steps, column)
    _check_role(embedding, "query", rows.root)
    if any(step.get("kind") == "adapt" for step in _writers(steps, column)):
        raise InvalidVectorsError(
            f"{rows.root}: expected vectors of the base model in column {column!r}, got adapted "
            f"ones, as {MANIFEST} says; adapt those of the base model"
        )
    check_fits(saved, model_name=embedding.get("model_name"), dim=rows.dim(column))


def check_models(rows: ParquetRows, column: str, documents: ParquetRows, of_documents: str) -> None:
    """Check that vectors that are searched as they are come from the documents' model.

    Raises:
        InvalidVectorsError: If, as far as known, they are of another model, or in the wrong role.
    """
    steps = history(rows)
    of_queries = _embedding(steps, column)
    of_stored = _embedding(history(documents), of_documents)
    _check_role(of_queries, "query", rows.root)
    _check_role(of_stored, "document", documents.root)
    found, expected = of_queries.get("model"), of_stored.get("model")
    is_adapted = any(step.get("kind") == "adapt" for step in steps)
    if None not in (found, expected) and found != expected and not is_adapted:
        raise InvalidVectorsError(
            f"{rows.root}: expected vectors of {expected}, as those of the documents, got "
            f"{found}; embed questions and documents with one model"
        )


def _writers(steps: Sequence[Step], column: str) -> list[Step]:
    written = ((step, step.get("writes")) for step in steps)
    return [step for step, names in written if isinstance(names, list) and column in names]


def _embedding(steps: Sequence[Step], column: str) -> Step:
    """Return the identity of the `EmbedTexts` that made a column; empty if unknown."""
    writers = reversed(_writers(steps, column))
    found: Step = next((step for step in writers if step.get("kind") == "embed"), {})
    return {name: found[name] for name in READ if isinstance(found.get(name), str)}


def _check_role(embedding: Step, role: Role, root: Path) -> None:
    """Check that vectors, as far as known, were embedded in the role.

    Raises:
        InvalidVectorsError: If not.
    """
    found = embedding.get("role", role)
    if found != role:
        raise InvalidVectorsError(
            f"{root}: expected vectors of texts in the role {role!r}, got {found!r}, as "
            f"{MANIFEST} says; embed the texts with role={role!r}"
        )
