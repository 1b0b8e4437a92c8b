"""Settings of the trainer, what they scored on held-out questions, and which to take."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt

from query_adapters.training.memory import MemorySettings
from query_adapters.typing import Values


@dataclass(frozen=True)
class Candidate:
    """One setting of the trainer.

    Attributes:
        whitening: Exponent of the spectral prior, at least 0.
        strength: λ, the pull back to the prior; infinite for the prior itself.
        memory: Settings of the memory part; None for a map without one.
    """

    whitening: float
    strength: float
    memory: MemorySettings | None = None


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
        candidate: The settings.
        seen: New questions about documents that have training questions; None if not measured.
        unseen: Questions about other documents; None if not measured.
        overall: Both views, weighted by the share of questions expected in each.
        differences: What `overall` is the mean of, one a question, `(n_queries,)`.
        controls: The same, had each question another one's answers, `(n_queries,)`.
    """

    candidate: Candidate
    seen: ViewScore | None
    unseen: ViewScore | None
    overall: ViewScore
    differences: Values = field(repr=False, compare=False)
    controls: Values = field(repr=False, compare=False)

    @property
    def is_admissible(self) -> bool:
        """Whether it is not worse than the base in either view."""
        views = [view for view in (self.seen, self.unseen) if view is not None]
        return not any(view.is_worse_than_base for view in views)


def choose(table: Sequence[CandidateScore]) -> CandidateScore | None:
    """Return the best candidate, or None if the base is to be kept.

    A candidate that is worse than the base in either view is out. Of the others, the best one
    on the first settings stands unless one on other settings is better by more than a standard
    error. Its strength gives way to a greater one that scores within a standard error of it,
    overall and in either view, and what is left must beat the base by more than a standard error.

    Args:
        table: At least one row; the first settings are those of the first row and, where there
            are rows with a memory, of the first of those.

    Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning (2009), 7.10.1, for
        the rule of one standard error, here of the paired difference.
    """
    admissible = [row for row in table if row.is_admissible]
    memories = [row.candidate.memory for row in table if row.candidate.memory is not None]
    first = [
        row
        for row in admissible
        if row.candidate.whitening == table[0].candidate.whitening
        and row.candidate.memory in (None, *memories[:1])
    ]
    others = [row for row in admissible if row not in first]
    chosen = best(first) if first else None
    for row in others:
        bar = 0.0 if chosen is None else chosen.overall.mean
        if row.overall.mean - row.overall.error > bar:
            chosen = row
    if chosen is not None:
        chosen = _strongest(chosen, admissible)
    return chosen if chosen and chosen.overall.mean > chosen.overall.error else None


def _strongest(chosen: CandidateScore, rows: Sequence[CandidateScore]) -> CandidateScore:
    """Return the row with the greatest λ among those as good as the chosen one, else like it."""
    settings = replace(chosen.candidate, strength=inf)
    alike = [row for row in rows if replace(row.candidate, strength=inf) == settings]
    as_good = [row for row in alike if _is_as_good(row, chosen)]
    return max(as_good, key=lambda row: row.candidate.strength)


def _is_as_good(row: CandidateScore, chosen: CandidateScore) -> bool:
    lost = ViewScore.of(chosen.differences - row.differences)
    views = [(row.seen, chosen.seen), (row.unseen, chosen.unseen)]
    kept = (own.mean >= other.mean - other.error for own, other in views if own and other)
    return lost.mean <= lost.error and all(kept)


def best(table: Sequence[CandidateScore]) -> CandidateScore:
    """Return the row with the highest overall mean."""
    return max(table, key=lambda row: row.overall.mean)
