"""Fit the weights of the scoring head: a convex problem in a handful of numbers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from query_adapters.fusion.features import FEATURES
from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.pools import PADDING, Pools
from query_adapters.typing import Rows, Values

RIDGE = 0.3  # ρ, of squared weights in units of a feature's range; the losses are added up
START, LEAST = 5.0, 1e-2  # of the weight of the similarity, in units of its range


@dataclass(frozen=True, eq=False)
class JudgedPools:
    """The pools of one view with their relevant documents.

    Attributes:
        pools: The documents with their features.
        targets: Share of each document, or of its unit, in the question's grades, 0 for documents
            that are not relevant, `(n_queries, width)`. Rows of zeros are left out of the loss.
        weight: Weight of the view.
        counts: How much each question counts, `(n_queries,)`; None if all count alike.
    """

    pools: Pools
    targets: Values
    weight: float
    counts: Values | None = None

    @classmethod
    def of(
        cls,
        pools: Pools,
        relevant: Sequence[Rows],
        grades: Sequence[Values],
        weight: float,
        counts: Values | None = None,
    ) -> "JudgedPools":
        """Return the pools with the grades of the questions' relevant documents."""
        targets = np.zeros(pools.rows.shape)
        for row, (documents, graded) in enumerate(zip(relevant, grades, strict=True)):
            pooled = pools.labelled[row]
            order = np.argsort(documents)
            place = np.searchsorted(documents, pooled, sorter=order)
            place = order[np.minimum(place, len(documents) - 1)]
            is_relevant = documents[place] == pooled
            total = graded[np.unique(place[is_relevant])].sum()
            targets[row] = np.where(is_relevant, graded[place], 0.0) / (total or 1.0)
        return cls(pools, targets, weight, counts)

    def select(self, queries: Rows) -> "JudgedPools":
        """Return the pools of these questions."""
        counts = None if self.counts is None else self.counts[queries]
        return JudgedPools(self.pools.select(queries), self.targets[queries], self.weight, counts)

    @cached_property
    def inputs(self) -> Values:
        """Similarity and features, `(n_queries, width, 1 + n_features)`."""
        alone = self.pools.similarities[..., None]
        return np.concatenate([alone, self.pools.features], axis=2)

    @cached_property
    def is_padding(self) -> NDArray[np.bool_]:
        """Where a pool has no document, `(n_queries, width)`."""
        return np.equal(self.pools.rows, PADDING)

    @cached_property
    def relevant(self) -> "RelevantDocuments":
        """The documents with a share."""
        rows, columns = np.nonzero(self.targets)
        labelled = self.pools.labelled[rows, columns]
        order = np.lexsort((labelled, rows))
        rows, columns, labelled = rows[order], columns[order], labelled[order]
        targets = self.targets if self.counts is None else self.counts[:, None] * self.targets
        is_first = np.diff(rows, prepend=-1).astype(bool) | np.diff(labelled, prepend=-1).astype(
            bool
        )
        return RelevantDocuments(
            rows, columns, np.flatnonzero(is_first), targets[rows, columns][is_first]
        )

    @property
    def ranges(self) -> Values:
        """Mean range of the similarity and of each feature over a pool, `(1 + n_features,)`."""
        hidden = self.is_padding[..., None]
        highest = np.where(hidden, -np.inf, self.inputs).max(axis=1)
        lowest = np.where(hidden, np.inf, self.inputs).min(axis=1)
        ranges: Values = (highest - lowest).mean(axis=0)
        return ranges


