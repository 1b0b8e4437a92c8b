"""Compare two systems on the same queries, with intervals."""

from dataclasses import dataclass

import numpy as np

from query_adapters.evaluation.bootstrap import Interval, bootstrap_intervals
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.evaluation.groups import count_groups
from query_adapters.typing import Rows, Values


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric under two systems.

    Attributes:
        base: Mean of the first system, with its interval.
        adapted: Mean of the second, with its interval.
        difference: Mean of the paired differences, adapted - base, with its interval.
        wins: Queries on which the adapted system is better.
        ties: Queries on which both are equal.
        losses: Queries on which the adapted system is worse.
        n_groups: Number of groups of queries in the intervals; None if queries are treated as
            independent.
    """

    base: Interval
    adapted: Interval
    difference: Interval
    wins: int
    ties: int
    losses: int
    n_groups: int | None = None


def compare(
    base: Evaluation, adapted: Evaluation, *, groups: Rows | None = None, seed: int = 0
) -> dict[str, MetricComparison]:
    """Return means and the paired difference with 95 % intervals, for each common metric.

    They are weighted by the weights of the first evaluation, if it has any.

    Args:
        base: Scores of the first system.
        adapted: Scores of the second system, on the same queries in the same order.
        groups: A group number per query, such as `dataset_groups` of the dataset; None if all
            queries are independent.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If the evaluations or the groups belong to different queries.
    """
    if base.query_ids != adapted.query_ids:
        raise ValueError(
            "expected two evaluations of the same questions in the same order; "
            "evaluate both systems on one dataset"
        )
    weights = base.weights if len(base.weights) else None
    return {
        name: _compare_metric(base.per_query[name], adapted.per_query[name], groups, seed, weights)
        for name in base.per_query
        if name in adapted.per_query
    }


def _compare_metric(
    base: Values, adapted: Values, groups: Rows | None, seed: int, weights: Values | None
) -> MetricComparison:
    if base.shape != adapted.shape:
        raise ValueError(
            f"expected scores of the same questions, got {len(base)} and {len(adapted)} values"
        )
    difference = adapted - base
    columns = np.stack([base, adapted, difference], axis=1)
    means = bootstrap_intervals(columns, groups=groups, seed=seed, weights=weights)
    return MetricComparison(
        base=means[0],
        adapted=means[1],
        difference=means[2],
        wins=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((difference < 0).sum()),
        n_groups=count_groups(groups),
    )
