"""Queries whose score changes between two systems, with what each system retrieved."""

from collections.abc import Mapping
from dataclasses import dataclass

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.typing import Rows


@dataclass(frozen=True, kw_only=True)
class Change:
    """One query under the baseline and under another system.

    Attributes:
        query_id: Id of the query; its row as text if the evaluations have no ids.
        query: Text of the query; empty if unknown.
        before: Value of the metric under the baseline.
        after: Value under the other system.
        rank_before: Rank of the first relevant document under the baseline, from 1; None if none
            was retrieved or it is unknown.
        rank_after: The same under the other system.
        relevant: Texts of the relevant documents by id; empty if unknown.
        found_before: Ids that the baseline retrieved, best first.
        found_after: Ids that the other system retrieved, best first.
    """

    query_id: str
    query: str
    before: float
    after: float
    rank_before: int | None
    rank_after: int | None
    relevant: Mapping[str, str]
    found_before: tuple[str, ...]
    found_after: tuple[str, ...]

    @property
    def gain(self) -> float:
        """Value of the other system minus that of the baseline."""
        return self.after - self.before


def changes_between(
    baseline: Evaluation,
    other: Evaluation,
    *,
    metric: str,
    rows: Rows,
    dataset: RetrievalDataset | None = None,
) -> list[Change]:
    """Return the changes of these queries between two evaluations, in the given order.

    Args:
        baseline: Evaluation of the baseline.
        other: Evaluation of the other system, on the same queries.
        metric: A metric of both evaluations.
        rows: Rows of the queries.
        dataset: The dataset with their texts.
    """
    return [_change(baseline, other, metric, row, dataset) for row in rows.tolist()]


def _change(
    baseline: Evaluation,
    other: Evaluation,
    metric: str,
    row: int,
    dataset: RetrievalDataset | None,
) -> Change:
    key = baseline.query_ids[row] if baseline.query_ids else str(row)
    known = dataset is not None and key in dataset.queries
    return Change(
        query_id=key,
        query=dataset.queries[key] if dataset is not None and known else "",
        before=float(baseline.per_query[metric][row]),
        after=float(other.per_query[metric][row]),
        rank_before=_rank(baseline, row),
        rank_after=_rank(other, row),
        relevant={d: dataset.corpus[d] for d in dataset.qrels[key]}
        if dataset is not None and known
        else {},
        found_before=tuple(baseline.run.get(key, ())),
        found_after=tuple(other.run.get(key, ())),
    )


def _rank(evaluation: Evaluation, row: int) -> int | None:
    ranks = evaluation.first_relevant
    return int(ranks[row]) or None if len(ranks) else None
