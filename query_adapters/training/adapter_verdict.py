"""The verdict on a trained adapter."""

from dataclasses import dataclass

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training.candidates import CandidateScore
from query_adapters.training.decision import Selection
from query_adapters.training.guard import ALPHA, Guard
from query_adapters.training.verdict import (
    CHOICE_NOTE,
    COMPARE,
    DEPLOY,
    ENOUGH,
    Decision,
    Reference,
    Verdict,
    advice_without_gain,
    confidence_text,
    counted,
    gain_text,
    signed,
    unproven_headline,
)


@dataclass(frozen=True, kw_only=True)
class VerdictContext:
    """What the verdict mentions besides the selection itself.

    Attributes:
        metric: Metric of the gain.
        reference: What the gain is over: the base, or the adapter to refine ("start").
        guard: How sure the gain had to be.
        seen_share: Expected share of future questions about documents with training questions.
        n_candidates: Candidates that were tried.
        n_queries: Training questions.
    """

    metric: str
    reference: Reference
    guard: Guard
    seen_share: float
    n_candidates: int
    n_queries: int

    def verdict(self, selection: Selection) -> Verdict:
        """Return the verdict on a selection."""
        row, gain = selection.best, selection.gain
        if row is None or gain is None:
            details: tuple[tuple[str, str], ...] = (
                ("Expected gain", "not measured; there are too few questions to hold any out"),
            )
        else:
            details = (
                (self._gain_label(selection), self._gain(row, gain)),
                ("Confidence", self._confidence(selection, len(row.differences))),
                ("By kind of question", _by_kind(row, self.seen_share)),
            )
        return Verdict(
            decision=self._decision(selection),
            headline=self._headline(selection),
            metric=self.metric,
            expected_gain=gain,
            p_value=selection.p_value,
            details=details,
            advice=self._advice(selection),
        )

    def _decision(self, selection: Selection) -> Decision:
        return "adapter" if selection.is_kept else self.reference

    def _headline(self, selection: Selection) -> str:
        if not selection.is_kept:
            is_base = self.reference == "base"
            return "Keep the base model" if is_base else "Keep the original adapter"
        if selection.p_value > ALPHA:
            return unproven_headline(self.guard)
        if _harmed(selection.best):
            return f'Adapter kept although it ranks some questions worse (guard="{self.guard}")'
        return "Use the adapter" if self.reference == "base" else "Use the refined adapter"

    def _gain_label(self, selection: Selection) -> str:
        over = "" if self.reference == "base" else " over the original adapter"
        return f"Expected gain{'' if selection.is_kept else ' of the best candidate'}{over}"

    def _gain(self, row: CandidateScore, gain: Interval) -> str:
        n_compared = len(row.differences)
        of = f"{n_compared:,} of " if n_compared < self.n_queries else ""
        basis = f"out-of-fold, {of}{counted(self.n_queries, 'training question')}"
        return gain_text(gain, self.metric, basis)

    def _confidence(self, selection: Selection, n_queries: int) -> str:
        tried = counted(self.n_candidates, "candidate")
        if selection.is_tested:
            text = confidence_text(selection.p_value, f"adjusted for {tried}", n_queries)
            return text + _why_chance(selection)
        return (
            f"not tested; of {tried} none is better by more than a standard error without being "
            "worse for one kind of question"
        )

    def _advice(self, selection: Selection) -> str:
        row, gain = selection.best, selection.tested_gain
        if row is None or gain is None:
            return f"label more questions, at least about {ENOUGH}, then train again"
        if selection.is_kept:
            return COMPARE if selection.p_value > ALPHA or _harmed(row) else DEPLOY
        if self.reference == "start":
            return "add labelled questions that the adapter was not trained on, then refine again"
        if row.overall.mean > 0 and (harmed := _harmed(row)):
            return f"add labelled questions about {harmed}, then train again"
        return advice_without_gain(gain.mean, gain.error, len(row.differences))


def _harmed(row: CandidateScore | None) -> str:
    """Return which documents the candidate finds worse than the reference; "" for none."""
    if row is not None and row.unseen is not None and row.unseen.is_worse_than_base:
        return "documents that have no training questions yet"
    if row is not None and row.seen is not None and row.seen.is_worse_than_base:
        return "documents that have training questions already"
    return ""


def _why_chance(selection: Selection) -> str:
    """Return why a gain is not significant although its interval lies above 0; else ""."""
    gain, tested = selection.gain, selection.tested_gain
    if selection.p_value <= ALPHA or gain is None or tested is None or gain.low <= 0:
        return ""
    if tested.mean < gain.mean / 2:
        return f" (answers to other questions gain {signed(gain.mean - tested.mean)} as well)"
    return CHOICE_NOTE


def _by_kind(row: CandidateScore, seen_share: float) -> str:
    views = (
        (row.seen, "documents that have training questions"),
        (row.unseen, "documents that have none"),
    )
    parts = [f"{signed(view.mean)} for {documents}" for view, documents in views if view]
    if len(parts) < len(views):
        return f"{parts[0]}; the other kind was not measured"
    if seen_share == 0.5:
        return f"{', '.join(parts)}; half of future questions are expected of each kind"
    seen, unseen = 100 * seen_share, 100 * (1 - seen_share)
    return (
        f"{', '.join(parts)}; expected shares of future questions: {seen:.0f} % and {unseen:.0f} %"
    )
