"""How questions are spread over the documents that answer them."""

from collections.abc import Iterable

import numpy as np

EVEN = 0.5  # variance of questions per document over that of a random sample
STEPS = 60  # of Newton's method, which at least halves the distance


def are_even(counts: Iterable[float]) -> bool:
    """Return whether the numbers of questions per document differ too little for users' questions.

    If users asked the questions, the numbers vary at least as in a random sample. Generated ones,
    a few for each document, vary less, and do not tell what will be asked.

    Args:
        counts: Number of questions of each document that has any, each at least 1.

    Source: the variance of a Poisson count above 0, Johnson, Kemp, Kotz, Univariate Discrete
        Distributions (2005), 4.10.
    """
    found = np.array(list(counts), dtype=np.float64)
    return bool(found.var() <= EVEN * _sampled_variance(float(found.mean())))


def _sampled_variance(mean: float) -> float:
    """Return the variance of a Poisson count above 0 that has this mean above 1; 0 at mean 1."""
    if mean <= 1:
        return 0.0
    rate = mean
    for _ in range(STEPS):  # rate = mean * (1 - exp(-rate)), a convex function, from above
        rate -= (rate + mean * np.expm1(-rate)) / (1 - mean * np.exp(-rate))
    return float(mean * (1 + rate - mean))
