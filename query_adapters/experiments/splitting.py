"""An A/B test of a canary split that may be looked at every day, and stopped at any time."""

from collections.abc import Iterable, Mapping, Sequence
from math import exp
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from query_adapters.experiments.arms import ARMS, CHALLENGER, INCUMBENT, Arm
from query_adapters.experiments.checks import number_in, numbers_in, share_between
from query_adapters.experiments.evidence import log_evidence
from query_adapters.experiments.sequential import AnytimeTest, Decision
from query_adapters.typing import Values

BROKEN = 0.001  # a smaller p value means that the split is not the one that was stated
PRIOR_MEAN = 0.5  # stands for the mean of the values before the first one


class SplitTest(AnytimeTest):
    """Which arm of a canary split has the higher mean of a value in [0, 1].

    Each user or session, whichever was split by, gives one value, such as the mean over their
    questions of whether the answer was rated well. Its outcome is (v - b) / share in the
    challenger's arm and -(v - b) / (1 - share) in the other one, where b is the mean of the values
    before it. As the arm is a draw of its own, the mean outcome is the difference of the arms.

    Args:
        share: Share of the users that the challenger serves, between 0 and 1; it stays as it is
            during the test.
        alpha: The probability, at most, that a difference is ever found where there is none.

    Attributes:
        share: The same.
        alpha: The same.
        evidence: The sums that the test rests on; outcomes in it are divided by the greatest one.
        counts: Number of values by arm.
        sums: Sum of the values by arm.

    Raises:
        ValueError: If `share` or `alpha` is not between 0 and 1.

    Source: Inverse propensity scores with a predictable control variate, as Howard et al. (2021)
        estimate an average treatment effect; `query_adapters.experiments.evidence` has the rest.
    """

    unit = "users or sessions"
    options = ("share", "alpha")

    def __init__(self, *, share: float, alpha: float = 0.05) -> None:
        super().__init__(alpha=alpha)
        self.share = share_between(share, "share", 0.5)
        self.scale = 1 / min(share, 1 - share)
        self.counts: dict[Arm, int] = dict.fromkeys(ARMS, 0)
        self.sums: dict[Arm, float] = dict.fromkeys(ARMS, 0.0)

    @property
    def means(self) -> dict[Arm, float | None]:
        """Mean value by arm; None for an arm without values."""
        return {arm: self.sums[arm] / n if n else None for arm, n in self.counts.items()}

    @property
    def split_p_value(self) -> float:
        """P value that users were split by `share`, in (0, 1], valid at any look.

        A tiny one means that values of one arm are missing, or that the split is another one: then
        no difference between the arms means anything.
        """
        of_challenger, n = self.counts[CHALLENGER], sum(self.counts.values())
        most = max(self.share, 1 - self.share)
        excess = (of_challenger - n * self.share) / most
        ones, zeros = of_challenger * (1 - self.share) ** 2, (n - of_challenger) * self.share**2
        found = log_evidence([excess, -excess], [(ones + zeros) / most**2] * 2)
        return min(1.0, 2 * exp(-float(found.max())))

    @property
    def decision(self) -> Decision:
        """As of every test, but "undecided" where `split_p_value` is below 0.001."""
        return "undecided" if self.split_p_value < BROKEN else super().decision

    def update(self, arms: Sequence[str], values: Iterable[float] | ArrayLike) -> None:
        """Add the values of further users or sessions.

        Args:
            arms: The arm of each of them, "incumbent" or "challenger", in the order of time.
            values: The value of each of them, in [0, 1].

        Raises:
            ValueError: If there are more or fewer values than arms, an arm is unknown, or a value
                is not a number in [0, 1]; none is added then.
        """
        found = numbers_in(values, 0, 1, "values")
        is_challenger = _of_challenger(arms, found.size)
        weights = np.where(is_challenger, 1 / self.share, -1 / (1 - self.share)) / self.scale
        self.evidence.add(weights * (found - self._means_before(found)))
        for arm, rows in ((CHALLENGER, is_challenger), (INCUMBENT, ~is_challenger)):
            self.counts[arm] += int(rows.sum())
            self.sums[arm] += float(found[rows].sum())

    def to_record(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {**super().to_record(), "counts": dict(self.counts), "sums": dict(self.sums)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the test with this state; errors as of every test."""
        test = super().from_record(record)
        for arm in ARMS:
            count = number_in(record["counts"][arm], 0, test.n, "counts")
            test.counts[arm] = int(count)
            test.sums[arm] = number_in(record["sums"][arm], 0, count, "sums")
        return test

    def __str__(self) -> str:
        if self.split_p_value >= BROKEN:
            return super().__str__()
        n = sum(self.counts.values())
        return (
            f"Do not decide: of {n:,} {self.unit}, {self.counts[CHALLENGER] / n:.1%} are in the "
            f"challenger's arm, {self.share:.1%} were expected; find what drops values of one arm."
        )

    def _means_before(self, values: Values) -> Values:
        """Return for each value the mean of all values before it."""
        n, total = sum(self.counts.values()), sum(self.sums.values())
        before = PRIOR_MEAN + total + np.cumsum(values) - values
        means: Values = before / (1 + n + np.arange(values.size))
        return means


def _of_challenger(arms: Sequence[str], n: int) -> NDArray[np.bool_]:
    """Return which of `n` arms are the challenger's.

    Raises:
        ValueError: If there are more or fewer, or one is unknown.
    """
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        raise ValueError(f"arms: expected {INCUMBENT!r} or {CHALLENGER!r}, got {unknown[0]!r}")
    if len(arms) != n:
        raise ValueError(f"values: expected one for each of {len(arms)} arms, got {n}")
    return np.array([arm == CHALLENGER for arm in arms], dtype=np.bool_)