@dataclass(frozen=True, eq=False)
class RelevantDocuments:
    """The relevant documents of pools, unit after unit; without units, each is one.

    Attributes:
        rows: Question of each, `(n,)`.
        columns: Its place in the question's pool, `(n,)`.
        starts: Where each unit's documents begin, `(n_units,)`.
        shares: Share of each unit in its question's grades, times what the question counts,
            `(n_units,)`.
    """

    rows: Rows
    columns: Rows
    starts: Rows
    shares: Values

    def loss(self, scores: Values, logs: Values) -> tuple[float, Values]:
        """Return the summed cross-entropy of the units, and what pulls each document's score up.

        Args:
            scores: Scores of the pools, `(n_queries, width)`.
            logs: Log-sum-exp of each question's scores, `(n_queries,)`.
        """
        if not len(self.rows):
            return 0.0, np.empty(0)
        own = scores[self.rows, self.columns]
        sizes = np.diff(self.starts, append=len(own))
        highest = np.repeat(np.maximum.reduceat(own, self.starts), sizes)
        mass = np.exp(own - highest)
        totals = np.add.reduceat(mass, self.starts)
        units = highest[self.starts] + np.log(totals)
        loss = self.shares @ (logs[self.rows[self.starts]] - units)
        return float(loss), np.repeat(self.shares / totals, sizes) * mass


def fit_head(views: Sequence[JudgedPools], features: Collection[str]) -> ScoringHead:
    """Return the head that fits the pools best.

    Args:
        views: Out-of-fold pools of each view.
        features: Names of the features that may have a weight.
    """
    return ScoringHead(fit_weights(views, [name in features for name in FEATURES]))


def fit_weights(views: Sequence[JudgedPools], allowed: Sequence[bool]) -> Values:
    """Return the weights whose softmax over each pool gives relevant documents the most mass.

        f(u) = Σᵥ wᵥ Σ_q -Σ_d g_qd log softmax_d(u₀ s_qd + Σⱼ uⱼ f_qdj) + ρ Σⱼ uⱼ²,  uⱼ ≥ 0

    s and f are in units of their mean range over a pool, so ρ does not depend on the model or
    the store. The objective is convex. Where labels are on units with several vectors, the softmax
    of a unit is the sum over its vectors in the pool: which one answers is not known. Then a local
    minimum is found from u = (5, 0, …), the similarity alone.

    Args:
        views: Pools of each view, each with a document.
        allowed: Whether each feature may have a weight, `(n_features,)`.

    Returns:
        uⱼ / u₀ in the units of the similarity, `(n_features,)`; 0 where it is not allowed.

    Source: Cao et al., Learning to Rank: From Pairwise Approach to Listwise Approach (2007), 4
        (ListNet's top-one cross-entropy); Jin, Ghahramani, Learning with Multiple Labels (2002),
        for the sum over what a label may mean.
    """
    scales = np.mean([view.ranges for view in views], axis=0)
    scales[scales <= 0] = 1.0
    inputs = [view.inputs / scales for view in views]

    def objective(weights: Values) -> tuple[float, Values]:
        value, gradient = RIDGE * float(weights[1:] @ weights[1:]), 2 * RIDGE * weights
        gradient[0] = 0.0
        for view, scaled in zip(views, inputs, strict=True):
            loss, slope = _cross_entropy(scaled @ weights, view)
            value += view.weight * loss
            gradient += view.weight * np.einsum("qd,qdf->f", slope, scaled)
        return value, gradient

    bounds = [(LEAST, None), *((0.0, None if may_move else 0.0) for may_move in allowed)]
    start = np.array([START, *np.zeros(len(allowed))])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x / scales
    weights: Values = found[1:] / found[0]
    return weights


def _cross_entropy(scores: Values, view: JudgedPools) -> tuple[float, Values]:
    """Return the summed loss and its derivative by the scores."""
    scores = np.where(view.is_padding, -np.inf, scores)
    scores = scores - scores.max(axis=1, keepdims=True)
    mass = np.exp(scores)
    total = mass.sum(axis=1, keepdims=True)
    counted = view.targets.any(axis=1, keepdims=True)
    slope = np.where(counted, mass / total, 0.0)
    if view.counts is not None:
        slope *= view.counts[:, None]
    loss, pull = view.relevant.loss(scores, np.log(total[:, 0]))
    slope[view.relevant.rows, view.relevant.columns] -= pull
    return loss, slope
