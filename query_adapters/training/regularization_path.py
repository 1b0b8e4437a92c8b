"""Fits of one training set at decreasing strengths, each warm-started from the one before."""

from dataclasses import dataclass, replace
from math import inf

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.device import device_of
from query_adapters.training.candidates import Candidate
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.solver import Precision, solve_shared
from query_adapters.typing import Similarity, Vectors


@dataclass(frozen=True)
class Prior:
    """What fits start from and are regularized toward.

    Attributes:
        map: W₀ and b₀.
        temperature: τ that fits its scores, see `fitted_temperature`.
    """

    map: PriorMap
    temperature: float


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted map `z = W₀ u + b₀ + A x`.

    Attributes:
        prior: W₀ and b₀.
        learned: A, `(dim, n_inputs)`.
        inputs: Computes x.
    """

    prior: PriorMap
    learned: Vectors
    inputs: QueryInputs

    def shifted(self, shift: Vectors) -> "Fit":
        """Return the fit with `shift` `(dim, dim)` added to W₀."""
        return replace(self, prior=self.prior.shifted(shift))

    def as_adapter(self, queries: Vectors) -> QueryAdapter:
        """Return the adapter; the mean length of `queries` `(n_queries, dim)` scales the bias."""
        return self.inputs.adapter(self.prior, self.learned, queries)


@dataclass(frozen=True)
class PathOptions:
    """Options that all fits of a grid share.

    Attributes:
        with_bias: Whether a bias is learned.
        similarity: Similarity that the store ranks by.
        precision: When a fit stops.
        device: Where fits run, as in `AdapterTrainer`.
    """

    with_bias: bool
    similarity: Similarity
    precision: Precision
    device: str = "cpu"


class RegularizationPath:
    """Fits of one candidate's settings at one strength after another.

    The objective has one minimum, so the warm start changes the time of a fit, not its result.
    Labels on units are first shared as at the previous strength.

    Args:
        dataset: Training queries.
        prior: What fits are regularized toward; the first fit starts from it.
        candidate: Settings of the fits; its strength is not used.
        options: Options that all fits share.
    """

    def __init__(
        self, dataset: EmbeddedDataset, prior: Prior, candidate: Candidate, options: PathOptions
    ) -> None:
        score = LinearScore.of(dataset.documents, options.similarity)
        inputs = QueryInputs.of(
            dataset, score, with_bias=options.with_bias, memory=candidate.memory
        )
        self._precision = options.precision
        self._objective = SoftmaxObjective(
            dataset,
            inputs=inputs,
            prior=prior.map,
            temperature=candidate.sharpening * prior.temperature,
            strength=inf,
            device=device_of(options.device),
        )
        self._current = np.zeros(self._objective.shape)
        self._prior, self._inputs = prior.map, inputs

    def step(self, strength: float) -> Fit:
        """Return the fit at this λ, warm-started from the previous step; the prior if λ is inf."""
        if strength < inf:
            objective = self._objective.at_strength(strength)
            self._objective, self._current = solve_shared(
                objective, self._current, precision=self._precision
            )
        coordinates = self._current.astype(np.float32)
        return Fit(self._prior, self._objective.subspace.expand(coordinates), self._inputs)
