"""Intervals of means over questions: the bootstrap, for many columns at once."""

from dataclasses import dataclass

import numpy as np

from query_adapters._extras import require_extra

require_extra("train")

from scipy.special import ndtr, ndtri

from query_adapters.evaluation.groups import group_sums
from query_adapters.typing import Rows, Values

CONFIDENCE = 0.95
RESAMPLES = 9_999
DRAWS_AT_ONCE = 4_000_000  # numbers of questions or groups drawn in one step: 32 MB
ROUNDING = 1e-12  # values that differ by less are equal: BCa of rounding errors is not a number


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(values: Values, *, groups: Rows | None = None, seed: int = 0) -> Interval:
    """Return the mean of one value a question, `(n_queries,)`, with its 95 % interval."""
    return bootstrap_intervals(values[:, None], groups=groups, seed=seed)[0]


def bootstrap_intervals(
    values: Values, *, groups: Rows | None = None, seed: int = 0
) -> list[Interval]:
    """Return each column's mean with its 95 % interval (BCa, 9,999 resamples of questions).

    All columns see the same resamples. Where all values of a column are equal, or there is but
    one, its interval is that value. In simulations the intervals hold the truth 93 to 97 times of
    100 from 200 questions on; with 50, of which most do not differ, it is 91.

    Questions about one document are alike, and drawn one by one they seem to be more evidence
    than they are: in simulations with 5 like questions about each of 60 documents, 61 of 100
    intervals hold the truth. With `groups`, of which whole ones are drawn, 94 do.

    Args:
        values: One value per question and column, `(n_queries, n_columns)`; paired differences
            for a comparison.
        groups: A number per question, equal for those that stand or fall together,
            `(n_queries,)`; None for each by itself.
        seed: Of the resampling.

    Raises:
        ValueError: If there is not one group number a question.

    Source: Efron, Better Bootstrap Confidence Intervals (1987), section 3; for groups, Davison,
        Hinkley, Bootstrap Methods and their Application (1997), 3.8; Field, Welsh, Bootstrapping
        Clustered Data (2007), the cluster bootstrap.
    """
    means = values.mean(axis=0)
    sums, sizes = group_sums(values - means, groups)
    varied = np.ptp(sums / sizes[:, None], axis=0) >= ROUNDING
    ends = np.stack([means, means])
    if varied.any():
        moved = sums[:, varied]
        ends[:, varied] += _bca_ends(moved, sizes, _resampled_means(moved, sizes, seed))
    return [
        Interval(mean=float(mean), low=float(low), high=float(high))
        for mean, low, high in zip(means, *ends, strict=True)
    ]


def _resampled_means(sums: Values, sizes: Values, seed: int) -> Values:
    """Return the means of resamples, `(RESAMPLES, n_columns)`.

    A resample is how often it holds each group, so that its means are one matrix product.
    """
    n = len(sums)
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, sums.shape[1]))
    step = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        means[start : start + size] = counts @ sums / (counts @ sizes)[:, None]
    return means


def _bca_ends(centred: Values, sizes: Values, resampled: Values) -> Values:
    """Return both ends for columns of mean 0, corrected for bias and skewness, `(2, n_columns)`.

    Skewness is that of the jackknife: without a group the mean is -sum / number of questions left.
    """
    total = sizes.sum()
    left_out = centred * ((total - sizes.mean()) / (total - sizes))[:, None]
    below = (resampled < -ROUNDING).mean(axis=0) + (resampled <= ROUNDING).mean(axis=0)
    bias = ndtri(below / 2)
    skewness = (left_out**3).sum(axis=0) / (left_out**2).sum(axis=0) ** 1.5 / 6
    normal = ndtri([[(1 - CONFIDENCE) / 2], [(1 + CONFIDENCE) / 2]]) + bias
    levels = ndtr(bias + normal / (1 - skewness * normal))
    columns = zip(resampled.T, levels.T, strict=True)
    return np.stack([np.quantile(column, level) for column, level in columns], axis=1)
