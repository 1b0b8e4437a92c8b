"""Evaluate more questions and documents than memory holds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.arrays import check_finite
from query_adapters.errors import InvalidDatasetError, InvalidVectorsError
from query_adapters.evaluation.block_search import DocumentBlocks, search_blocks
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.evaluation.judging import judge_rows
from query_adapters.evaluation.metrics import DEFAULT_METRICS, Metric, parse_metrics
from query_adapters.typing import Rows, Similarity, Values, Vectors

Systems = Mapping[str, QueryAdapter | None]
"""The adapter of each system by its name; None for the base model."""


@dataclass(frozen=True, eq=False)
class QuestionBlock:
    """Some of the questions, with the rows of their relevant documents.

    Attributes:
        vectors: Vectors of the base model, `(n_questions, dim)`.
        relevant: For each question, the rows of its relevant documents over all blocks of
            documents, at least one.
        grades: For each question, their grades > 0; all 1 if left out.
    """

    vectors: Vectors
    relevant: Sequence[Rows]
    grades: Sequence[Values] = ()


def evaluate_blocks(
    questions: Iterable[QuestionBlock],
    documents: DocumentBlocks,
    systems: Systems,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    similarity: Similarity = "cosine",
) -> dict[str, Evaluation]:
    """Return the scores of exact search under each system.

    Memory holds one block of questions and one of documents, and one value per question and
    metric: 8 MB for a million questions and a metric. All documents are read once per block of
    questions, for all systems together, so blocks of 10,000 to 100,000 questions are a good size.
    `query_adapters.evaluation.comparison.compare_systems` compares the results.

    Args:
        questions: Blocks of questions, read once.
        documents: Blocks of document vectors, such as `VectorBlocks` or a list, read once for
            each block of questions.
        systems: The adapter of each system; None for the base model.
        metrics: Names such as "ndcg@10".
        similarity: What the search ranks by.

    Raises:
        DimensionMismatchError: If documents are not as long as the mapped questions.
        InvalidDatasetError: If there are no questions or systems, or a question has no relevant
            document, or one that is not there.
        InvalidVectorsError: If there are no documents, their number changes between two passes, or
            a number is not finite.
        UnknownMetricError: If a metric is unknown.
    """
    parsed = parse_metrics(metrics)
    _check_inputs(documents, systems)
    parts = list(_evaluated(questions, documents, systems, parsed, similarity))
    if not parts:
        raise InvalidDatasetError("questions: expected at least one block, got none")
    return {name: _joined([part[name] for part in parts]) for name in systems}


def _evaluated(
    questions: Iterable[QuestionBlock],
    documents: DocumentBlocks,
    systems: Systems,
    metrics: Sequence[Metric],
    similarity: Similarity,
) -> Iterator[dict[str, Evaluation]]:
    """Yield the evaluations of one block of questions after the other."""
    depth, n_documents = max(metric.k for metric in metrics), None
    for number, block in enumerate(questions):
        _check_questions(block, number)
        asked = np.concatenate([_mapped(block.vectors, adapter) for adapter in systems.values()])
        ranking, n = search_blocks(asked, documents, k=depth, similarity=similarity)
        _check_unchanged(n, n_documents or n)
        n_documents = n
        _check_rows(block, n, number)
        rankings = np.split(ranking, len(systems))
        yield {
            name: _evaluation(rows, block, metrics)
            for name, rows in zip(systems, rankings, strict=True)
        }


def _mapped(vectors: Vectors, adapter: QueryAdapter | None) -> Vectors:
    return vectors if adapter is None else adapter(vectors)


def _evaluation(ranking: Rows, block: QuestionBlock, metrics: Sequence[Metric]) -> Evaluation:
    grades = block.grades or [np.ones(len(rows)) for rows in block.relevant]
    judged = judge_rows(ranking, block.relevant, grades)
    values = {str(metric): np.asarray(metric(judged)) for metric in metrics}
    return Evaluation(values, first_relevant=judged.first_relevant)


def _joined(parts: Sequence[Evaluation]) -> Evaluation:
    return Evaluation(
        {
            name: np.concatenate([part.per_query[name] for part in parts])
            for name in parts[0].per_query
        },
        first_relevant=np.concatenate([part.first_relevant for part in parts]),
    )


def _check_inputs(documents: DocumentBlocks, systems: Systems) -> None:
    if not systems:
        raise InvalidDatasetError("systems: expected at least one, got none; pass {'base': None}")
    if isinstance(documents, Iterator):
        raise InvalidVectorsError(
            f"documents: expected blocks that can be read more than once, got a "
            f"{type(documents).__name__}, which is used up after one pass; pass a list, "
            "`VectorBlocks(matrix)`, or an object whose __iter__ opens the source anew"
        )


def _check_questions(block: QuestionBlock, number: int) -> None:
    n = len(block.vectors)
    counts = len(block.relevant), len(block.grades or block.relevant)
    if block.vectors.ndim != 2 or not n or counts != (n, n):
        raise InvalidDatasetError(
            f"block {number} of questions: expected vectors (n, dim) with relevant rows and grades "
            f"for each, got shape {block.vectors.shape}, rows of {counts[0]} and grades of "
            f"{counts[1]} questions"
        )
    check_finite(block.vectors, f"block {number} of questions")


def _check_rows(block: QuestionBlock, n_documents: int, number: int) -> None:
    for place, rows in enumerate(block.relevant):
        if not len(rows) or np.min(rows) < 0 or np.max(rows) >= n_documents:
            raise InvalidDatasetError(
                f"block {number} of questions, question {place}: expected relevant rows from 0 to "
                f"{n_documents - 1}, at least one; got {list(rows[:5])}"
            )


def _check_unchanged(n_documents: int, earlier: int) -> None:
    if n_documents != earlier:
        raise InvalidVectorsError(
            f"documents: expected the {earlier} of the first pass, got {n_documents} in a later "
            "one; evaluate a snapshot that does not change meanwhile"
        )
