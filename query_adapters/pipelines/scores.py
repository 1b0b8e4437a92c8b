"""Evaluate systems on questions and documents in Parquet files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.evaluation.metrics import DEFAULT_METRICS
from query_adapters.pipelines.evaluate import RANK, EvaluateSystems, Systems, names_of
from query_adapters.pipelines.footers import Source
from query_adapters.pipelines.mapping import map_parquet
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.pipelines.vectors import ParquetVectors
from query_adapters.typing import Similarity


def evaluate_parquet(
    questions: Source,
    documents: ParquetVectors | str | Path,
    systems: Systems,
    output: str | Path,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    similarity: Similarity = "cosine",
    vector_column: str = "vector",
    relevant_column: str = "relevant",
    grades_column: str | None = None,
    block_rows: int | None = None,
    ray: Mapping[str, Any] | None = None,
    show_progress: bool = False,
) -> dict[str, Evaluation]:
    """Return the scores of exact search under each system; they equal those of `evaluate_blocks`.

    `map_parquet` runs `EvaluateSystems`, so values per question are in Parquet files in `output`
    too, and a run that was interrupted goes on there. `compare_systems` compares the results.

    Args:
        questions: Vectors of questions with the ids of their relevant documents.
        documents: As in `EvaluateSystems`.
        systems: As in `EvaluateSystems`.
        output: Folder of the values per question.
        metrics: As in `EvaluateSystems`.
        similarity: As in `EvaluateSystems`.
        vector_column: As in `EvaluateSystems`.
        relevant_column: As in `EvaluateSystems`.
        grades_column: As in `EvaluateSystems`.
        block_rows: As in `map_parquet`; documents are read once per block.
        ray: As in `map_parquet`.
        show_progress: As in `map_parquet`.

    Raises:
        DimensionMismatchError: If vectors differ in length.
        InvalidDatasetError: If there are no questions or systems, a question has no relevant
            document or one that is missing, or the folder is of another run.
        UnknownMetricError: If a metric is unknown.
    """
    measure = EvaluateSystems(
        documents,
        systems,
        metrics=metrics,
        similarity=similarity,
        vector_column=vector_column,
        relevant_column=relevant_column,
        grades_column=grades_column,
    )
    done = map_parquet(
        measure, questions, output, keep=(), block_rows=block_rows, ray=ray,
        show_progress=show_progress,
    )  # fmt: skip
    values = _read(done.folder, measure.writes)
    return {system: _evaluation(system, metrics, values) for system in measure.systems}


def _read(folder: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    rows = ParquetRows(folder)
    blocks = rows.blocks(rows.n_rows)
    tables = [table for b in blocks for table in rows.read(b, names, batch_rows=1 << 20)]
    return {
        name: np.concatenate([table.column(name).to_numpy() for table in tables]) for name in names
    }


def _evaluation(
    system: str, metrics: Sequence[str], values: Mapping[str, NDArray[Any]]
) -> Evaluation:
    per_query = {name: values[f"{system}/{name}"] for name in names_of(metrics)}
    return Evaluation(per_query, first_relevant=values[f"{system}/{RANK}"])
