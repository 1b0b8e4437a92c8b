"""The verdict on a trained adapter."""

from dataclasses import dataclass

from query_adapters.training.candidates import CandidateScore
from query_adapters.training.decision import Evidence, Selection
from query_adapters.training.guard import ALPHA
from query_adapters.training.verdict import (
    COMPARE,
    DEPLOY,
    LABEL_MORE,
    Decision,
    Reference,
    Verdict,
    advice_without_gain,
    confidence_text,
    counted,
    gain_text,
    guard_lines,
    signed,
    unproven_headline,
)
from query_adapters.typing import Guard


@dataclass(frozen=True, kw_only=True)
class VerdictContext:
    """What the verdict mentions besides the selection itself.

    Attributes:
        metric: Metric of the gain.
        reference: What the gain is over: the base, or the adapter to refine ("start").
        guard: How sure the gain had to be.
        seen_share: Expected share of future questions about documents with training questions.
        n_compared: Training questions that candidates were compared on.
        n_queries: Training questions.
        n_effective: How many questions that count alike would tell as much; None if they do.
    """

    metric: str
    reference: Reference
    guard: Guard
    seen_share: float
    n_compared: int
    n_queries: int
    n_effective: float | None = None

    def verdict(self, selection: Selection) -> Verdict:
        """Return the verdict on a selection."""
        evidence = selection.evidence
        if evidence is None:
            details: tuple[tuple[str, str], ...] = (
                ("Expected gain", "not measured; there are too few questions to hold any out"),
            )
        else:
            details = (
                (self._gain_label(selection), self._gain(evidence)),
                ("Confidence", self._confidence(selection, evidence)),
                *guard_lines(self.guard),
                ("By kind of question", by_kind(evidence, self.seen_share)),
                *self._weights(),
            )
        return Verdict(
            decision=self._decision(selection),
            headline=self._headline(selection),
            metric=self.metric,
            expected_gain=None if evidence is None else evidence.gain,
            p_value=None if evidence is None else evidence.p_value,
            details=details,
            advice=self._advice(selection),
        )

    def _weights(self) -> tuple[tuple[str, str], ...]:
        if self.n_effective is None:
            return ()
        said = f"gains are means by weight, of as many as {self.n_effective:,.0f} that count alike"
        return (("Weights of questions", said),)

    def _decision(self, selection: Selection) -> Decision:
        return "adapter" if selection.is_kept else self.reference

    def _headline(self, selection: Selection) -> str:
        if not selection.is_kept or selection.evidence is None:
            is_base = self.reference == "base"
            return "Keep the base model" if is_base else "Keep the original adapter"
        if selection.evidence.p_value > ALPHA:
            return unproven_headline(self.guard)
        if _harmed(selection.best):
            return f'Adapter kept although it ranks some questions worse (guard="{self.guard}")'
        return "Use the adapter" if self.reference == "base" else "Use the refined adapter"

    def _gain_label(self, selection: Selection) -> str:
        over = "" if self.reference == "base" else " over the original adapter"
        return f"Expected gain{'' if selection.is_kept else ' of the best candidate'}{over}"

    def _gain(self, evidence: Evidence) -> str:
        of = f"{self.n_compared:,} of " if self.n_compared < self.n_queries else ""
        basis = f"out-of-fold, {of}{counted(self.n_queries, 'training question')}"
        return gain_text(evidence.gain, self.metric, basis)

    def _confidence(self, selection: Selection, evidence: Evidence) -> str:
        tried = counted(selection.n_candidates, "candidate")
        if selection.best is None:
            condition = "" if self.guard == "off" else " without a loss for one kind of question"
            return f"none of {tried} gains anything{condition}"
        among = f"selection among {tried} included"
        text = confidence_text(evidence.p_value, among, self.n_compared)
        return text + _why_chance(evidence)

    def _advice(self, selection: Selection) -> str:
        evidence, row = selection.evidence, selection.best
        if evidence is None:
            return LABEL_MORE
        if selection.is_kept:
            return COMPARE if evidence.p_value > ALPHA or _harmed(row) else DEPLOY
        if self.reference == "start":
            return "add labelled questions that the adapter was not trained on, then refine again"
        tested = evidence.tested
        return advice_without_gain(tested.mean, tested.error, self.n_compared)


def _harmed(row: CandidateScore | None) -> str:
    """Return which documents the candidate finds worse than the reference; "" for none."""
    if row is not None and row.unseen is not None and row.unseen.is_worse_than_base:
        return "documents that have no training questions yet"
    if row is not None and row.seen is not None and row.seen.is_worse_than_base:
        return "documents that have training questions already"
    return ""


def _why_chance(evidence: Evidence) -> str:
    """Return why a gain is not significant although its interval lies above 0; else ""."""
    gain, tested = evidence.gain, evidence.tested
    if evidence.p_value <= ALPHA or gain.low <= 0 or tested.mean >= gain.mean / 2:
        return ""
    return f" (answers to other questions gain {signed(gain.mean - tested.mean)} as well)"


def by_kind(evidence: Evidence, seen_share: float) -> str:
    """Return the gain for each kind of question, and the share that is expected of each."""
    kinds = {
        "seen": "documents that have training questions",
        "unseen": "documents that have none",
    }
    views = evidence.by_view
    parts = [f"{signed(views[k].mean)} for {name}" for k, name in kinds.items() if k in views]
    if len(parts) < len(kinds):
        return f"{parts[0]}; the other kind was not measured"
    if seen_share == 0.5:
        return f"{', '.join(parts)}; half of future questions are expected of each kind"
    seen, unseen = 100 * seen_share, 100 * (1 - seen_share)
    return (
        f"{', '.join(parts)}; expected shares of future questions: {seen:.0f} % and {unseen:.0f} %"
    )
