"""Rankings with the grades of their documents: the input of every metric."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from numbers import Real

import numpy as np

from query_adapters.errors import InvalidDatasetError
from query_adapters.typing import Qrels, Rows, Run, Values


@dataclass(frozen=True, eq=False)
class Judged:
    """The rankings of all queries with the grades of their documents.

    Attributes:
        gains: Grade of the document at each rank, 0 where it is not relevant or the ranking is
            shorter, `(n_queries, depth)`.
        ideal: Grades of all relevant documents in descending order, padded with 0,
            `(n_queries, largest number of relevant documents of a query)`.
    """

    gains: Values
    ideal: Values

    @property
    def first_relevant(self) -> Rows:
        """Rank of the first relevant document, from 1; 0 without one, `(n_queries,)`."""
        hits = self.gains > 0
        return np.where(hits.any(axis=1), 1 + hits.argmax(axis=1), 0)

    @property
    def n_relevant(self) -> Values:
        """Number of relevant documents per query, `(n_queries,)`, at least 1."""
        counts: Values = (self.ideal > 0).sum(axis=1, dtype=np.float64)
        return counts


def judge_run(run: Run, qrels: Qrels) -> Judged:
    """Return the judged rankings of the queries in `qrels`, in their order.

    Args:
        run: Retrieved ids per query, best first; a query without a run retrieved nothing.
        qrels: Grades by query and document id. Grades below 0 count as 0, as in trec_eval.

    Raises:
        InvalidDatasetError: If `qrels` is empty, a query has no relevant document, or a grade is
            not a finite number.
    """
    if not qrels:
        raise InvalidDatasetError(
            "expected judgements of at least one query, got none; check that the right qrels "
            "were read"
        )
    qrels = {query: _gains(query, grades) for query, grades in qrels.items()}
    rankings = [list(dict.fromkeys(run.get(query, ()))) for query in qrels]
    gains = _padded(
        [qrels[query].get(document, 0.0) for document in ranking]
        for query, ranking in zip(qrels, rankings, strict=True)
    )
    return Judged(
        gains, _padded(sorted(grades.values(), reverse=True) for grades in qrels.values())
    )


def judge_rows(ranking: Rows, relevant: Sequence[Rows], grades: Sequence[Values]) -> Judged:
    """Return the judged rankings of document rows.

    Args:
        ranking: Document rows per query, best first and distinct, -1 for none,
            `(n_queries, depth)`.
        relevant: Rows of the relevant documents of each query.
        grades: Their grades, in the same order.
    """
    counts = np.fromiter(map(len, relevant), np.int64, len(relevant))
    rows, values = np.concatenate(relevant), np.concatenate(grades)
    # query and row as one number; one more, so that -1 is no row of the query before
    span = 2 + max(rows.max(), ranking.max())
    judged = np.repeat(np.arange(len(counts)), counts) * span + rows
    order = np.argsort(judged)
    judged, values = judged[order], values[order]
    found = np.arange(len(ranking))[:, None] * span + ranking
    place = np.minimum(np.searchsorted(judged, found), len(judged) - 1)
    gains = np.where(judged[place] == found, values[place], 0.0)
    return Judged(gains, -np.sort(-_padded(grades), axis=1))


def _gains(query: str, grades: Mapping[str, float]) -> dict[str, float]:
    """Return the grades of one query, with those below 0 as 0."""
    for document, grade in grades.items():
        if not isinstance(grade, Real) or not isfinite(grade):
            raise InvalidDatasetError(
                f"query {query!r}, document {document!r}: expected a finite number as its grade, "
                f"got {grade!r}; correct or drop it"
            )
    gains = {document: max(0.0, grade) for document, grade in grades.items()}
    if not any(gains.values()):
        raise InvalidDatasetError(
            f"query {query!r}: expected at least one relevant document, got none; judge one, or "
            "drop the query"
        )
    return gains


def _padded(rows: Iterable[Sequence[float] | Values]) -> Values:
    """Return the rows as one matrix, padded with 0 on the right, at least one column wide."""
    rows = list(rows)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    matrix = np.zeros((len(rows), max([1, *lengths])))
    total = int(lengths.sum())
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = np.fromiter(
        chain.from_iterable(rows), np.float64, total
    )
    return matrix
