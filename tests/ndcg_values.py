"""Simulated nDCG@10 values of questions with one relevant document."""

import numpy as np

from query_adapters.typing import Values


def ndcg_values(hardness: Values, rng: np.random.Generator, *, spread: float) -> Values:
    """Return the nDCG@10 values of one system; many are equal to those of another system.

    Args:
        hardness: The mean logarithm of the rank of each question's relevant document.
        rng: Generator for the ranks of this system.
        spread: Standard deviation of the logarithm of the rank around that mean.
    """
    places = np.floor(np.exp(hardness + rng.normal(0, spread, size=hardness.shape)))
    found: Values = np.where(places < 10, 1 / np.log2(places + 2), 0)
    return found
