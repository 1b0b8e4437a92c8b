"""The verdict on a tuned model, in the same words as that on an adapter."""

from query_adapters.evaluation.bootstrap import Interval
from query_adapters.training.guard import ALPHA
from query_adapters.training.verdict import (
    COMPARE,
    Verdict,
    advice_without_gain,
    confidence_text,
    counted,
    gain_text,
)

CHOICE_NOTE = " (the interval does not allow for the choice among models, p does)"


def tuning_verdict(
    gain: Interval,
    error: float,
    *,
    metric: str,
    n_queries: int,
    n_interpolations: int,
    n_evaluations: int,
    p_value: float,
    share: float,
    is_tuned: bool,
    keeps_index: bool,
) -> Verdict:
    """Return the verdict on the best interpolation between base and tuned model.

    Args:
        gain: Its mean gain on the held-out questions with its interval.
        error: Standard error of the gain, over groups of questions.
        metric: Metric of the gain.
        n_queries: Held-out questions.
        n_interpolations: Interpolations that were tried.
        n_evaluations: Evaluations during training, of which the best was taken.
        p_value: Of the gain, adjusted for both numbers.
        share: Position of the interpolation, from 0 (the base's weights) to 1 (the tuned ones).
        is_tuned: Whether it is kept.
        keeps_index: Whether document vectors stay as they are.
    """
    adjusted = (
        f"adjusted for {counted(n_interpolations, 'interpolation')} and "
        f"{counted(n_evaluations, 'evaluation')} during training"
    )
    note = CHOICE_NOTE if gain.low > 0 and p_value > ALPHA else ""
    label = "Expected gain" if is_tuned else "Expected gain of the tuned model"
    if not is_tuned:
        headline = "Keep the base model"
        advice = advice_without_gain(gain.mean, error, n_queries, kind="held-out")
    elif p_value > ALPHA:
        headline = "Tuned model kept without proof of a gain (keep_base_if_worse=False)"
        advice = COMPARE
    else:
        headline, advice = "Use the tuned model", _deployment(keeps_index)
    return Verdict(
        decision="model" if is_tuned else "base",
        headline=headline,
        metric=metric,
        expected_gain=gain,
        p_value=p_value,
        details=(
            (label, gain_text(gain, metric, counted(n_queries, "held-out question"))),
            ("Confidence", confidence_text(p_value, adjusted, n_queries) + note),
            ("Weights", f"{100 * share:.0f} % of the way from the base to the end of training"),
        ),
        advice=advice,
    )


def _deployment(keeps_index: bool) -> str:
    if keeps_index:
        return "deploy it for queries; the index stays as it is"
    return "embed all documents again with the tuned model, then deploy it"
