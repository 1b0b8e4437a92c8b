"""Settings of the trainer, and what they score on held-out questions."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from math import inf, isinf, sqrt
from typing import Any

import numpy as np

from query_adapters.training.choice import NONE, choose
from query_adapters.training.folds import View
from query_adapters.training.memory import MemorySettings
from query_adapters.typing import Rows, Values

LINEAR_SHARPENING = 1.5  # above 1: the few questions that are nearly right count most
MEMORY_SHARPENING = 0.5  # below 1: also questions that are right already are moved to their answers


@dataclass(frozen=True)
class Candidate:
    """One setting of the trainer.

    Attributes:
        whitening: Exponent of the spectral prior, at least 0.
        strength: λ, the pull back to the prior; infinite for the prior itself.
        memory: Settings of the memory part; None for a map without one.
        shared: Whether a map learned on other datasets is the prior, instead of the spectral one.
    """

    whitening: float
    strength: float
    memory: MemorySettings | None = None
    shared: bool = False

    @property
    def sharpening(self) -> float:
        """The softmax temperature τ of the fit, as a multiple of the one that fits the base."""
        return LINEAR_SHARPENING if self.memory is None else MEMORY_SHARPENING

    def to_record(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them, which has no infinity.

        `shared` is left out where it does not apply, as in records of one dataset.
        """
        settings = {**asdict(self), "strength": None if isinf(self.strength) else self.strength}
        return settings if self.shared else {k: v for k, v in settings.items() if k != "shared"}


def candidates_of(
    whitenings: Iterable[float],
    memories: Iterable[MemorySettings | None],
    strengths: Iterable[float],
) -> list[Candidate]:
    """Return the settings to try, first the priors, which no question is fitted to."""
    exponents = list(whitenings)
    alone = [Candidate(whitening, inf) for whitening in exponents]
    settings = product(exponents, memories, sorted(strengths, reverse=True))
    return [*alone, *(Candidate(p, strength, memory) for p, memory, strength in settings)]


@dataclass(frozen=True, kw_only=True)
class ViewScore:
    """Differences from the base model on the questions of one view.

    Attributes:
        mean: Mean difference of the metric.
        error: Its standard error over questions.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, differences: Values) -> "ViewScore":
        """Return mean and standard error of one difference a question."""
        spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
        return cls(mean=float(differences.mean()), error=spread / sqrt(len(differences)))

    @property
    def is_worse_than_base(self) -> bool:
        """Whether the mean lies more than one standard error below 0."""
        return self.mean < -self.error


@dataclass(frozen=True, kw_only=True)
class CandidateScore:
    """One row of the out-of-fold table.

    Attributes:
        candidate: The settings: a `Candidate`, or the names of a scoring head's features.
        seen: New questions about documents that have training questions; None if not measured.
        unseen: Questions about other documents; None if not measured.
        overall: Both views, weighted by the share of questions expected in each.
    """

    candidate: Any
    seen: ViewScore | None
    unseen: ViewScore | None
    overall: ViewScore

    @property
    def is_admissible(self) -> bool:
        """Whether it is not worse than the base in either view."""
        views = [view for view in (self.seen, self.unseen) if view is not None]
        return not any(view.is_worse_than_base for view in views)


@dataclass(frozen=True, eq=False)
class OutOfFoldTable:
    """What every candidate gains on every question held out, in each view.

    Attributes:
        candidates: The settings, as in `CandidateScore`.
        views: The views, with the weights of their scores.
        gains: Differences from the base, `(n_candidates, n_views, 2, n_queries)`: on a
            question's own answers and, as a control, on other questions' answers, each times
            the question's weight over the mean weight.
    """

    candidates: Sequence[Any]
    views: Sequence[View]
    gains: Values

    @cached_property
    def weights(self) -> Values:
        """Weight of each view, `(n_views,)`; they add up to 1."""
        return np.array([view.weight for view in self.views])

    @cached_property
    def rows(self) -> tuple[CandidateScore, ...]:
        """The scores of every candidate, over all questions."""
        return tuple(self.row(index) for index in range(len(self.candidates)))

    def row(self, index: int) -> CandidateScore:
        """Return the scores of one candidate."""
        own = self.gains[index, :, 0]
        scores = {view.name: ViewScore.of(row) for view, row in zip(self.views, own, strict=True)}
        return CandidateScore(
            candidate=self.candidates[index],
            seen=scores.get("seen"),
            unseen=scores.get("unseen"),
            overall=ViewScore.of(self.weights @ own),
        )

    def best(self, questions: Rows | None = None, *, veto: bool = True) -> int | None:
        """Return the candidate to choose by these questions, by its position in `candidates`.

        Args:
            questions: Rows of the questions; by default all.
            veto: As in `choose`.

        Returns:
            Its position as in `choose`; None if no candidate that is left gains anything.
        """
        own = self.gains[:, :, 0] if questions is None else self.gains[:, :, 0, questions]
        by_view, n = own.swapaxes(0, 1), own.shape[2]
        chosen = choose(
            by_view.mean(axis=2)[None],
            by_view @ by_view.swapaxes(1, 2) / n,
            n_questions=n,
            weights=self.weights,
            veto=veto,
        )
        return None if chosen[0] == NONE else int(chosen[0])
