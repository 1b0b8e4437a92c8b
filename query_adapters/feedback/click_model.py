"""Which clicks come from relevant documents: a position-based click model, fitted by EM."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.feedback.clicks import ClickTable
from query_adapters.feedback.propensities import Propensities
from query_adapters.typing import Values

STEPS = 500
SETTLED = 1e-5  # change of a parameter in one step
START_RELEVANT, START_OTHER = 0.7, 0.1  # click rates of documents that a user looks at
START_PRIOR = 0.5  # probability that the first document is relevant; that of rank k is 1/k of it
START_NONE = 0.2  # share of the lists that hold no relevant document
PSEUDO = 2.0  # lists that the starting values count as, so that few clicks do not decide alone
BOUND = 1e-6  # distance of a probability from 0 and 1


@dataclass(frozen=True, eq=False)
class ClickModel:
    """A user looks at rank k with probability pₖ, and then clicks with a probability by relevance.

        P(click) = pₖ aᵢ;  aᵢ = a₁ if the document is relevant to the question, else a₀

    A document at rank k is relevant with probability πₖ, independently of the others, but a share
    of the lists holds no relevant document at all. So where nothing else was clicked, a click at a
    low rank says more: the user looked for something, and it was not above.

    Attributes:
        propensities: p, `(depth,)`, 1 at the first rank.
        relevant: a₁, how often a relevant document at the first rank is clicked.
        other: a₀, how often another one is: the click noise.
        prior: π by the best rank at which a document was shown, `(depth,)`.
        none: Share of the lists without a relevant document.
        probabilities: P(relevant) of each pair of the table, given all clicks, `(n_pairs,)`.
        answered: P(a relevant document was shown) of each question, given all clicks,
            `(n_questions,)`.
    """

    propensities: Values
    relevant: float
    other: float
    prior: Values
    none: float
    probabilities: Values
    answered: Values

    @classmethod
    def fitted(cls, table: ClickTable, propensities: Propensities | None) -> "ClickModel":
        """Return the model with the greatest likelihood of the clicks, found by EM.

        Args:
            table: The clicks.
            propensities: p; None to fit it as well, which needs questions that recur: one list
                per question does not tell position from relevance.

        Source: Chuklin, Markov, de Rijke, Click Models for Web Search (2015), for EM of the
            position-based model; here with one attractiveness for relevant documents and one
            for others, instead of one for each pair.
        """
        depth = table.depth
        start = propensities or Propensities.power_law(0.5, depth=depth)
        model = cls(
            propensities=start.at(np.arange(depth)),
            relevant=START_RELEVANT,
            other=START_OTHER,
            prior=_start_prior(depth),
            none=START_NONE,
            probabilities=np.zeros(len(table.documents)),
            answered=np.zeros(len(table.questions)),
        )
        for _ in range(STEPS):
            step = model._step(table, fits_positions=propensities is None)
            change = step._distance(model)
            model = step
            if change < SETTLED:
                break
        return model._expected(table)[0]

    def _expected(self, table: ClickTable) -> tuple["ClickModel", Values]:
        """Return the model with its probabilities, given the clicks; and s₀, `(n_questions,)`.

        s₀ is the probability that all documents are irrelevant if they are independent.
        """
        p = self.propensities[table.ranks]
        rejected = table.shown - table.clicked
        likelihood = table.clicked * np.log(self.relevant / self.other) + rejected * (
            np.log1p(-p * self.relevant) - np.log1p(-p * self.other)
        )
        prior = self.prior[table.best_ranks]
        odds = np.log(prior / (1 - prior)) + table.by_pair(likelihood)
        nothing = np.exp(table.by_question(-np.logaddexp(0, odds)))  # given clicks, independent
        nothing_before = np.exp(table.by_question(np.log1p(-prior)))
        some_before = np.maximum(1 - nothing_before, BOUND)
        none = self.none * nothing / np.maximum(nothing_before, 1e-300)
        some = (1 - self.none) * (1 - nothing) / some_before
        total = none + some
        boost = (1 - self.none) / (some_before * total)
        probabilities = np.minimum(boost[table.question_of] / (1 + np.exp(-odds)), 1.0)
        model = replace(self, probabilities=probabilities, answered=some / total)
        return model, nothing_before

    def _step(self, table: ClickTable, *, fits_positions: bool) -> "ClickModel":
        model, nothing_before = self._expected(table)
        p = self.propensities[table.ranks]
        weight = model.probabilities[table.pair_of]
        rejected = table.shown - table.clicked
        examined = table.clicked.copy()
        rates = []
        parts = ((weight, self.relevant, START_RELEVANT), (1 - weight, self.other, START_OTHER))
        for part, rate, start in parts:
            missed = part * rejected / (1 - p * rate)
            examined += missed * p * (1 - rate)
            clicked = (part * table.clicked + missed * rate * (1 - p)).sum()
            rates.append((clicked + PSEUDO * start) / ((part * table.shown).sum() + PSEUDO))
        positions = self.propensities
        if fits_positions:
            seen = table.by_rank(table.shown)
            positions = _bounded(table.by_rank(examined) / np.maximum(seen, BOUND))
            positions[0] = 1.0
        return replace(
            model,
            propensities=positions,
            relevant=float(_bounded(max(rates))),
            other=float(_bounded(min(rates))),
            prior=model._prior_of(table, nothing_before),
            none=float(_bounded(1 - model.answered.mean())),
        )

    def _prior_of(self, table: ClickTable, nothing_before: Values) -> Values:
        """Return π, also counting lists that π alone would leave without a relevant document."""
        lists = self.answered / np.maximum(1 - nothing_before, BOUND)
        ranks, depth = table.best_ranks, table.depth
        found = np.bincount(ranks, weights=self.probabilities, minlength=depth)
        shown = np.bincount(ranks, weights=lists[table.question_of], minlength=depth)
        return _bounded((found + PSEUDO * _start_prior(depth)) / (shown + PSEUDO))

    def _distance(self, other: "ClickModel") -> float:
        mine, theirs = (
            np.array([*m.propensities, *m.prior, m.relevant, m.other, m.none])
            for m in (self, other)
        )
        return float(np.abs(mine - theirs).max())


def _bounded(values: ArrayLike) -> Values:
    return np.clip(values, BOUND, 1 - BOUND)


def _start_prior(depth: int) -> Values:
    return np.asarray(START_PRIOR / np.arange(1, depth + 1), dtype=np.float64)
