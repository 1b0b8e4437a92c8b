"""Retrieval metrics at k, one value per question, equal to trec_eval's.

Conventions, the same for all: an empty retrieval scores 0; a repeated id counts once, at its
first place; only the first k documents count; gains are linear in the grade.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from numbers import Real

import numpy as np

from query_adapters.errors import InvalidDatasetError, UnknownMetricError
from query_adapters.typing import Qrels, Rows, Run, Values


@dataclass(frozen=True, eq=False)
class Judged:
    """A ranking of each question, seen through its judgements.

    Attributes:
        gains: Grade of the document at each place, 0 where it is not relevant or the ranking
            has ended, `(n_queries, depth)`.
        ideal: The grades of all relevant documents, falling, padded with 0,
            `(n_queries, most relevant documents of a question)`.
    """

    gains: Values
    ideal: Values

    @property
    def first_relevant(self) -> Rows:
        """Place of the first relevant document, 1 for the best, 0 for none, `(n_queries,)`."""
        hits = self.gains > 0
        return np.where(hits.any(axis=1), 1 + hits.argmax(axis=1), 0)

    @property
    def n_relevant(self) -> Values:
        """How many documents are relevant to each question, `(n_queries,)`, at least 1."""
        counts: Values = (self.ideal > 0).sum(axis=1, dtype=np.float64)
        return counts


def judge_run(run: Run, qrels: Qrels) -> Judged:
    """Return the judged rankings of the questions of `qrels`, in their order.

    Args:
        run: Retrieved ids, best first; a question that is missing retrieved nothing.
        qrels: Judgements; they, not the run, say which questions count. Grades below 0 are
            0, as to trec_eval.

    Raises:
        InvalidDatasetError: If no question is judged, a question has no relevant document, or a
            grade is not a finite number.
    """
    if not qrels:
        raise InvalidDatasetError(
            "expected judgements of at least one query, got none; is it the right file?"
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
    """Return the judged rankings of document rows, `(n_queries, depth)`, distinct in a row."""
    counts = np.fromiter(map(len, relevant), np.int64, len(relevant))
    rows, values = np.concatenate(relevant), np.concatenate(grades)
    span = 1 + max(rows.max(), ranking.max())  # a judgement is one number: question and row
    judged = np.repeat(np.arange(len(counts)), counts) * span + rows
    order = np.argsort(judged)
    judged, values = judged[order], values[order]
    found = np.arange(len(ranking))[:, None] * span + ranking
    place = np.minimum(np.searchsorted(judged, found), len(judged) - 1)
    gains = np.where(judged[place] == found, values[place], 0.0)
    return Judged(gains, -np.sort(-_padded(grades), axis=1))


def hit_rate(judged: Judged, k: int) -> Values:
    """Return 1 where a relevant document is among the first k, else 0."""
    found: Values = _hits(judged, k).max(axis=1)
    return found


def recall(judged: Judged, k: int) -> Values:
    """Return the share of the relevant documents that is among the first k.

    Source: Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), 8.3.
    """
    found: Values = _hits(judged, k).sum(axis=1)
    return found / judged.n_relevant


def precision(judged: Judged, k: int) -> Values:
    """Return the share of k places that hold a relevant document; missing ones count as wrong.

    Source: Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), 8.4.
    """
    found: Values = _hits(judged, k).sum(axis=1)
    return found / k


def r_precision(judged: Judged, k: int) -> Values:
    """Return the precision at R, of a question with R relevant documents, over the first k.

    With k at least R it is trec_eval's Rprec; places beyond k count as wrong.

    Source: Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), 8.4.
    """
    hits = _hits(judged, k)
    within = np.arange(1, hits.shape[1] + 1) <= judged.n_relevant[:, None]
    return _total(hits * within) / judged.n_relevant


def mrr(judged: Judged, k: int) -> Values:
    """Return 1 / place of the first relevant document, 0 if it is not among the first k.

    Source: Voorhees, The TREC-8 Question Answering Track Report (1999), section 3.
    """
    hits = _hits(judged, k)
    return np.where(hits.any(axis=1), 1.0 / (1 + hits.argmax(axis=1)), 0.0)


def average_precision(judged: Judged, k: int) -> Values:
    """Return the mean, over all relevant documents, of the precision at their place, up to k.

    Source: Buckley, Voorhees, Evaluating Evaluation Measure Stability (2000), section 2.
    """
    hits = _hits(judged, k)
    precisions = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return _total(precisions * hits) / judged.n_relevant


def ndcg(judged: Judged, k: int) -> Values:
    """Return the discounted gain of the first k over that of the best possible first k.

    Gain = grade, discount = 1 / log2(1 + place).

    Source: Järvelin, Kekäläinen, Cumulated Gain-based Evaluation of IR Techniques (2002), 2.2;
        linear gain and log2(1 + place) as in trec_eval's ndcg_cut.
    """
    return _discounted(judged.gains[:, :k]) / _discounted(judged.ideal[:, :k])


METRICS: dict[str, Callable[[Judged, int], Values]] = {
    "hit_rate": hit_rate,
    "recall": recall,
    "precision": precision,
    "r_precision": r_precision,
    "mrr": mrr,
    "map": average_precision,
    "ndcg": ndcg,
}
"""Metric functions by name; register your own here."""

DEFAULT_METRICS = ("hit_rate@5", "mrr@10", "ndcg@10")


@dataclass(frozen=True)
class Metric:
    """A metric with its cut-off, such as `ndcg@10`.

    Attributes:
        name: A key of `METRICS`.
        k: Cut-off, at least 1.
    """

    name: str
    k: int

    @classmethod
    def parse(cls, text: str) -> "Metric":
        """Return the metric that `text` names, `<name>@<k>`.

        Raises:
            UnknownMetricError: If there is no such metric, or no cut-off.

        Example:
            >>> Metric.parse("ndcg@10")
            Metric(name='ndcg', k=10)
        """
        match = re.fullmatch(r"(\w+)@([1-9]\d*)", text)
        below = re.fullmatch(r"(\w+)@(0+|-\d+)", text)
        if below is not None and below[1] in METRICS:
            raise UnknownMetricError(f"metric {text!r}: expected a cut-off from 1, got {below[2]}")
        if match is None or match[1] not in METRICS:
            raise UnknownMetricError(
                f"unknown metric {text!r}; expected <name>@<k>, as in 'ndcg@10', "
                f"with a name of {', '.join(METRICS)}"
            )
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f"{self.name}@{self.k}"

    def __call__(self, judged: Judged) -> Values:
        """Return one value in [0, 1] per question, `(n_queries,)`."""
        return METRICS[self.name](judged, self.k)


def parse_metrics(names: Sequence[str], *, k: int | None = None) -> list[Metric]:
    """Return the metrics of these names, or of a single one.

    Args:
        names: Such as "ndcg@10".
        k: Cut-off of those that name none; None to refuse them.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off to go by.
    """
    listed = [names] if isinstance(names, str) else names
    return [Metric.parse(name if "@" in name or k is None else f"{name}@{k}") for name in listed]


def _gains(query: str, grades: Mapping[str, float]) -> dict[str, float]:
    """Return the judgements of a question with those below 0 as 0."""
    for document, grade in grades.items():
        if not isinstance(grade, Real) or not isfinite(grade):
            raise InvalidDatasetError(
                f"query {query!r}, document {document!r}: expected a finite number as its grade, "
                f"got {grade!r}; correct or drop it"
            )
    gains = {document: max(0.0, grade) for document, grade in grades.items()}
    if not any(gains.values()):
        raise InvalidDatasetError(
            f"query {query!r}: expected at least one relevant document, got none"
        )
    return gains


def _hits(judged: Judged, k: int) -> Values:
    """Return 1 where a relevant document stands among the first k places, else 0."""
    return (judged.gains[:, :k] > 0).astype(np.float64)


def _discounted(gains: Values) -> Values:
    return _total(gains / np.log2(np.arange(2, gains.shape[1] + 2)))


def _total(values: Values) -> Values:
    """Return the sum of each row, added place by place: zeros at its end change no bit of it."""
    return values.cumsum(axis=1)[:, -1]


def _padded(rows: Iterable[Sequence[float] | Values]) -> Values:
    """Return the rows as one matrix, filled with 0 on the right, at least one column wide."""
    rows = list(rows)
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    matrix = np.zeros((len(rows), max([1, *lengths])))
    total = int(lengths.sum())
    matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = np.fromiter(
        chain.from_iterable(rows), np.float64, total
    )
    return matrix
