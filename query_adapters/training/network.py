"""A residual network on the question: what no linear map can do, at the price of convexity."""

from copy import copy
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from query_adapters.adapters import LinearAdapter, ResidualMLPAdapter
from query_adapters.evaluation.search import Similarity, unit
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.solver import FINE, Precision, lbfgs
from query_adapters.typing import Values, Vectors
from query_adapters.vectors import EmbeddedDataset

START_SEED = 0  # of the hidden weights that training starts from, the same in every fold


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """Features of a question, `φ(q) = max(0, W₁ q + b₁)`, trained along with their weights.

    Attributes:
        weight: W₁, `(n_hidden, dim)`.
        bias: b₁, `(n_hidden,)`.
    """

    weight: Vectors
    bias: Vectors

    @classmethod
    def initial(cls, dim: int, n_hidden: int) -> "HiddenLayer":
        """Return the layer that training starts from; φ is about as long as its question.

        Source: He et al., Delving Deep into Rectifiers (2015), 2.2, scaled for n_hidden outputs.
        """
        drawn = np.random.default_rng(START_SEED).normal(size=(n_hidden, dim))
        return cls(
            (drawn * sqrt(2 / n_hidden)).astype(np.float32), np.zeros(n_hidden, dtype=np.float32)
        )

    def features(self, units: Vectors) -> Vectors:
        """Return φ of questions of length 1, `(n_queries, n_hidden)`."""
        features: Vectors = np.maximum(units @ self.weight.T + self.bias, 0)
        return features

    def adapter(self, linear: LinearAdapter, weights: Vectors) -> ResidualMLPAdapter:
        """Return the adapter with these weights on φ, `(dim, n_hidden)`."""
        return ResidualMLPAdapter(linear, self.weight, self.bias, weights)


@dataclass(frozen=True, eq=False)
class Network:
    """The trainable part of a residual network: `z = W (q, φ(q)) + b`.

    Attributes:
        map: W and b; the columns of W after the question's are W₂.
        layer: What gives φ.
    """

    map: LinearMap
    layer: HiddenLayer

    def flat(self) -> Values:
        """Return all numbers in one row."""
        parts = (self.map.weight, self.map.bias, self.layer.weight, self.layer.bias)
        return np.concatenate([part.ravel() for part in parts]).astype(np.float64)

    def like(self, flat: Values) -> "Network":
        """Return the network of this one's shape with the given numbers."""
        parts = (self.map.weight, self.map.bias, self.layer.weight, self.layer.bias)
        ends = np.cumsum([part.size for part in parts])[:-1]
        weight, bias, hidden_weight, hidden_bias = (
            numbers.reshape(part.shape)
            for numbers, part in zip(np.split(flat.astype(np.float32), ends), parts, strict=True)
        )
        return Network(LinearMap(weight, bias), HiddenLayer(hidden_weight, hidden_bias))


class NetworkObjective:
    """The softmax objective with a hidden layer that is trained too.

        f(W, b, W₁, b₁) = loss of z = W (q, φ(q)) + b, as in `SoftmaxObjective`
                          + λ (‖W - W₀‖² + ‖b - b₀‖² + ‖W₁ - S‖² + ‖b₁‖²)

    with S the hidden weights of the start, drawn at random once and for all. W₀ has no weight
    on φ, so that training starts from the prior exactly and a large λ holds it there. f is not
    convex in W₁: what is found is a local minimum, the same one each time.

    Args:
        dataset: Training questions with their documents.
        prior: W₀ and b₀ for the question alone.
        n_hidden: Hidden units, at least 1.
        with_bias: Whether b is learned; else it stays b₀.
        similarity: What the store ranks by.
    """

    def __init__(
        self,
        dataset: EmbeddedDataset,
        *,
        prior: LinearMap,
        n_hidden: int,
        with_bias: bool = False,
        similarity: Similarity = "cosine",
    ) -> None:
        layer = HiddenLayer.initial(dataset.dim, n_hidden)
        self.start = Network(prior.widened(dataset.dim + n_hidden), layer)
        self._units = unit(dataset.queries)
        self._strength = inf
        self._softmax = SoftmaxObjective(
            dataset,
            prior=self.start.map,
            strength=inf,
            with_bias=with_bias,
            memory=layer,
            similarity=similarity,
        )

    def at_strength(self, strength: float) -> "NetworkObjective":
        """Return the same objective with another λ."""
        other = copy(self)
        other._strength = strength
        other._softmax = self._softmax.at_strength(strength)
        return other

    def value_and_gradient(self, at: Network) -> tuple[float, Network]:
        """Return f and its gradient at the given network."""
        features = at.layer.features(self._units)
        value, slope, by_features = self._softmax.on_features(features).value_and_slopes(at.map)
        by_hidden = by_features * (features > 0)
        shift = at.layer.weight - self.start.layer.weight
        penalty = np.vdot(shift, shift) + np.vdot(at.layer.bias, at.layer.bias)
        layer = HiddenLayer(
            by_hidden.T @ self._units + 2 * self._strength * shift,
            by_hidden.sum(axis=0) + 2 * self._strength * at.layer.bias,
        )
        return value + self._strength * float(penalty), Network(slope, layer)


def solve_network(
    objective: NetworkObjective, start: Network, *, precision: Precision = FINE
) -> Network:
    """Return the network to which L-BFGS leads from `start`."""

    def fun(flat: Values) -> tuple[float, Values]:
        value, slope = objective.value_and_gradient(start.like(flat))
        return value, slope.flat()

    return start.like(lbfgs(fun, start.flat(), precision))
