"""The inputs of the learned part of a map: centred queries, a constant, memory features."""

from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.memory import Memory, MemorySettings
from query_adapters.training.prior_map import PriorMap
from query_adapters.typing import Vectors

BIAS_SCALE = 0.5  # κ: size of the constant input, relative to a typical centred query


@dataclass(frozen=True, eq=False)
class QueryInputs:
    """The inputs `x = (u - μ, κ s, s φ(u))` of a query u, in which the learned map is linear.

    u is the query as `LinearScore` scales it, μ the weighted mean of the training queries and s the
    root mean square of ‖u - μ‖. The constant input κ s learns a bias, φ a memory. Since the inputs
    are centred and in units of s, what is learned does not depend on how far the model's vectors
    lie from the origin, so one grid of strengths suits models of any spread.

    Attributes:
        score: Scaling of the queries.
        centre: μ, `(dim,)`; zero without a bias.
        spread: s.
        with_bias: Whether there is a constant input.
        memory: Computes φ; None without a memory.
    """

    score: LinearScore
    centre: Vectors
    spread: float
    with_bias: bool
    memory: Memory | None

    @classmethod
    def of(
        cls,
        dataset: EmbeddedDataset,
        score: LinearScore,
        *,
        with_bias: bool,
        memory: MemorySettings | None,
    ) -> "QueryInputs":
        """Return the inputs fitted to the dataset's queries."""
        scaled = score.scaled_queries(dataset.queries)
        mean = _mean(scaled, dataset)
        squares = np.einsum("ij,ij->i", scaled - mean, scaled - mean)
        return cls(
            score=score,
            centre=mean if with_bias else np.zeros_like(mean),
            spread=float(np.sqrt(_mean_square(squares, dataset))) or 1.0,
            with_bias=with_bias,
            memory=None if memory is None else Memory.of(dataset, memory),
        )

    def __call__(self, queries: Vectors) -> Vectors:
        """Return x of unscaled queries, `(n_queries, n_inputs)`."""
        parts = [self.score.scaled_queries(queries) - self.centre]
        if self.with_bias:
            parts.append(np.full((len(queries), 1), BIAS_SCALE * self.spread, dtype=np.float32))
        if self.memory is not None:
            scale = np.float32(self.spread) * self.score.query_lengths(queries)
            parts.append(scale * self.memory.features(unit(queries)))
        return np.concatenate(parts, axis=1)

    def adapter(self, prior: PriorMap, learned: Vectors, queries: Vectors) -> QueryAdapter:
        """Return the adapter of `z = prior(u) + learned x`.

        Args:
            prior: The map that the learned part is added to.
            learned: Weights of x, `(dim, n_inputs)`.
            queries: Training queries, whose mean length scales the bias, `(n_queries, dim)`.
        """
        dim = len(self.centre)
        own, constant, remembered = np.split(learned, [dim, dim + self.with_bias], axis=1)
        bias = prior.bias - own @ self.centre
        if self.with_bias:
            bias = bias + np.float32(BIAS_SCALE * self.spread) * constant[:, 0]
        linear = self.score.adapter(prior.weight + own, bias, queries)
        if self.memory is None:
            return prior.with_memory(linear)
        return self.memory.adapter(linear, np.float32(self.spread) * remembered)


def _mean(scaled: Vectors, dataset: EmbeddedDataset) -> Vectors:
    if not dataset.is_weighted:
        mean: Vectors = scaled.mean(axis=0)
        return mean
    return np.average(scaled, axis=0, weights=dataset.weights).astype(np.float32)


def _mean_square(squares: Vectors, dataset: EmbeddedDataset) -> float:
    if not dataset.is_weighted:
        return float(squares.mean(dtype=np.float64))
    return float(np.average(squares.astype(np.float64), weights=dataset.weights))
