"""The verdict on a scoring head."""

from query_adapters.fusion.head import ScoringHead
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.training.adapter_verdict import by_kind
from query_adapters.training.decision import Selection
from query_adapters.training.verdict import (
    DEPLOY,
    ENOUGH,
    Verdict,
    advice_without_gain,
    confidence_text,
    counted,
    gain_text,
    guard_lines,
)


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
            advice=f"label more questions, at least about {ENOUGH}, then train again",
        )
    basis = f"out-of-fold, {counted(n_queries, 'training question')}"
    among = f"selection among {counted(selection.n_candidates, 'candidate')} included"
    tested = evidence.tested
    return Verdict(
        decision="retriever" if selection.is_kept else adapted.decision,
        headline="Use the learned retriever" if selection.is_kept else f"Keep {alone} alone",
        metric=trainer.metric,
        expected_gain=evidence.gain,
        p_value=evidence.p_value,
        details=(
            (f"Expected gain over {alone} alone", gain_text(evidence.gain, trainer.metric, basis)),
            ("Confidence", confidence_text(evidence.p_value, among, n_queries)),
            *guard_lines(trainer.guard),
            ("By kind of question", by_kind(evidence, adapted.seen_share)),
            ("Weights beside the similarity", _weights(head)),
        ),
        advice=DEPLOY
        if selection.is_kept
        else advice_without_gain(tested.mean, tested.error, n_queries),
    )


def _weights(head: ScoringHead) -> str:
    used = {name: weight for name, weight in head.by_name.items() if weight > 0}
    return ", ".join(f"{name} {weight:.2g}" for name, weight in used.items()) or "none"
