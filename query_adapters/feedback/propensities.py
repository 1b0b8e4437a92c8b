"""Position propensities: how likely a user looks at a rank, relative to the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback.clicks import ClickTable
from query_adapters.text.shown import quoted
from query_adapters.typing import Rows, Values

STEPS = 5_000  # of the EM; the tables hold one cell per pair of ranks
SETTLED = 1e-7  # change of a propensity in one step
FEWEST = 30  # documents shown at a rank and at another one, from which its propensity is estimated


@dataclass(frozen=True, eq=False)
class Propensities:
    """How likely a user looks at each rank, relative to the first rank.

    Args:
        values: From rank 1 on, each above 0 and at most 1, `(depth,)`. Ranks below the last one
            have its propensity.
        source: Where they come from, for the summary.

    Raises:
        InvalidDatasetError: If there is none, or one is not a number above 0 and at most 1.

    Example:
        >>> Propensities.power_law(1.0, depth=4).values.round(2).tolist()
        [1.0, 0.5, 0.33, 0.25]
    """

    values: Values
    source: str = "given"

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=np.float64)
        if values.ndim != 1 or not len(values) or not ((values > 0) & (values <= 1)).all():
            raise InvalidDatasetError(
                "propensities: expected one number per rank, each above 0 and at most 1, got "
                f"{quoted(values.tolist())}; divide by the propensity of the first rank"
            )
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @classmethod
    def power_law(cls, exponent: float, *, depth: int) -> "Propensities":
        """Return `1 / rank^η`.

        Args:
            exponent: η, from 0 (no position bias) on; web search has about 1.
            depth: Number of ranks.

        Raises:
            InvalidDatasetError: If η is negative, not a number, or the depth below 1.

        Source: Joachims, Swaminathan, Schnabel, Unbiased Learning-to-Rank with Biased Feedback
            (2017), whose experiments use it.
        """
        if not exponent >= 0:
            raise InvalidDatasetError(f"exponent: expected a number from 0, got {exponent}")
        ranks = np.arange(1, depth + 1, dtype=np.float64)
        return cls(ranks**-exponent, f"given, 1 / rank^{exponent:g}")

    def at(self, ranks: Rows, *, least: float = 0.0) -> Values:
        """Return the propensities of ranks from 0 on, not below `least`."""
        found: Values = self.values[np.minimum(ranks, len(self.values) - 1)]
        return np.maximum(found, least)

    def __str__(self) -> str:
        shown = ", ".join(f"{value:.2f}" for value in self.values[:10])
        return f"{shown}{', …' if len(self.values) > 10 else ''} ({self.source})"


def given_propensities(given: Propensities | Sequence[float]) -> Propensities:
    """Return the propensities as an object; errors as in `Propensities`."""
    return given if isinstance(given, Propensities) else Propensities(np.asarray(given, float))


def all_pairs(table: ClickTable) -> Propensities | None:
    """Return propensities from documents that were shown at several ranks for one question.

    Nobody has to shuffle results: several rankers, or one before and after an update, show a
    document at different ranks. For each two ranks k, k' the documents that were shown at both
    are equally relevant, so the click rates at k and k' differ by position alone:

        maximise over p, r:  Σ_{k ≠ k'} ĉ_k log(p_k r_kk') + (n̂_k - ĉ_k) log(1 - p_k r_kk')

    ĉ_k is the summed click rate at k of these documents and n̂_k their number; r_kk' = r_k'k is
    how often they are clicked once seen. It is maximised by EM, whose latent variables are
    whether the user looked and whether the document attracts. Unlike in the paper, whose rates are
    over the shares of several rankers' traffic, the rate of a pair at a rank is over the lists
    that showed it there.

    The rankers must not depend on the clicks that are counted: where clicks at a low rank moved a
    document up, the rate at the low rank is one that was chosen for being high.

    Returns:
        The propensities; None if a rank has fewer than 30 such documents, or none that link it to
        the first rank, directly or over other ranks.

    Source: Agarwal, Zaitsev, Wang, Li, Najork, Joachims, Estimating Position Bias without
        Intrusive Interventions (2019), the interventional sets and the AllPairs estimator.
    """
    rates, numbers = _interventions(table)
    if numbers.sum(axis=1).min() < FEWEST or not _are_linked(numbers > 0):
        return None
    p, r = np.full(len(rates), 0.5), np.full(rates.shape, 0.5)
    rejected = numbers - rates
    for _ in range(STEPS):
        missed = rejected / (1 - p[:, None] * r)
        examined = rates + missed * p[:, None] * (1 - r)
        attracted = rates + missed * r * (1 - p[:, None])
        updated = np.clip(examined.sum(1) / numbers.sum(1), 1e-6, 1 - 1e-9)
        total = np.maximum(numbers + numbers.T, 1e-12)
        r = np.clip((attracted + attracted.T) / total, 1e-9, 1 - 1e-9)
        change, p = float(np.abs(updated - p).max()), updated
        if change < SETTLED:
            break
    relative = np.minimum(p / p[0], 1.0)
    return Propensities(relative, "estimated, AllPairs of documents shown at several ranks")


def _interventions(table: ClickTable) -> tuple[Values, Values]:
    """Return ĉ and n̂, `(depth, depth)`; row k holds the rates at k of what was also shown at k'."""
    rates, numbers = np.zeros((2, table.depth, table.depth))
    rate = table.clicked / table.shown
    bounds = np.flatnonzero(np.diff(table.pair_of, prepend=-1, append=-1))
    for start, end in pairwise(bounds):
        if end - start > 1:
            ranks = table.ranks[start:end]
            rates[np.ix_(ranks, ranks)] += rate[start:end, None]
            numbers[np.ix_(ranks, ranks)] += 1
    for matrix in (rates, numbers):
        np.fill_diagonal(matrix, 0)
    return rates, numbers


def _are_linked(pairs: NDArray[np.bool_]) -> bool:
    """Return whether every rank is linked to the first one."""
    reached = np.zeros(len(pairs), dtype=bool)
    reached[0] = True
    for _ in range(len(pairs)):
        reached |= pairs[reached].any(axis=0)
    return bool(reached.all())
