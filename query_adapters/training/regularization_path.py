"""Fits of one training set at decreasing strengths, each warm-started from the one before."""

from dataclasses import dataclass, replace
from math import inf

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.memory import Memory, MemorySettings
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.solver import Precision, solve
from query_adapters.typing import Similarity, Vectors


@dataclass(frozen=True)
class Fit:
    """A fitted map.

    Attributes:
        map: The map on scaled queries.
        memory: What computes the inputs after the query's own; None for a linear map.
        score: The scaling of queries and documents in training.
    """

    map: LinearMap
    memory: Memory | None
    score: LinearScore

    def shifted(self, shift: Vectors) -> "Fit":
        """Return the fit with `shift` `(dim, dim)` added to the weights of the query itself."""
        return replace(self, map=self.map.shifted(shift))

    def as_adapter(self, queries: Vectors) -> QueryAdapter:
        """Return the adapter; the mean length of `queries` `(n_queries, dim)` scales the bias."""
        return self.map.as_adapter(queries, self.memory, score=self.score)


@dataclass(frozen=True)
class PathOptions:
    """Options that all fits of a grid share.

    Attributes:
        with_bias: Whether a bias is learned.
        similarity: Similarity that the store ranks by.
        precision: When a fit stops.
    """

    with_bias: bool
    similarity: Similarity
    precision: Precision


class RegularizationPath:
    """Fits of one candidate's prior and memory at one strength after another.

    The objective has one minimum, so the warm start changes the time of a fit, not its result.

    Args:
        dataset: Training queries.
        prior: Map that fits are regularized toward; the first fit starts from it.
        memory: Settings of the memory; None for a linear map.
        options: Options that all fits share.
    """

    def __init__(
        self,
        dataset: EmbeddedDataset,
        prior: LinearMap,
        memory: MemorySettings | None,
        options: PathOptions,
    ) -> None:
        fitted_memory = None if memory is None else Memory.of(dataset, memory)
        n_landmarks = 0 if fitted_memory is None else len(fitted_memory.landmarks)
        wide = prior.widened(prior.weight.shape[1] + n_landmarks)
        objective = SoftmaxObjective(
            dataset,
            prior=wide,
            strength=inf,
            with_bias=options.with_bias,
            memory=fitted_memory,
            similarity=options.similarity,
        )
        score = LinearScore.of(dataset.documents, options.similarity)
        self._precision = options.precision
        self._prior = Fit(wide, fitted_memory, score)
        self._subspace = objective.subspace
        self._objective = objective.in_subspace(self._subspace)
        self._current = self._objective.prior

    def step(self, strength: float) -> Fit:
        """Return the fit at this λ, warm-started from the previous step; the prior if λ is inf."""
        if strength < inf:
            objective = self._objective.at_strength(strength)
            self._current = solve(objective, self._current, precision=self._precision)
        learned = self._subspace.expand(self._current.minus(self._objective.prior))
        return replace(self._prior, map=self._prior.map.plus(learned))
