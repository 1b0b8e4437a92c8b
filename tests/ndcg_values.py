"""Values of nDCG@10 as questions with one relevant document have them, of systems alike or not."""

import numpy as np

from query_adapters.typing import Values


def ndcg_values(hardness: Values, rng: np.random.Generator, *, spread: float) -> Values:
    """Return a system's values on questions, of which many have the same for another system.

    Args:
        hardness: How far down a question's document is, on average: the logarithm of its rank.
        rng: Draws where this system finds it.
        spread: How far systems disagree on that.
    """
    places = np.floor(np.exp(hardness + rng.normal(0, spread, size=hardness.shape)))
    found: Values = np.where(places < 10, 1 / np.log2(places + 2), 0)
    return found
