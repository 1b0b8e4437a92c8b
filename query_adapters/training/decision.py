"""Decide between the best candidate and the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.evaluation.bootstrap import Interval, bootstrap_interval
from query_adapters.training.candidates import CandidateScore, ViewScore, best, choose
from query_adapters.training.guard import ALPHA, Guard, answer_groups, max_t_p_value
from query_adapters.typing import Rows, Values


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The best candidate and how it fared in the test.

    Attributes:
        best: The candidate that was tested; if none qualified for the test, the one with the
            highest mean; None if there are no candidates.
        is_tested: Whether it qualified for the test.
        is_kept: Whether it passed the guard.
        gain: Its mean gain with a 95 % interval; None if there are no candidates.
        tested_gain: What the test is about: the gain on a question's own answers less that on
            another question's, with its standard error over groups.
        p_value: Of its gain, adjusted for the number of candidates; 1 if it was not tested.
    """

    best: CandidateScore | None
    is_tested: bool
    is_kept: bool
    gain: Interval | None
    tested_gain: ViewScore | None
    p_value: float

    @property
    def chosen(self) -> CandidateScore | None:
        """The candidate that is kept; None for the reference."""
        return self.best if self.is_kept else None


def select_candidate(
    table: Sequence[CandidateScore], relevant: Sequence[Rows], *, guard: Guard, seed: int
) -> Selection:
    """Return the best candidate, tested against the reference.

    The test compares the gain on a question's own answers with the gain on another question's,
    so that labels unrelated to their questions pass only by chance. Questions about one document
    are correlated and count as one, in the test and in the interval.

    Args:
        table: The out-of-fold table; may be empty.
        relevant: Rows of each question's relevant documents.
        guard: How sure the gain must be.
        seed: Of the test and of the bootstrap.
    """
    if not table:
        return Selection(
            best=None, is_tested=False, is_kept=False, gain=None, tested_gain=None, p_value=1.0
        )
    tested = best(table) if guard == "off" else choose(table)
    row, groups = tested or best(table), answer_groups(relevant)
    own_less_control = [candidate.differences - candidate.controls for candidate in table]
    place = table.index(row)
    p_value = (
        1.0 if tested is None else max_t_p_value(own_less_control, place, groups=groups, seed=seed)
    )
    return Selection(
        best=row,
        is_tested=tested is not None,
        is_kept=tested is not None and (p_value <= ALPHA or guard != "strict"),
        gain=bootstrap_interval(row.differences, groups=_independent(groups), seed=seed),
        tested_gain=grouped_score(own_less_control[place], groups),
        p_value=p_value,
    )


def grouped_score(values: Values, groups: Rows) -> ViewScore:
    """Return the mean of one value a question with its standard error over groups of questions.

    With a single group the error is 0.
    """
    members, n = np.unique(groups, return_inverse=True)[1], len(np.unique(groups))
    sums = np.bincount(members, weights=values - values.mean())
    spread = float((sums**2).sum()) * n / max(1, n - 1)
    return ViewScore(mean=float(values.mean()), error=spread**0.5 / len(values))


def _independent(groups: Rows) -> Rows | None:
    """Return the groups; None if all questions are in one, which leaves nothing to resample."""
    return groups if len(np.unique(groups)) > 1 else None
