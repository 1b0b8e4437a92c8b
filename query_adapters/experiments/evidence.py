"""Evidence about a mean that holds at any time: a mixture of exponential supermartingales.

Outcomes x_1, x_2, ... lie in [-1, 1]; m_i is the mean of x_i, given the outcomes before it. For
every λ in (0, 1),

    exp(λ Σ (x_i - m_i) - ψ(λ) Σ x_i²),  ψ(λ) = -log(1 - λ) - λ,

is a nonnegative supermartingale that starts at 1, and so is its average over several λ. By Ville's
inequality it ever reaches 1/α with a probability of at most α, whatever the distribution of the
outcomes, and whenever one looks. The same holds for -x_i and -m_i. Outcomes of 0 add nothing to
Σ x_i²: ties do not weaken the evidence.

Source: Howard, Ramdas, McAuliffe, Sekhon, Time-uniform, nonparametric, nonasymptotic confidence
sequences (2021), theorem 4, predicting 0 for every outcome: then scale 1 is enough, as its proof
needs x_i ≥ -1 alone. The mixture is a discrete one.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import exp, log
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.experiments.checks import number_in
from query_adapters.typing import Values

BETS = 2.0 ** (-np.arange(2, 37) / 4)
"""The λ of the mixture, with equal weights: from 0.71 to 0.002, each 16 % below the one before.

The best λ is about the mean of the outcomes over that of their squares. A difference is found in
the end where this ratio is above 0.001."""
PSI = -np.log1p(-BETS) - BETS
TOLERANCE = 1e-9
ROUNDING = 1e-6


def log_evidence(total: ArrayLike, squares: ArrayLike) -> Values:
    """Return log E that means are above 0; E is at most 1 on average where all are 0 or below.

    Args:
        total: Sum of the outcomes; arrays of any shape are taken element by element.
        squares: Sum of their squares.
    """
    exponents = np.multiply.outer(total, BETS) - np.multiply.outer(squares, PSI)
    evidence: Values = np.logaddexp.reduce(exponents, axis=-1) - log(len(BETS))
    return evidence


def radius(squares: float, alpha: float) -> float:
    """Return the sum of outcomes at which the evidence reaches 1 / `alpha`.

    Σ (x_i - m_i) stays below it at all times with a probability of at least 1 - `alpha`.

    Args:
        squares: Sum of the squares of the outcomes.
        alpha: Probability in (0, 1).
    """
    # where one bet alone reaches it, the mixture does as well
    low, high = 0.0, float(np.min((log(len(BETS) / alpha) + PSI * squares) / BETS))
    while high - low > TOLERANCE * max(1.0, high):
        middle = (low + high) / 2
        if log_evidence(middle, squares) < -log(alpha):
            low = middle
        else:
            high = middle
    return high


@dataclass
class Evidence:
    """Sums of outcomes in [-1, 1], and the strongest evidence that they have ever been.

    Attributes:
        n: Number of outcomes.
        total: Their sum.
        squares: Sum of their squares.
        log_above: Greatest log evidence, at any look, that their mean is above 0; 0 at the start.
        log_below: The same for below 0.
    """

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    log_above: float = 0.0
    log_below: float = 0.0

    def add(self, outcomes: Values) -> None:
        """Add outcomes in [-1, 1]; the evidence is looked at after the last one."""
        self.n += outcomes.size
        self.total += float(outcomes.sum())
        self.squares += float((outcomes**2).sum())
        above, below = log_evidence([self.total, -self.total], [self.squares] * 2).tolist()
        self.log_above = max(self.log_above, above)
        self.log_below = max(self.log_below, below)

    @property
    def p_value(self) -> float:
        """Two-sided p value of no difference, valid at any time: the smallest of all looks."""
        return min(1.0, 2 * exp(-max(self.log_above, self.log_below)))

    def to_record(self) -> dict[str, Any]:
        """Return the sums as JSON values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the sums of a record.

        Raises:
            LookupError: If one is missing.
            TypeError: If one is not a number.
            ValueError: If they cannot be those of outcomes in [-1, 1].
        """
        n = number_in(record["n"], 0, float("inf"), "n")
        if n != int(n):
            raise ValueError(f"n: expected a whole number, got {n}")
        slack = ROUNDING * (1 + n)
        squares = number_in(record["squares"], 0, n + slack, "squares")
        most = (n * squares) ** 0.5 + slack
        return cls(
            n=int(n),
            total=number_in(record["total"], -most, most, "total"),
            squares=squares,
            log_above=number_in(record["log_above"], 0, float("inf"), "log_above"),
            log_below=number_in(record["log_below"], 0, float("inf"), "log_below"),
        )
