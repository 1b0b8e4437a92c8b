"""The verdict on a scoring head."""

from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.selection import HEAD_ALPHA
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.training.adapter_verdict import by_kind
from query_adapters.training.decision import Evidence, Selection
from query_adapters.training.verdict import (
    COMPARE,
    DEPLOY,
    LABEL_MORE,
    Verdict,
    advice_without_gain,
    confidence_text,
    counted,
    gain_text,
    guard_lines,
)
from query_adapters.typing import Guard


def head_verdict(
    selection: Selection,
    head: ScoringHead,
    trainer: AdapterTrainer,
    adapted: TrainingResult,
    *,
    n_queries: int,
) -> Verdict:
    """Return the verdict on a head.

    Args:
        selection: The comparison of the candidates.
        head: The weights that are kept.
        trainer: The settings.
        adapted: The adapter that the head stands beside.
        n_queries: Questions that candidates were compared on.
    """
    alone = "the base model" if adapted.adapter.is_identity else "the adapter"
    evidence = selection.evidence
    if evidence is None:
        return Verdict(
            decision=adapted.decision,
            headline=f"Keep {alone} alone",
            metric=trainer.metric,
            expected_gain=None,
            p_value=None,
            details=(("Expected gain", "not measured; there are too few questions"),),
            advice=LABEL_MORE,
        )
    is_used = selection.is_kept and not head.is_zero
    return Verdict(
        decision="retriever" if is_used else adapted.decision,
        headline=_headline(evidence, trainer.guard) if is_used else f"Keep {alone} alone",
        metric=trainer.metric,
        expected_gain=evidence.gain,
        p_value=evidence.p_value,
        details=(
            (_gain_label(selection, adapted), gain_of(evidence, trainer.metric, n_queries)),
            ("Confidence", confidence_of(selection, evidence, n_queries, alpha=HEAD_ALPHA)),
            *guard_lines(trainer.guard),
            ("By kind of question", by_kind(evidence, adapted.seen_share)),
            ("Weights beside the similarity", _weights(head)),
        ),
        advice=_advice(selection, evidence, head, adapted, n_queries=n_queries),
    )


def _headline(evidence: Evidence, guard: Guard) -> str:
    if evidence.p_value > HEAD_ALPHA:
        return f'Learned retriever kept without proof of a gain (guard="{guard}")'
    return "Use the learned retriever"


def _gain_label(selection: Selection, adapted: TrainingResult) -> str:
    over = "the base model" if adapted.reference == "base" else "the original adapter"
    return f"Expected gain{'' if selection.is_kept else ' of the best candidate'} over {over}"


def gain_of(evidence: Evidence, metric: str, n_queries: int) -> str:
    """Return the expected gain in words."""
    return gain_text(
        evidence.gain, metric, f"out-of-fold, {counted(n_queries, 'training question')}"
    )


def confidence_of(selection: Selection, evidence: Evidence, n_queries: int, *, alpha: float) -> str:
    """Return how sure the gain is in words."""
    among = f"selection among {counted(selection.n_candidates, 'candidate')} included"
    return confidence_text(evidence.p_value, among, n_queries, alpha=alpha)


def _advice(
    selection: Selection,
    evidence: Evidence,
    head: ScoringHead,
    adapted: TrainingResult,
    *,
    n_queries: int,
) -> str:
    if not selection.is_kept:
        return advice_without_gain(evidence.tested.mean, evidence.tested.error, n_queries)
    if head.is_zero:
        return adapted.advice
    return COMPARE if evidence.p_value > HEAD_ALPHA else DEPLOY


def _weights(head: ScoringHead) -> str:
    used = {name: weight for name, weight in head.by_name.items() if weight > 0}
    return ", ".join(f"{name} {weight:.2g}" for name, weight in used.items()) or "none"
