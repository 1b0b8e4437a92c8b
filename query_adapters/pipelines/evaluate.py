"""Evaluate systems on stored questions, batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.serving import AdapterLike
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.evaluation.metrics import DEFAULT_METRICS, parse_metrics
from query_adapters.evaluation.streaming import QuestionBlock, evaluate_blocks
from query_adapters.pipelines.adapt import as_saved
from query_adapters.pipelines.batches import Batch, lists_of, vectors_of, with_columns
from query_adapters.pipelines.origin import check_adapter, check_models
from query_adapters.pipelines.parquet import ParquetRows
from query_adapters.pipelines.search import as_documents, check_dims
from query_adapters.pipelines.vectors import ParquetVectors
from query_adapters.typing import Rows, Similarity, Values

RANK = "first_relevant"
Systems = Mapping[str, AdapterLike | None]
"""The adapter of each system by its name, or its folder; None for the base model."""


@dataclass(frozen=True)
class EvaluateSystems:
    """Adds each system's value of each metric for each question, by exact search.

    The columns are `<system>/<metric>`, and `<system>/first_relevant` with the rank of the first
    relevant document, 0 if it is not among those found. All documents are read once per batch, for
    all systems together.

    Args:
        documents: Their vectors, or the file or folder of these.
        systems: Adapters, or their folders, which are read at once; None for the base model.
        metrics: Names such as "ndcg@10".
        similarity: What the search ranks by.
        vector_column: Column of the base model's vectors of questions.
        relevant_column: Column of the lists of ids of relevant documents, at least one a question.
        grades_column: Column of the lists of their grades > 0; None for 1.

    Raises:
        InvalidDatasetError: If there are no systems.
        UnknownMetricError: If a metric is unknown.
    """

    block_rows: ClassVar[int] = 65_536
    batch_rows: ClassVar[int] = 65_536

    documents: ParquetVectors | str | Path
    systems: Systems
    _: KW_ONLY
    metrics: Sequence[str] = DEFAULT_METRICS
    similarity: Similarity = "cosine"
    vector_column: str = "vector"
    relevant_column: str = "relevant"
    grades_column: str | None = None

    def __post_init__(self) -> None:
        parse_metrics(self.metrics)
        if not self.systems:
            raise InvalidDatasetError("systems: expected at least one; pass {'base': None}")
        saved = {name: None if a is None else as_saved(a) for name, a in self.systems.items()}
        object.__setattr__(self, "systems", saved)
        object.__setattr__(self, "documents", as_documents(self.documents))

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of vectors, relevant ids and grades."""
        columns = (self.vector_column, self.relevant_column)
        return columns if self.grades_column is None else (*columns, self.grades_column)

    @property
    def writes(self) -> tuple[str, ...]:
        """The columns of the metrics and ranks of all systems."""
        measured = (*names_of(self.metrics), RANK)
        return tuple(f"{system}/{name}" for system in self.systems for name in measured)

    @property
    def identity(self) -> Mapping[str, Any]:
        """The documents, the adapters and the search."""
        adapters = {name: a and a.fingerprint for name, a in self._adapters.items()}
        search = {"documents": self._documents.identity, "similarity": self.similarity}
        return {"kind": "evaluate", "systems": adapters, **search}

    def check(self, rows: ParquetRows) -> None:
        """Check that each system's vectors of questions fit the documents, as far as files tell.

        Raises:
            AdapterMismatchError: If an adapter was trained on another model.
            DimensionMismatchError: If vectors differ in length.
            InvalidVectorsError: If a column holds no vectors, or those of another model or role.
        """
        documents = self._documents
        for system in self.systems.values():
            if system is None:
                check_dims(rows.dim(self.vector_column), documents)
                check_models(rows, self.vector_column, documents.rows, documents.vector_column)
            else:
                check_adapter(as_saved(system), rows, self.vector_column)
                check_dims(as_saved(system).adapter.dim_out, documents)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with the values of all systems.

        Raises:
            DimensionMismatchError: If documents are not as long as the mapped questions.
            InvalidDatasetError: If a question has no relevant document, or one that is missing.
            InvalidVectorsError: If a row holds no vector, or a number is not finite.
        """
        found = evaluate_blocks(
            [self._questions(batch)],
            self._documents,
            self._adapters,
            metrics=self.metrics,
            similarity=self.similarity,
        )
        return with_columns(batch, dict(zip(self.writes, _columns(found), strict=True)))

    @property
    def _documents(self) -> ParquetVectors:
        return as_documents(self.documents)

    @property
    def _adapters(self) -> dict[str, QueryAdapter | None]:
        return {
            name: None if system is None else as_saved(system).adapter
            for name, system in self.systems.items()
        }

    def _questions(self, batch: Batch) -> QuestionBlock:
        ids, lengths = lists_of(batch, self.relevant_column)
        return QuestionBlock(
            vectors_of(batch, self.vector_column),
            _split(_rows_of(ids, self._documents), lengths),
            () if self.grades_column is None else self._grades(batch, lengths),
        )

    def _grades(self, batch: Batch, lengths: Rows) -> list[Values]:
        name = str(self.grades_column)
        grades, counts = lists_of(batch, name)
        if not np.array_equal(counts, lengths):
            row = int(np.argmax(counts != lengths))
            raise InvalidDatasetError(
                f"column {name!r}: expected as many grades as relevant documents, got "
                f"{counts[row]} for {lengths[row]} in row {row} of a batch; grade each"
            )
        return _split(grades.to_numpy(zero_copy_only=False).astype(np.float64), lengths)


def names_of(metrics: Sequence[str]) -> list[str]:
    """Return the full name of each metric once."""
    return list(dict.fromkeys(str(metric) for metric in parse_metrics(metrics)))


def _rows_of(ids: Any, documents: ParquetVectors) -> Rows:
    """Return the row of the document of each id; each distinct id is looked up once."""
    encoded = ids.dictionary_encode()
    rows: Rows = documents.rows_of(encoded.dictionary)[encoded.indices.to_numpy()]
    return rows


def _split(values: NDArray[Any], lengths: Rows) -> list[NDArray[Any]]:
    return np.split(values, np.cumsum(lengths)[:-1])


def _columns(found: Mapping[str, Evaluation]) -> list[NDArray[Any]]:
    """Return the columns of `EvaluateSystems.writes`."""
    return [
        values
        for evaluation in found.values()
        for values in (*evaluation.per_query.values(), evaluation.first_relevant)
    ]
