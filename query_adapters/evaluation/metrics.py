"""Retrieval metrics at k, one value per query, equal to trec_eval's.

Conventions of all metrics: an empty retrieval scores 0; a repeated id counts once, at its first
rank; only the top k documents count; gains are linear in the grade.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.errors import UnknownMetricError
from query_adapters.evaluation.judging import Judged
from query_adapters.typing import Values


def hit_rate(judged: Judged, k: int) -> Values:
    """Return 1 where a relevant document is in the top k, else 0, `(n_queries,)`."""
    found: Values = _hits(judged, k).max(axis=1)
    return found


def recall(judged: Judged, k: int) -> Values:
    """Return the share of the relevant documents that is in the top k, `(n_queries,)`.

    Source: Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), 8.3.
    """
    found: Values = _hits(judged, k).sum(axis=1)
    return found / judged.n_relevant


def precision(judged: Judged, k: int) -> Values:
    """Return the share of the k ranks that hold a relevant document, `(n_queries,)`.

    Missing ranks count as not relevant.

    Source: Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), 8.4.
    """
    found: Values = _hits(judged, k).sum(axis=1)
    return found / k


def r_precision(judged: Judged, k: int) -> Values:
    """Return the precision at R of a query with R relevant documents, `(n_queries,)`.

    With k at least R, equal to trec_eval's Rprec; ranks beyond k count as not relevant.

    Source: Manning, Raghavan, Schütze, Introduction to Information Retrieval (2008), 8.4.
    """
    hits = _hits(judged, k)
    within = np.arange(1, hits.shape[1] + 1) <= judged.n_relevant[:, None]
    return _total(hits * within) / judged.n_relevant


def mrr(judged: Judged, k: int) -> Values:
    """Return 1 / rank of the first relevant document, 0 if it is not in the top k, `(n_queries,)`.

    Source: Voorhees, The TREC-8 Question Answering Track Report (1999), section 3.
    """
    hits = _hits(judged, k)
    return np.where(hits.any(axis=1), 1.0 / (1 + hits.argmax(axis=1)), 0.0)


def average_precision(judged: Judged, k: int) -> Values:
    """Return the mean over all relevant documents of the precision at their rank, `(n_queries,)`.

    A relevant document outside the top k contributes 0.

    Source: Buckley, Voorhees, Evaluating Evaluation Measure Stability (2000), section 2.
    """
    hits = _hits(judged, k)
    precisions = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    return _total(precisions * hits) / judged.n_relevant


def ndcg(judged: Judged, k: int) -> Values:
    """Return the discounted gain of the top k divided by that of the ideal top k, `(n_queries,)`.

    Gain = grade, discount = 1 / log2(1 + rank).

    Source: Järvelin, Kekäläinen, Cumulated Gain-based Evaluation of IR Techniques (2002), 2.2;
        linear gain and log2(1 + rank) as in trec_eval's ndcg_cut.
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
"""Metric functions by name; add an entry to register a metric of your own."""

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
        """Return the metric named `<name>@<k>`.

        Raises:
            UnknownMetricError: If the metric is unknown, or the cut-off missing.

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
        """Return one value per query, 0..1, `(n_queries,)`."""
        return METRICS[self.name](judged, self.k)


def parse_metrics(names: Sequence[str], *, k: int | None = None) -> list[Metric]:
    """Return the metrics of these names, or of a single name.

    Args:
        names: Such as "ndcg@10".
        k: Cut-off of names without one; None to refuse such names.

    Raises:
        UnknownMetricError: If a metric is unknown, or has no cut-off.
    """
    listed = [names] if isinstance(names, str) else names
    return [Metric.parse(name if "@" in name or k is None else f"{name}@{k}") for name in listed]


def _hits(judged: Judged, k: int) -> Values:
    """Return 1 where the document at a rank up to k is relevant, else 0, `(n_queries, k)`."""
    return (judged.gains[:, :k] > 0).astype(np.float64)


def _discounted(gains: Values) -> Values:
    return _total(gains / np.log2(np.arange(2, gains.shape[1] + 2)))


def _total(values: Values) -> Values:
    """Return the sum of each row, added in order, so that trailing zeros do not change it."""
    return values.cumsum(axis=1)[:, -1]
