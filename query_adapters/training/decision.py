"""Decide between the best candidate and the reference."""

from dataclasses import dataclass, field

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.groups import LARGEST
from query_adapters.training.candidates import CandidateScore, OutOfFoldTable, ViewScore
from query_adapters.training.cross_fitting import cross_fitted_gains
from query_adapters.training.guard import ALPHA, answer_groups
from query_adapters.training.selection_test import selection_p_value
from query_adapters.training.view_test import (
    combined_p_value,
    squared_sums,
    two_way_error,
)
from query_adapters.typing import Guard, Rows, Values

NORMAL_95 = 1.96


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What speaks for a gain, measured on questions that chose nothing.

    Attributes:
        gain: Mean gain over both views with its 95 % interval.
        by_view: Mean gain by view, with its standard error.
        tested: The gain on a question's own answers less that on other questions' answers, with
            its standard error: what the test is about.
        p_value: Of the tested gain, one-sided.
        per_question: Gain on each question, both views weighted, `(n_queries,)`.
    """

    gain: Interval
    by_view: dict[str, ViewScore]
    tested: ViewScore
    p_value: float
    per_question: Values = field(default_factory=lambda: np.empty(0), compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The best candidate, and what speaks for it.

    Attributes:
        best: The candidate that `OutOfFoldTable.best` chooses; None if none gains anything.
        evidence: The gain of the selection; None if nothing could be held out.
        is_kept: Whether the candidate passed the guard.
        n_candidates: Number of candidates that were compared.
    """

    best: CandidateScore | None
    evidence: Evidence | None
    is_kept: bool
    n_candidates: int

    @property
    def chosen(self) -> CandidateScore | None:
        """The candidate that is kept; None for the reference."""
        return self.best if self.is_kept else None


@dataclass(frozen=True, kw_only=True, eq=False)
class QuestionGroups:
    """Group numbers of the questions, `(n_queries,)` each.

    Attributes:
        wording: Equal for near-duplicates: what is drawn anew in the seen view.
        answer: Equal for questions about one document: what is drawn anew in the unseen view.
        linked: Equal where documents or wording are shared, directly or through other questions.
    """

    wording: Rows
    answer: Rows
    linked: Rows

    @classmethod
    def of(cls, dataset: EmbeddedDataset) -> "QuestionGroups":
        """Return the groups of the dataset's questions."""
        return cls(
            wording=dataset.query_groups,
            answer=answer_groups(dataset.relevant),
            linked=dataset.document_groups,
        )

    def held_out(self, view: str) -> Rows:
        """Return the groups that selection is measured without, in this view.

        In the seen view they are the questions: candidates differ in how they treat documents with
        many questions, so a choice without a document's questions would depend on the document.
        In the unseen view they are the linked questions. If each question has several answers,
        chains of shared documents may link most questions into one group. Then the groups by
        answer count, or by wording.
        """
        if view == "seen":
            return self.wording
        for groups in (self.linked, self.answer):
            if np.unique(groups, return_counts=True)[1].max() <= LARGEST * len(groups):
                return groups
        return self.wording


def select_candidate(
    table: OutOfFoldTable | None,
    groups: QuestionGroups,
    *,
    guard: Guard,
    seed: int,
    alpha: float = ALPHA,
) -> Selection:
    """Return the best candidate, with what speaks for it.

    Args:
        table: The out-of-fold table; None if nothing could be held out.
        groups: Which questions are not independent.
        guard: How sure the gain must be.
        seed: Of the test and of the split that measures the selection.
        alpha: The highest p value that passes the strict guard.
    """
    if table is None:
        return Selection(best=None, evidence=None, is_kept=False, n_candidates=0)
    veto = guard != "off"
    evidence = evidence_for(table, groups, veto=veto, seed=seed)
    best = table.best(veto=veto)
    return Selection(
        best=None if best is None else table.row(best),
        evidence=evidence,
        is_kept=best is not None and _passes(evidence, guard, alpha),
        n_candidates=len(table.candidates),
    )


def evidence_for(
    table: OutOfFoldTable, groups: QuestionGroups, *, veto: bool, seed: int
) -> Evidence:
    """Return what speaks for the selection, in each view by what it draws anew."""
    names = [view.name for view in table.views]
    unit = {"seen": groups.wording, "unseen": groups.answer}
    own, specific, p_values = {}, {}, []
    for place, name in enumerate(names):
        held_out = groups.held_out(name)
        gains = cross_fitted_gains(table, held_out, seed=seed, veto=veto)[place]
        own[name], specific[name] = gains[0], gains[0] - gains[1]
        p_values.append(
            selection_p_value(
                table, place, groups=unit[name], held_out=held_out, veto=veto, seed=seed
            )
        )
    weights = dict(zip(names, table.weights, strict=True))
    gain, tested = (_overall(values, weights, groups) for values in (own, specific))
    return Evidence(
        gain=Interval(
            mean=gain.mean,
            low=gain.mean - NORMAL_95 * gain.error,
            high=gain.mean + NORMAL_95 * gain.error,
        ),
        by_view={name: grouped_score(own[name], unit[name]) for name in names},
        tested=tested,
        p_value=combined_p_value(p_values, list(weights.values())),
        per_question=np.sum([weights[name] * own[name] for name in names], axis=0),
    )


def _overall(
    values: dict[str, Values], weights: dict[str, float], groups: QuestionGroups
) -> ViewScore:
    nothing = np.zeros_like(next(iter(values.values())))
    seen, unseen = (weights.get(k, 0.0) * values.get(k, nothing) for k in ("seen", "unseen"))
    error = two_way_error(
        seen, unseen, question_groups=groups.wording, document_groups=groups.answer
    )
    return ViewScore(mean=float((seen + unseen).mean()), error=error)


def _passes(evidence: Evidence, guard: Guard, alpha: float) -> bool:
    if guard == "strict":
        return evidence.p_value <= alpha
    return guard == "off" or evidence.tested.mean > evidence.tested.error


def grouped_score(values: Values, groups: Rows) -> ViewScore:
    """Return the mean of one value a question with its standard error over groups of questions.

    With a single group the error is 0.
    """
    error = squared_sums(values - values.mean(), groups) ** 0.5 / len(values)
    return ViewScore(mean=float(values.mean()), error=error)
