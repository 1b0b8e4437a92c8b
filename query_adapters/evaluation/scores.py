"""Scores of systems on a set of queries: means, differences from the first system, tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.evaluation.bootstrap import Interval, bootstrap_intervals
from query_adapters.evaluation.significance import (
    SignFlips,
    detectable_effect,
    effect_size,
    sign_flip_test,
)
from query_adapters.typing import Rows, Values


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One metric of a system compared with the baseline, paired by query.

    Attributes:
        difference: Mean of system - baseline, with its 95 % interval.
        p_value: Two-sided p value of the difference.
        p_adjusted: The two-sided p value, adjusted for the number of systems (max-T).
        p_greater: One-sided p value of a gain.
        effect_size: Mean over standard deviation; None if all differences are equal.
        detectable: The difference that is detected with a power of 80 % at this number of queries.
        wins: Queries on which the system is better.
        ties: Queries on which both are equal.
        losses: Queries on which the system is worse.
    """

    difference: Interval
    p_value: float
    p_adjusted: float
    p_greater: float
    effect_size: float | None
    detectable: float
    wins: int
    ties: int
    losses: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one system.

    Attributes:
        mean: Mean over the queries, with its 95 % interval.
        against: The difference from the baseline; None for the baseline itself.
    """

    mean: Interval
    against: Contrast | None


Scores = Mapping[str, Mapping[str, Score]]
"""Scores by metric and system."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A subset of the queries.

    Attributes:
        n_queries: Number of queries in it.
        scores: Scores as in `Comparison`, over these queries only.
        n_groups: Number of groups of queries in intervals and tests; None if queries are treated as
            independent.
    """

    n_queries: int
    scores: Scores
    n_groups: int | None = None


def score(
    values: Values,
    metrics: Sequence[str],
    systems: Sequence[str],
    *,
    groups: Rows | None = None,
    seed: int = 0,
    weights: Values | None = None,
) -> Scores:
    """Return every system's scores and its differences from the first system.

    With weights, means are weighted, and tests flip the signs of weighted differences.

    Args:
        values: Shape `(n_queries, n_metrics, n_systems)`.
        metrics: Names of the second axis.
        systems: Names of the third axis, the baseline first.
        groups: A group number per query, equal for queries that are not independent; None if all
            queries are independent.
        seed: Seed of the bootstrap and the permutation test.
        weights: How much each query counts, `(n_queries,)`; None if all count alike.
    """
    n, n_metrics, n_systems = values.shape
    differences = values[:, :, 1:] - values[:, :, :1]
    columns = np.concatenate([values, differences], axis=2).reshape(n, -1)
    found = bootstrap_intervals(columns, groups=groups, seed=seed, weights=weights)
    intervals = np.array(found, dtype=object)
    grid = intervals.reshape(n_metrics, -1)
    if weights is not None:
        differences = differences * (weights / weights.mean())[:, None, None]
    flips = sign_flip_test(differences, groups=groups, seed=seed)
    return {
        metric: {
            system: Score(
                mean=grid[row, place],
                against=None
                if place == 0
                else _contrast(
                    differences[:, row, place - 1],
                    grid[row, n_systems + place - 1],
                    flips,
                    (row, place - 1),
                    groups,
                ),
            )
            for place, system in enumerate(systems)
        }
        for row, metric in enumerate(metrics)
    }


def _contrast(
    differences: Values,
    interval: Interval,
    flips: SignFlips,
    place: tuple[int, int],
    groups: Rows | None,
) -> Contrast:
    return Contrast(
        difference=interval,
        p_value=float(flips.two_sided[place]),
        p_adjusted=float(flips.adjusted[place]),
        p_greater=float(flips.greater[place]),
        effect_size=effect_size(differences),
        detectable=detectable_effect(differences, groups=groups),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
    )
