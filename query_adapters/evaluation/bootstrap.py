"""Intervals of means over questions: the bootstrap, for many columns at once."""

from dataclasses import dataclass

import numpy as np

from query_adapters._extras import require_extra

require_extra("train")

from scipy.special import ndtr, ndtri

from query_adapters.typing import Values

CONFIDENCE = 0.95
RESAMPLES = 9_999
DRAWS_AT_ONCE = 4_000_000  # numbers of questions drawn in one step: 32 MB
ROUNDING = 1e-12  # values that differ by less are equal: BCa of rounding errors is not a number


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with the ends of its confidence interval."""

    mean: float
    low: float
    high: float


def bootstrap_interval(values: Values, *, seed: int = 0) -> Interval:
    """Return the mean of one value a question, `(n_queries,)`, with its 95 % interval."""
    return bootstrap_intervals(values[:, None], seed=seed)[0]


def bootstrap_intervals(values: Values, *, seed: int = 0) -> list[Interval]:
    """Return each column's mean with its 95 % interval (BCa, 9,999 resamples of questions).

    All columns see the same resamples. Where all values of a column are equal, or there is but
    one, its interval is that value. In simulations the intervals hold the truth 93 to 97 times of
    100 from 200 questions on; with 50, of which most do not differ, it is 91.

    Args:
        values: One value per question and column, `(n_queries, n_columns)`; paired differences
            for a comparison.
        seed: Of the resampling.

    Source: Efron, Better Bootstrap Confidence Intervals (1987), section 3.
    """
    means = values.mean(axis=0)
    varied = np.ptp(values, axis=0) >= ROUNDING
    ends = np.stack([means, means])
    if varied.any():
        moved = values[:, varied] - means[varied]
        ends[:, varied] += _bca_ends(moved, _resampled_means(moved, seed))
    return [
        Interval(mean=float(mean), low=float(low), high=float(high))
        for mean, low, high in zip(means, *ends, strict=True)
    ]


def _resampled_means(values: Values, seed: int) -> Values:
    """Return the means of resamples, `(RESAMPLES, n_columns)`.

    A resample is how often it holds each question, so that its means are one matrix product.
    """
    n = len(values)
    rng = np.random.default_rng(seed)
    means = np.empty((RESAMPLES, values.shape[1]))
    step = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        means[start : start + size] = counts @ values / n
    return means


def _bca_ends(centred: Values, resampled: Values) -> Values:
    """Return both ends for columns of mean 0, corrected for bias and skewness, `(2, n_columns)`.

    The jackknife values of a mean are linear in the left-out value, hence the closed form.
    """
    below = (resampled < -ROUNDING).mean(axis=0) + (resampled <= ROUNDING).mean(axis=0)
    bias = ndtri(below / 2)
    skewness = (centred**3).sum(axis=0) / (centred**2).sum(axis=0) ** 1.5 / 6
    normal = ndtri([[(1 - CONFIDENCE) / 2], [(1 + CONFIDENCE) / 2]]) + bias
    levels = ndtr(bias + normal / (1 - skewness * normal))
    columns = zip(resampled.T, levels.T, strict=True)
    return np.stack([np.quantile(column, level) for column, level in columns], axis=1)
