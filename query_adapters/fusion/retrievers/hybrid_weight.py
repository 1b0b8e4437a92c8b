"""Choose the weight of a store's own hybrid query (extra: train)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.fusion.retrievers.questions import AskedQuestions
from query_adapters.fusion.retrievers.verdict import Comparison, verdict_of
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.training.decision import Selection, select_candidate
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.typing import Guard

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HybridWeightResult(ResultWithVerdict):
    """The weight of a hybrid query, and how it was chosen.

    Attributes:
        verdict: The outcome; the gain is over the base weight.
        alpha: The weight to use; the base's if no gain could be shown.
        means: Mean metric of each weight on the training questions, 0..1.
        selection: The comparison of the weights.
        n_queries: Questions that were asked with each weight.
    """

    alpha: float
    means: dict[float, float]
    selection: Selection
    n_queries: int


def choose_weight(
    asked: AskedQuestions,
    alphas: Sequence[float],
    *,
    metric: str = "ndcg@10",
    guard: Guard = "strict",
    seed: int = 0,
) -> HybridWeightResult:
    """Return the weight whose rankings are best; the base's unless a gain can be shown.

    Nothing is fitted: every weight is scored on every question.

    Args:
        asked: The questions with the results of each weight.
        alphas: The weights, that of the base first.
        metric: Metric that they are compared on.
        guard: How sure the gain must be.
        seed: Seed of the splits and the test.
    """
    asked.warn_if_short(metric)
    scores = [asked.scores(place, metric=metric) for place in range(len(alphas))]
    gains = np.stack(scores[1:])[:, None] - scores[0]
    can_hold_out = len(np.unique(asked.held_out)) > 1
    table = OutOfFoldTable(list(alphas[1:]), [asked.view], gains) if can_hold_out else None
    selection = select_candidate(table, asked.groups, guard=guard, seed=seed)
    chosen = selection.chosen
    alpha = alphas[0] if chosen is None else chosen.candidate
    means = {a: float(own.mean()) for a, (own, _) in zip(alphas, scores, strict=True)}
    by_weight = ", ".join(f"{a:g}: {means[a]:.3f}" for a in sorted(means))
    verdict = verdict_of(
        Comparison(
            selection=selection,
            metric=metric,
            guard=guard,
            n_queries=len(asked.relevant),
            base=f"alpha {alphas[0]:g}",
            found=f"alpha {alpha:g}",
        ),
        details=((f"{metric} by alpha", by_weight),),
        is_used=chosen is not None,
    )
    logger.info("%s", verdict.one_line)
    return HybridWeightResult(
        verdict=verdict,
        alpha=alpha,
        means=means,
        selection=selection,
        n_queries=len(asked.relevant),
    )
