"""Test a gain that was measured in several views, each by what is drawn anew in it."""

from collections.abc import Sequence

import numpy as np

from query_adapters.evaluation.groups import group_sums
from query_adapters.evaluation.significance import FLIPS, SIGNS_AT_ONCE, random_signs
from query_adapters.typing import Rows, Values

ROUNDING = 1e-9
MOST = 0.9  # the largest p value that is combined as it is
TINY = 1e-12  # variance of values that are all equal


def gain_p_value(values: Values, *, groups: Rows, seed: int = 0) -> float:
    """Return the probability of so large a mean if positive and negative values were as likely.

    The signs of whole groups are flipped at random. What is compared is a t statistic that is
    corrected for skewness. For symmetric values the test is exact. If one value in ten is a large
    loss and the others are small gains, the mean alone rejects a true null hypothesis in 11 of 100
    cases (60 values), and the corrected one in 4; of 30 values, some hold no loss at all, and
    these are 16 and 11.

    Args:
        values: One value per question, `(n_queries,)`.
        groups: A number per question, equal for questions that are not independent,
            `(n_queries,)`.
        seed: Seed of the signs.

    Returns:
        One-sided p in (0, 1]; 1 if all values are 0.

    Source: Hall, On the Removal of Skewness by Transformation (1992), section 2; Cameron, Gelbach,
        Miller, Bootstrap-Based Improvements for Inference with Clustered Errors (2008), III, for
        signs by cluster.
    """
    return float(flipped_p_values(group_sums(values[:, None], groups)[0], seed=seed)[0])


def flipped_p_values(sums: Values, *, n_flips: int = FLIPS, seed: int = 0) -> Values:
    """Return the p value of each column, as `gain_p_value` does, `(n_columns,)`.

    Args:
        sums: Sum of the values of each group, `(n_groups, n_columns)`.
        n_flips: Number of random signs of each group.
        seed: Seed of the signs, which are the same for all columns.
    """
    n = len(sums)
    scale = np.sqrt((sums**2).mean(axis=0))
    scaled = sums / np.where(scale > 0, scale, 1)
    cubes = scaled**3
    observed = skewness_corrected(scaled.sum(axis=0), cubes.sum(axis=0), n) - ROUNDING
    rng, reached = np.random.default_rng(seed), np.zeros(sums.shape[1])
    step = max(1, SIGNS_AT_ONCE // n)
    for start in range(0, n_flips, step):
        signs = random_signs(rng, min(step, n_flips - start), n)
        flipped = skewness_corrected(signs @ scaled, signs @ cubes, n)
        reached += (flipped >= observed).sum(axis=0)
    return np.where(scale > 0, (1 + reached) / (1 + n_flips), 1.0)


def skewness_corrected(sums: Values, cubes: Values, n: int) -> Values:
    """Return Hall's transformed t statistic of samples of n values with mean square 1.

    Args:
        sums: Sum of the values of each sample.
        cubes: Sum of their third powers, in the same shape.
        n: Number of values.
    """
    means = sums / n
    variances = np.maximum(1 - means**2, TINY)
    skewness = (cubes / n - 3 * means + 2 * means**3) / variances**1.5
    t = means / np.sqrt(variances)
    corrected: Values = t + skewness * t**2 / 3 + skewness**2 * t**3 / 27 + skewness / (6 * n)
    return corrected


def combined_p_value(p_values: Sequence[float], weights: Sequence[float]) -> float:
    """Return the p value of several tests together, however they depend on each other.

    Equal p values combine to the same value; one very small one combines to a small one even if
    the others are moderate. Values above 0.9 count as 0.9, so that a view in which nothing changes
    does not outweigh the others; this adds less than 0.002 to an error rate of 0.05.

    Args:
        p_values: Of each test, in (0, 1].
        weights: Share of each test; they add up to 1.

    Source: Liu, Xie, Cauchy Combination Test (2020), section 2.
    """
    if min(p_values) >= MOST:
        return float(min(p_values))
    bounded = np.minimum(np.asarray(p_values), MOST)
    statistic = float(np.asarray(weights) @ np.tan((0.5 - bounded) * np.pi))
    return float(0.5 - np.arctan(statistic) / np.pi)


def two_way_error(
    seen: Values, unseen: Values, *, question_groups: Rows, document_groups: Rows
) -> float:
    """Return the standard error of the mean of `seen + unseen`.

    In the seen view a question is drawn anew, in the unseen view a document with all its
    questions. The same question's values in both views are not independent.

    Args:
        seen: Weighted value of each question in the seen view, `(n_queries,)`.
        unseen: Weighted value of each question in the unseen view, `(n_queries,)`.
        question_groups: A number per question, equal for near-duplicates.
        document_groups: A number per question, equal for questions about one document.

    Source: Cameron, Gelbach, Miller, Robust Inference with Multiway Clustering (2011), 2.2.
    """
    seen, unseen = seen - seen.mean(), unseen - unseen.mean()
    by_question = squared_sums(seen + unseen, question_groups)
    by_document = squared_sums(unseen, document_groups) - squared_sums(unseen, question_groups)
    return float(np.sqrt(max(by_question + by_document, 0.0))) / len(seen)


def squared_sums(values: Values, groups: Rows) -> float:
    """Return n / (n - 1) times the squared sums of n groups of centred values, added up.

    Its root over the number of values is the standard error of their mean; 0 for a single group.
    """
    sums, sizes = group_sums(values, groups)
    return float((sums**2).sum()) * len(sizes) / max(1, len(sizes) - 1)
