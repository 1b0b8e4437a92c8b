"""The verdict on weights of retrievers (extra: train)."""

from dataclasses import dataclass

from query_adapters.fusion.verdict import confidence_of, gain_of
from query_adapters.training.decision import Selection
from query_adapters.training.guard import ALPHA
from query_adapters.training.verdict import (
    COMPARE,
    DEPLOY,
    LABEL_MORE,
    Verdict,
    advice_without_gain,
    guard_lines,
)
from query_adapters.typing import Guard


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """What was compared.

    Attributes:
        selection: The comparison of the candidates.
        metric: Its metric.
        guard: How sure the gain had to be.
        n_queries: Questions that candidates were compared on.
        base: What they were compared with, such as "dense alone".
        found: What was found, such as "the learned weights".
    """

    selection: Selection
    metric: str
    guard: Guard
    n_queries: int
    base: str
    found: str


def verdict_of(
    compared: Comparison, *, details: tuple[tuple[str, str], ...], is_used: bool
) -> Verdict:
    """Return the verdict.

    Args:
        compared: What was compared.
        details: Further lines.
        is_used: Whether what was found replaces the base.
    """
    evidence = compared.selection.evidence
    if evidence is None:
        return Verdict(
            decision="base",
            headline=f"Keep {compared.base}",
            metric=compared.metric,
            expected_gain=None,
            p_value=None,
            details=(("Expected gain", "not measured; there are too few questions"), *details),
            advice=LABEL_MORE,
        )
    is_proven, n_queries = evidence.p_value <= ALPHA, compared.n_queries
    best = "" if is_used else " of the best candidate"
    return Verdict(
        decision="retriever" if is_used else "base",
        headline=_headline(compared, is_used=is_used, is_proven=is_proven),
        metric=compared.metric,
        expected_gain=evidence.gain,
        p_value=evidence.p_value,
        details=(
            (
                f"Expected gain{best} over {compared.base}",
                gain_of(evidence, compared.metric, n_queries),
            ),
            ("Confidence", confidence_of(compared.selection, evidence, n_queries, alpha=ALPHA)),
            *guard_lines(compared.guard),
            *details,
        ),
        advice=(DEPLOY if is_proven else COMPARE)
        if is_used
        else advice_without_gain(evidence.tested.mean, evidence.tested.error, n_queries),
    )


def _headline(compared: Comparison, *, is_used: bool, is_proven: bool) -> str:
    if not is_used:
        return f"Keep {compared.base}"
    if is_proven:
        return f"Use {compared.found}"
    kept = f"{compared.found[0].upper()}{compared.found[1:]}"
    return f'{kept} kept without proof of a gain (guard="{compared.guard}")'
