"""Permutation test of the best candidate's gain, adjusted for the number of candidates."""

from collections.abc import Sequence

import numpy as np

from query_adapters.typing import Rows, Values

ALPHA = 0.05
RESAMPLES = 9_999
SIGNS_AT_ONCE = 4_000_000  # signs drawn in one step: 32 MB


def answer_groups(relevant: Sequence[Rows]) -> Rows:
    """Return a group number per question: its relevant document that most questions share.

    Questions about one document are correlated. A question with several relevant documents is in
    the group of the most frequent one only, so that shared documents do not chain all questions
    into one group.
    """
    n_questions = np.bincount(np.concatenate(relevant))
    ascending = (np.sort(rows) for rows in relevant)  # of equally frequent ones, the first counts
    return np.array([rows[n_questions[rows].argmax()] for rows in ascending])


def max_t_p_value(
    differences: Sequence[Values], chosen: int, *, groups: Rows, seed: int = 0
) -> float:
    """Return the probability of so large a gain if no candidate were better than the base.

    Under that hypothesis a difference is as likely to be positive as negative. The signs of
    whole groups are flipped at random, the same for all candidates, and the chosen candidate's
    gain is compared with the largest gain of any candidate under each flip. So the test allows
    for the choice among candidates on the same questions, and for correlation within a group.

    Args:
        differences: For each candidate, its differences from the base, `(n_queries,)`.
        chosen: Position of the candidate to test.
        groups: A number per question, equal for correlated questions, `(n_queries,)`.
        seed: Of the random signs.

    Returns:
        One-sided p in (0, 1], adjusted for the number of candidates.

    Source: Westfall, Young, Resampling-Based Multiple Testing (1993), section 2.6 (max-T).
    """
    members = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(members, weights=row) for row in differences])
    scale = np.sqrt((sums**2).sum(axis=1))  # the same under every flip
    moved = scale > 0
    if not moved[chosen]:
        return 1.0
    standardised = sums[moved] / scale[moved, None]
    observed = standardised[int(moved[:chosen].sum())].sum()
    rng, n_groups, reached = np.random.default_rng(seed), sums.shape[1], 0
    step = max(1, SIGNS_AT_ONCE // n_groups)
    for start in range(0, RESAMPLES, step):
        signs = rng.choice([-1.0, 1.0], size=(min(step, RESAMPLES - start), n_groups))
        reached += int(((signs @ standardised.T).max(axis=1) >= observed - 1e-12).sum())
    return (1 + reached) / (1 + RESAMPLES)
