"""Bootstrap confidence intervals of means over queries."""

from dataclasses import dataclass

import numpy as np

from query_adapters._extras import require_extra

require_extra("train")

from scipy.special import ndtr, ndtri

from query_adapters.evaluation.groups import resampling_sums
from query_adapters.typing import Rows, Values

CONFIDENCE = 0.95
RESAMPLES = 9_999
DRAWS_AT_ONCE = 4_000_000  # indices drawn in one step: 32 MB
ROUNDING = 1e-12  # smaller differences are rounding errors, whose BCa is not a number


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(values: Values, *, groups: Rows | None = None, seed: int = 0) -> Interval:
    """Return the mean of one value per query, `(n_queries,)`, with its 95 % interval."""
    return bootstrap_intervals(values[:, None], groups=groups, seed=seed)[0]


def bootstrap_intervals(
    values: Values, *, groups: Rows | None = None, seed: int = 0, weights: Values | None = None
) -> list[Interval]:
    """Return each column's mean with its 95 % interval (BCa, 9,999 resamples of queries).

    All columns use the same resamples. If all values of a column are equal, its interval is that
    value. In simulations the intervals cover the true mean in 93 to 97 of 100 cases from 200
    queries on, and in 91 with 50 queries of which most do not differ.

    Queries about one document are not independent. In simulations with 5 similar queries about each
    of 60 documents, resampling single queries covers the true mean in 61 of 100 cases; resampling
    whole `groups` covers it in 94. More than 10,000 queries or groups are resampled in 10,000
    random parts of equal size.

    Args:
        values: One value per query and column, `(n_queries, n_columns)`; paired differences for a
            comparison.
        groups: A group number per query, equal for queries that are not independent,
            `(n_queries,)`; None if all queries are independent.
        seed: Seed of the resampling.
        weights: How much each query counts, `(n_queries,)`: means are weighted, and a resample's
            mean is over the weights in it; None if all count alike.

    Raises:
        ValueError: If the number of group numbers is not the number of queries.

    Source: Efron, Better Bootstrap Confidence Intervals (1987), section 3; for groups, Davison,
        Hinkley, Bootstrap Methods and their Application (1997), 3.8; Field, Welsh, Bootstrapping
        Clustered Data (2007), the cluster bootstrap.
    """
    if weights is not None and not weights.all():  # what does not count is not drawn
        counted = np.flatnonzero(weights)
        values, weights = values[counted], weights[counted]
        groups = None if groups is None else np.asarray(groups)[counted]
    means = values.mean(axis=0) if weights is None else weights @ values / weights.sum()
    sums, sizes = resampling_sums(values - means, groups, seed=seed, weights=weights)
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

    A resample is represented by the count of each group, so that its means are one matrix product.
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
    """Return both bounds for columns of mean 0, corrected for bias and skewness, `(2, n_columns)`.

    Skewness is that of the jackknife: without a group the mean is -sum / remaining queries.
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
