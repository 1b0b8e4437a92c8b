"""Which features the scoring head uses: candidates, compared on questions that fitted nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.data.splits import folds
from query_adapters.evaluation.metrics import Metric
from query_adapters.fusion.features import FEATURES, HUBNESS, LEXICAL, VOTES
from query_adapters.fusion.head import Head, ScoringHead
from query_adapters.fusion.weights import JudgedPools, fit_head
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.training.folds import View
from query_adapters.training.out_of_fold import Judgements, own_and_control_scores
from query_adapters.typing import Rows, Values

N_FOLDS = 5
HEAD_ALPHA = 0.025  # half of what the adapter's test may err, because both may ship something
ALONE = ScoringHead({})
"""The adapter alone."""
CANDIDATES: tuple[tuple[str, ...], ...] = ((), (LEXICAL,), VOTES, (HUBNESS,), FEATURES)
"""The features that each candidate may use; the first is the adapter alone."""
FitHead = Callable[[Sequence[JudgedPools], Sequence[str]], Head]
"""Returns the head that fits the pools best with weights of these features alone."""


def candidates(*, with_text: bool) -> list[tuple[str, ...]]:
    """Return the features of each candidate; without texts, those that need none."""
    if with_text:
        return list(CANDIDATES)
    return [
        tuple(name for name in names if name != LEXICAL)
        for names in CANDIDATES
        if names != (LEXICAL,)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadComparison:
    """Compares scoring heads on out-of-fold pools.

    Attributes:
        dataset: The judgements of the training questions.
        views: Their fold assignments.
        pools: Out-of-fold pools of each view.
        reference: Ranking that gains are measured against, `(n_queries, depth)`.
        metric: Metric that candidates are compared by.
        fit: Fits the weights.
        counts: How much each question counts, `(n_queries,)`, 1 on average; None if all count
            alike.
    """

    dataset: Judgements
    views: Sequence[View]
    pools: Sequence[JudgedPools]
    reference: Rows
    metric: str
    fit: FitHead = fit_head
    counts: Values | None = None

    def table(
        self, features: Sequence[tuple[str, ...]], *, groups: Rows, seed: int
    ) -> OutOfFoldTable:
        """Return the gain of each candidate over the reference on every question.

        The weights that score a question are fitted without its group.

        Args:
            features: Features of each candidate.
            groups: A number per question, equal for questions that are not independent.
            seed: Seed of the split.
        """
        n_folds = min(N_FOLDS, len(np.unique(groups)))
        fold_of = folds(groups, n_folds=n_folds, seed=seed)
        scores = np.stack([self._cross_fitted(names, fold_of) for names in features])
        gains = scores - self._scores(self.reference)
        return OutOfFoldTable(
            features, self.views, gains if self.counts is None else gains * self.counts
        )

    def _cross_fitted(self, names: Sequence[str], fold_of: Rows) -> Values:
        """Return the scores with cross-fitted weights, `(n_views, 2, n_queries)`."""
        rankings = [self._ranking(pools, _similarities_alone) for pools in self.pools]
        for fold in range(int(fold_of.max()) + 1) if names else ():
            others, held_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
            head = self.fit([pools.select(others) for pools in self.pools], names)
            for ranking, pools in zip(rankings, self.pools, strict=True):
                ranking[held_out] = self._ranking(pools.select(held_out), head)
        return np.stack([self._scores(ranking) for ranking in rankings])

    def _ranking(self, pools: JudgedPools, head: Head) -> Rows:
        return pools.pools.ranking(head, k=Metric.parse(self.metric).k)

    def _scores(self, ranking: Rows) -> Values:
        return own_and_control_scores(ranking, self.dataset, self.metric)


def _similarities_alone(similarities: Values, features: Values) -> Values:
    return similarities
