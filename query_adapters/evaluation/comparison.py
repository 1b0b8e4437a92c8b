"""Base against adapted on the same questions: the difference, and how sure we are of it."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.typing import Values

CONFIDENCE = 0.95
RESAMPLES = 9_999
ROUNDING = 1e-12  # values that differ by less are equal: BCa of rounding errors is not a number


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with the ends of its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class MetricComparison:
    """One metric under two systems.

    Attributes:
        base: Mean of the first system, with its interval.
        adapted: Mean of the second, with its interval.
        difference: Mean of the paired differences, adapted - base, with its interval.
        wins: Questions on which the adapted system is better.
        ties: Questions on which both are equal.
        losses: Questions on which the adapted system is worse.
    """

    base: Interval
    adapted: Interval
    difference: Interval
    wins: int
    ties: int
    losses: int


def compare(base: Evaluation, adapted: Evaluation, *, seed: int = 0) -> dict[str, MetricComparison]:
    """Return, for each metric that both have, means and paired difference with 95 % intervals.

    Args:
        base: Scores of the first system.
        adapted: Scores of the second, on the same questions in the same order.
        seed: Of the bootstrap.

    Raises:
        ValueError: If the two were not measured on the same questions.
    """
    if base.query_ids != adapted.query_ids:
        raise ValueError(
            "expected two evaluations of the same questions in the same order; "
            "evaluate both systems on one dataset"
        )
    return {
        name: _compare_metric(base.per_query[name], adapted.per_query[name], seed)
        for name in base.per_query
        if name in adapted.per_query
    }


def bootstrap_interval(values: Values, *, seed: int = 0) -> Interval:
    """Return the mean with its 95 % interval over resampled questions (BCa, 9,999 resamples).

    Where all values are equal, or there is but one, the interval is that value.

    Args:
        values: One value a question, `(n_queries,)`; paired differences for a comparison.
        seed: Of the resampling.

    Source: Efron, Better Bootstrap Confidence Intervals (1987), section 3, by way of scipy.
    """
    mean = float(values.mean())
    if np.ptp(values) < ROUNDING:
        return Interval(mean=mean, low=mean, high=mean)
    result = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, 4_000_000 // len(values)),
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(mean=mean, low=float(low), high=float(high))


def _compare_metric(base: Values, adapted: Values, seed: int) -> MetricComparison:
    if base.shape != adapted.shape:
        raise ValueError(
            f"expected scores of the same questions, got {len(base)} and {len(adapted)} values"
        )
    difference = adapted - base
    return MetricComparison(
        base=bootstrap_interval(base, seed=seed),
        adapted=bootstrap_interval(adapted, seed=seed),
        difference=bootstrap_interval(difference, seed=seed),
        wins=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((difference < 0).sum()),
    )
