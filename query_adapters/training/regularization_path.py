"""Fits of one training set down the strengths, each starting from the last."""

from dataclasses import dataclass, replace
from math import inf

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.linear_score import Geometry
from query_adapters.training.memory import Memory, MemorySettings
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.solver import Precision, solve
from query_adapters.typing import Similarity, Vectors


@dataclass(frozen=True)
class Fit:
    """A fitted map with the memory that gives its further inputs, if any."""

    map: LinearMap
    memory: Memory | None
    geometry: Geometry

    def shifted(self, shift: Vectors) -> "Fit":
        """Return the fit with `shift` `(dim, dim)` added to what it does to the question."""
        return replace(self, map=self.map.shifted(shift))

    def as_adapter(self, queries: Vectors) -> QueryAdapter:
        """Return the adapter for questions as long as these."""
        return self.map.as_adapter(queries, self.memory, geometry=self.geometry)


@dataclass(frozen=True)
class PathOptions:
    """What all fits of a grid have in common.

    Attributes:
        with_bias: Whether a bias is learned.
        similarity: What the store ranks by.
        precision: When a fit stops.
    """

    with_bias: bool
    similarity: Similarity
    precision: Precision


class RegularizationPath:
    """The path of a linear map, with a memory or without; each fit is the one minimum.

    Args:
        dataset: Training questions.
        prior: What fits start from and are pulled back to.
        memory: Settings of the memory, None for none.
        options: As for all fits.
    """

    def __init__(
        self,
        dataset: EmbeddedDataset,
        prior: LinearMap,
        memory: MemorySettings | None,
        options: PathOptions,
    ) -> None:
        recalled = None if memory is None else Memory.of(dataset, memory)
        n_inputs = prior.weight.shape[1] + (0 if recalled is None else len(recalled.landmarks))
        wide = prior.widened(n_inputs)
        objective = SoftmaxObjective(
            dataset,
            prior=wide,
            strength=inf,
            with_bias=options.with_bias,
            memory=recalled,
            similarity=options.similarity,
        )
        self._precision = options.precision
        self._prior = Fit(wide, recalled, Geometry.of(dataset.documents, options.similarity))
        self._span = objective.span
        self._objective = objective.within(self._span)
        self._at = self._objective.prior

    def step(self, strength: float) -> Fit:
        """Return the fit at λ; at infinity the prior."""
        if strength < inf:
            objective = self._objective.at_strength(strength)
            self._at = solve(objective, self._at, precision=self._precision)
        learned = self._span.outward(self._at.minus(self._objective.prior))
        return replace(self._prior, map=self._prior.map.plus(learned))
