"""Learn the weights of retrievers, and keep the base alone unless they help (extra: train)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from query_adapters.evaluation.metrics import Metric
from query_adapters.fusion.retrievers.questions import AskedQuestions
from query_adapters.fusion.retrievers.scales import Scale
from query_adapters.fusion.retrievers.verdict import Comparison, verdict_of
from query_adapters.fusion.retrievers.weights import RetrieverWeights
from query_adapters.fusion.selection import HeadComparison
from query_adapters.fusion.weights import JudgedPools, fit_weights
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.training.decision import Selection, select_candidate
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.typing import Guard, Values

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FusionWeightsResult(ResultWithVerdict):
    """The weights of retrievers, and how they were chosen.

    Attributes:
        verdict: The outcome; the gain is over the base alone.
        weights: The weights; those beside the base are 0 if no gain could be shown.
        selection: The comparison of the base with one other retriever, and with all.
        n_queries: Questions that the retrievers were asked.
    """

    weights: RetrieverWeights
    selection: Selection
    n_queries: int


@dataclass(frozen=True, eq=False)
class _Weighed:
    """A head with these weights of the retrievers beside the base, `(n_others,)`."""

    weights: Values

    def __call__(self, base: Values, others: Values) -> Values:
        scores: Values = base + others @ self.weights
        return scores


def learn_weights(
    asked: AskedQuestions, *, metric: str = "ndcg@10", guard: Guard = "strict", seed: int = 0
) -> FusionWeightsResult:
    """Return the weights that rank relevant documents best; those of the base alone by default.

    The base with each other retriever, and with all of them, are compared with the base alone on
    questions that fitted nothing; the best one must gain more than chance explains.

    Args:
        asked: The questions with the results of each retriever.
        metric: Metric that candidates are compared on.
        guard: How sure the gain must be.
        seed: Seed of the splits and the test.
    """
    asked.warn_if_short(metric)
    scales, others = asked.scales(), asked.names[1:]
    pools = asked.pools(scales)
    table = _table(asked, pools, others, metric=metric, seed=seed)
    selection = select_candidate(table, asked.groups, guard=guard, seed=seed)
    found = np.zeros(len(others))
    if selection.chosen is not None:
        found = _fit_others([pools], selection.chosen.candidate, others).weights
    weights = _weights(asked.names, found, scales)
    verdict = verdict_of(
        Comparison(
            selection=selection,
            metric=metric,
            guard=guard,
            n_queries=len(asked.relevant),
            base=f"{asked.names[0]} alone",
            found="the learned weights",
        ),
        details=(
            ("Weights", _weights_text(weights)),
            (f"{metric} of each alone", _each_alone(asked, metric)),
        ),
        is_used=not weights.is_base_alone,
    )
    logger.info("%s", verdict.one_line)
    return FusionWeightsResult(
        verdict=verdict, weights=weights, selection=selection, n_queries=len(asked.relevant)
    )


def candidates(others: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the retrievers that each candidate adds to the base: each one, and all."""
    return list(dict.fromkeys([*((name,) for name in others), tuple(others)]))


def _table(
    asked: AskedQuestions, pools: JudgedPools, others: Sequence[str], *, metric: str, seed: int
) -> OutOfFoldTable | None:
    """Return the gains over the base; None if no question can be held out."""
    if len(np.unique(asked.held_out)) < 2:
        return None
    comparison = HeadComparison(
        dataset=asked,
        views=[asked.view],
        pools=[pools],
        reference=asked.ranking(0, k=Metric.parse(metric).k),
        metric=metric,
        fit=lambda pools, names: _fit_others(pools, names, others),
    )
    return comparison.table(candidates(others), groups=asked.held_out, seed=seed)


def _fit_others(
    pools: Sequence[JudgedPools], names: Sequence[str], others: Sequence[str]
) -> _Weighed:
    """Return the fitted weights; 0 if no question has a result."""
    found = [view.select(np.flatnonzero(~view.is_padding.all(axis=1))) for view in pools]
    if not all(len(view.targets) for view in found):
        return _Weighed(np.zeros(len(others)))
    return _Weighed(fit_weights(found, [name in names for name in others]))


def _weights(names: tuple[str, ...], others: Values, scales: tuple[Scale, ...]) -> RetrieverWeights:
    return RetrieverWeights(names=names, weights=(1.0, *others.tolist()), scales=scales)


def _weights_text(weights: RetrieverWeights) -> str:
    parts = zip(weights.names, weights.weights, weights.scales, strict=True)
    return ", ".join(f"{name} {weight:.2g} (by {scale.by})" for name, weight, scale in parts)


def _each_alone(asked: AskedQuestions, metric: str) -> str:
    means = [asked.scores(n, metric=metric)[0].mean() for n in range(len(asked.names))]
    return ", ".join(f"{name} {mean:.3f}" for name, mean in zip(asked.names, means, strict=True))


def record_of(result: FusionWeightsResult) -> dict[str, Any]:
    """Return what is saved beside the weights, as JSON can hold it."""
    return {**result.verdict.to_record(), "n_queries": result.n_queries}
