"""Significance tests, effect sizes and detectable differences."""

from dataclasses import dataclass

import numpy as np

from query_adapters._extras import require_extra

require_extra("train")

from scipy.special import ndtri

from query_adapters.evaluation.groups import group_sums, resampling_sums
from query_adapters.typing import Rows, Values

ALPHA = 0.05
POWER = 0.8
FLIPS = 9_999
SIGNS_AT_ONCE = 4_000_000  # signs drawn in one step: 32 MB
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class SignFlips:
    """P values of the paired permutation test, all in (0, 1].

    Attributes:
        greater: One-sided p values of a gain, `(n_metrics, n_systems)`.
        two_sided: Two-sided p values of a difference, `(n_metrics, n_systems)`.
        adjusted: Two-sided p values adjusted for the number of systems, `(n_metrics, n_systems)`.
    """

    greater: Values
    two_sided: Values
    adjusted: Values


def sign_flip_test(differences: Values, *, groups: Rows | None = None, seed: int = 0) -> SignFlips:
    """Return the p values of the paired permutation test for every metric and system.

    If two systems are equal, each difference is equally likely to be positive or negative. The
    signs of whole queries are flipped 9,999 times, for all metrics and systems together, and the
    means are compared with the observed ones. The adjusted p value compares each system with the
    largest mean among all systems (max-T). For skewed differences with mean zero, the two-sided p
    value is reliable from a few hundred queries on.

    Queries about one document are not independent. In simulations with 5 similar queries about each
    of 60 documents, flipping single queries rejects a true null hypothesis in 38 of 100 cases;
    flipping whole `groups` rejects it in 5. More than 10,000 queries or groups are flipped in
    10,000 random parts of equal size.

    Args:
        differences: System minus baseline, `(n_queries, n_metrics, n_systems)`.
        groups: A group number per query, equal for queries that are not independent,
            `(n_queries,)`; None if all queries are independent.
        seed: Seed of the sign flips.

    Raises:
        ValueError: If the number of group numbers is not the number of queries.

    Source: Smucker, Allan, Carterette, A Comparison of Statistical Significance Tests for
        Information Retrieval Evaluation (2007), 3.1; Westfall, Young, Resampling-Based Multiple
        Testing (1993), 2.6; for groups, Cameron, Gelbach, Miller, Bootstrap-Based Improvements
        for Inference with Clustered Errors (2008), III, signs by cluster.
    """
    sums, _ = resampling_sums(differences, groups, seed=seed)
    n, *shape = sums.shape
    scale = np.sqrt((sums**2).sum(axis=0))  # the same under every flip
    scale[scale == 0] = np.inf
    standardised = sums / scale
    observed = standardised.sum(axis=0) - ROUNDING
    extent = np.abs(standardised.sum(axis=0)) - ROUNDING
    counts = np.zeros((3, *shape))
    rng = np.random.default_rng(seed)
    step = max(1, SIGNS_AT_ONCE // n)
    for start in range(0, FLIPS, step):
        signs = random_signs(rng, min(step, FLIPS - start), n)
        flipped = (signs @ standardised.reshape(n, -1)).reshape(-1, *shape)
        counts[0] += (flipped >= observed).sum(axis=0)
        np.abs(flipped, out=flipped)
        counts[1] += (flipped >= extent).sum(axis=0)
        counts[2] += (flipped.max(axis=2, keepdims=True) >= extent).sum(axis=0)
    greater, two_sided, adjusted = (1 + counts) / (1 + FLIPS)
    return SignFlips(greater=greater, two_sided=two_sided, adjusted=adjusted)


def effect_size(differences: Values) -> float | None:
    """Return the mean of the differences over their standard deviation; None if all are equal.

    Source: Cohen, Statistical Power Analysis (1988), 2.3.5 (dz).
    """
    spread = _spread(differences)
    return float(differences.mean()) / spread if spread > ROUNDING else None


def detectable_effect(differences: Values, *, groups: Rows | None = None) -> float:
    """Return the mean difference that is detected with a power of 80 %, two-sided at 5 %.

    Args:
        differences: One value per query, `(n_queries,)`.
        groups: As in `sign_flip_test`.

    Source: Cohen, Statistical Power Analysis (1988), 2.4.
    """
    if groups is not None:
        sums, _ = group_sums(differences - differences.mean(), groups)
        differences = sums * len(sums) / len(differences)
    errors = float(ndtri(1 - ALPHA / 2) + ndtri(POWER))
    return errors * _spread(differences) / float(np.sqrt(len(differences)))


def _spread(differences: Values) -> float:
    return float(differences.std(ddof=1)) if len(differences) > 1 else 0.0


def random_signs(rng: np.random.Generator, size: int, n: int) -> Values:
    """Return random signs, -1 or 1, `(size, n)`; each uses one random bit."""
    bits = np.unpackbits(np.frombuffer(rng.bytes(size * (n // 8 + 1)), np.uint8))
    return bits.reshape(size, -1)[:, :n].astype(np.float64) * 2 - 1
