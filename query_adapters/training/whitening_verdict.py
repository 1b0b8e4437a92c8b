"""The verdict on a label-free whitening, unchecked or checked on labelled questions."""

from math import acos, degrees

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training.guard import ALPHA
from query_adapters.training.verdict import (
    COMPARE,
    DEPLOY,
    ENOUGH,
    Verdict,
    advice_without_gain,
    confidence_text,
    counted,
    gain_text,
    guard_lines,
    unproven_headline,
)
from query_adapters.typing import Guard


def unchecked_verdict(
    n_documents: int, dim: int, *, exponent: float, cosine: float, metric: str
) -> Verdict:
    """Return the verdict on a whitening that no labelled question has checked.

    Args:
        n_documents: Documents of the index.
        dim: Length of their vectors.
        exponent: p of the whitening.
        cosine: Mean cosine between a document vector and its image.
        metric: Metric that a check would use.
    """
    turn = degrees(acos(min(1.0, cosine)))
    few = f"; so few documents span at most {n_documents - 1} of {dim} directions"
    basis = f"{counted(n_documents, 'document')}, exponent {exponent:g}"
    effect = f"turns a typical vector by {turn:.0f} degrees ({basis})"
    return Verdict(
        decision="adapter",
        headline="Whitening saved, not checked: no labelled questions",
        metric=metric,
        expected_gain=None,
        p_value=None,
        details=(
            ("Expected gain", "unknown; only questions with known answers can show it"),
            ("Effect", effect + (few if n_documents <= dim else "")),
        ),
        advice=(
            f"label about {ENOUGH} questions and pass them as the check, or compare search results "
            "by hand before you deploy it"
        ),
    )


def checked_verdict(
    gain: Interval,
    error: float,
    *,
    n_queries: int,
    p_value: float,
    is_kept: bool,
    guard: Guard,
    metric: str,
) -> Verdict:
    """Return the verdict on a whitening that was compared with the base.

    Args:
        gain: Mean gain on the check questions with its interval.
        error: Standard error of the gain.
        n_queries: Check questions.
        p_value: Of the gain.
        is_kept: Whether the guard keeps the whitening.
        guard: How sure the gain had to be.
        metric: Metric of the gain.
    """
    if not is_kept:
        headline = "Keep the base model"
        advice = advice_without_gain(gain.mean, error, n_queries)
    elif p_value <= ALPHA:
        headline, advice = "Use the whitening adapter", DEPLOY
    else:
        headline, advice = unproven_headline(guard), COMPARE
    label = "Expected gain" if is_kept else "Expected gain of the whitening"
    return Verdict(
        decision="adapter" if is_kept else "base",
        headline=headline,
        metric=metric,
        expected_gain=gain,
        p_value=p_value,
        details=(
            (label, gain_text(gain, metric, counted(n_queries, "check question"))),
            ("Confidence", confidence_text(p_value, "for a single candidate", n_queries)),
            *guard_lines(guard),
        ),
        advice=advice,
    )
