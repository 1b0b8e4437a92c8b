"""Questions that one system answers better or worse than another, with what each retrieved."""

from collections.abc import Mapping
from dataclasses import dataclass

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.typing import Rows


@dataclass(frozen=True, kw_only=True)
class Change:
    """One question under the baseline and under another system.

    Attributes:
        query_id: Its id; its row as text if the evaluations have no ids.
        query: Its text; empty if not known.
        before: Value of the metric under the baseline.
        after: Value under the other system.
        rank_before: Place of the first relevant document under the baseline, 1 the best; None
            if none was retrieved or it is not known.
        rank_after: The same under the other system.
        relevant: Texts of the relevant documents by id; empty if not known.
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
        """The other system's value less the baseline's."""
        return self.after - self.before


def changes_between(
    baseline: Evaluation,
    other: Evaluation,
    *,
    metric: str,
    rows: Rows,
    dataset: RetrievalDataset | None = None,
) -> list[Change]:
    """Return these questions of two evaluations, in the order given.

    Args:
        baseline: What it scored before.
        other: What it scores now, on the same questions.
        metric: One that both have.
        rows: Which questions.
        dataset: Their texts.
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
