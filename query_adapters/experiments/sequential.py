"""A test of which system users prefer that may be looked at every day, and stopped at any time."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from numpy.typing import ArrayLike

from query_adapters.experiments.arms import CHALLENGER, INCUMBENT
from query_adapters.experiments.checks import numbers_in, share_between
from query_adapters.experiments.evidence import Evidence, radius
from query_adapters.experiments.state import read_state, write_state

Decision = Literal["challenger", "incumbent", "undecided"]
ADVICE: dict[Decision, str] = {
    "challenger": "The challenger is better: put it live.",
    "incumbent": "The incumbent is better: keep it, and end the test.",
    "undecided": "Not decided: go on, and look again later.",
}


class AnytimeTest:
    """A two-sided test of no difference; p value, interval and decision hold at every look.

    Args:
        alpha: The probability, at most, that a difference is ever found where there is none.

    Attributes:
        alpha: The same.
        evidence: The sums that the test rests on.

    Raises:
        ValueError: If `alpha` is not between 0 and 1.
    """

    unit: ClassVar[str] = "outcomes"
    """What is counted, in the sentence."""
    options: ClassVar[tuple[str, ...]] = ("alpha",)
    """Arguments of the constructor, which the state holds too."""
    scale: float = 1.0
    """The greatest absolute value of an outcome before it is divided by it."""

    def __init__(self, *, alpha: float = 0.05) -> None:
        self.alpha = share_between(alpha, "alpha", 0.05)
        self.evidence = Evidence()

    @property
    def n(self) -> int:
        """Number of outcomes so far."""
        return self.evidence.n

    @property
    def difference(self) -> float:
        """Mean outcome so far, in [-1, 1]; above 0 where the challenger is better."""
        return _clipped(self.scale * self.evidence.total / self.n) if self.n else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the true difference, in [-1, 1]; those of all looks together hold with 1 - α.

        Where the difference changes during the test, they are bounds of its average so far.
        """
        if not self.n:
            return -1.0, 1.0
        half = radius(self.evidence.squares, self.alpha / 2)
        sums = (self.evidence.total - half, self.evidence.total + half)
        low, high = (_clipped(self.scale * total / self.n) for total in sums)
        return low, high

    @property
    def p_value(self) -> float:
        """Two-sided p value of no difference, in (0, 1]; the smallest of all looks.

        Without a difference it ever falls to `alpha` with a probability of at most `alpha`,
        whatever the number of looks.
        """
        return self.evidence.p_value

    @property
    def decision(self) -> Decision:
        """The better system, once the p value is `alpha` or below; that stays. Else "undecided"."""
        if self.p_value > self.alpha:
            return "undecided"
        return CHALLENGER if self.evidence.log_above >= self.evidence.log_below else INCUMBENT

    def save(self, path: str | Path) -> Path:
        """Write the state to a JSON file, which is replaced in one step, and return its path."""
        return write_state(path, type(self).__name__, self.to_record())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the test that was saved, to go on with it.

        Args:
            path: The JSON file.

        Raises:
            FileNotFoundError: If there is no such file.
            InvalidDatasetError: If it holds no state of this test, or one of a newer version.
        """
        return read_state(path, cls.__name__, cls.from_record)

    def to_record(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        settings = {name: getattr(self, name) for name in self.options}
        return {**settings, "evidence": self.evidence.to_record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Return the test with this state.

        Raises:
            LookupError: If a value is missing.
            TypeError: If a value is of another type.
            ValueError: If a value is out of its range.
        """
        test = cls(**{name: record[name] for name in cls.options})
        test.evidence = Evidence.from_record(record["evidence"])
        return test

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{ADVICE[self.decision]} After {self.n:,} {self.unit} the difference is "
            f"{self.difference:+.4f}, between {low:+.4f} and {high:+.4f} "
            f"({1 - self.alpha:.0%} interval); p = {self.p_value:.2g}, valid at any look."
        )


class SequentialTest(AnytimeTest):
    """Which of two systems users prefer, by outcomes of interleaving; look whenever you like.

    An outcome is what one session prefers: 1 for the challenger, -1 for the incumbent, 0 for
    neither, or a number between. Give every session, in any portions, once.

    Args:
        alpha: The probability, at most, that a preference is ever found where there is none.

    Attributes:
        alpha: The same.
        evidence: The sums that the test rests on.

    Raises:
        ValueError: If `alpha` is not between 0 and 1.

    Source: `query_adapters.experiments.evidence` has the formulas; they hold for outcomes of any
        distribution in [-1, 1].

    Example:
        >>> test = SequentialTest(alpha=0.05)
        >>> test.update([1, 0, -1, 1, 1, 0])
        >>> test.decision
        'undecided'
        >>> test.update([1, 0] * 40)
        >>> test.decision
        'challenger'
    """

    unit = "sessions"

    def update(self, outcomes: Iterable[float] | ArrayLike) -> None:
        """Add the outcomes of further sessions.

        Args:
            outcomes: What `outcome` or `session_outcome` returned, in [-1, 1].

        Raises:
            ValueError: If one is not a number in [-1, 1]; none is added then.
        """
        self.evidence.add(numbers_in(outcomes, -1, 1, "outcomes"))


def _clipped(difference: float) -> float:
    return min(1.0, max(-1.0, difference))
