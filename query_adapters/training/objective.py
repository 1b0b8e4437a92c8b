"""What the best map minimises: one convex function of its weights."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.evaluation.search import unit
from query_adapters.training.memory import Features
from query_adapters.typing import Rows, Values, Vectors
from query_adapters.vectors import EmbeddedDataset

TEMPERATURE = 20.0  # τ: scores are cosines times this, as usual for sentence embeddings
SCORES_AT_ONCE = 8_000_000  # numbers in one block of scores: 32 MB


@dataclass(frozen=True, eq=False)
class LinearMap:
    """The trainable part of an adapter: `z = W x + b`.

    x is the question at length 1, followed by the memory's features where there is a memory.

    Attributes:
        weight: W, `(dim, n_inputs)`.
        bias: b, `(dim,)`, zero where no bias is learned.
    """

    weight: Vectors
    bias: Vectors

    @classmethod
    def of(cls, weight: Vectors, bias: Vectors | None = None) -> "LinearMap":
        """Return the map with the given weight and bias, zero if left out."""
        return cls(weight, np.zeros(len(weight), np.float32) if bias is None else bias)

    @classmethod
    def from_adapter(cls, adapter: LinearAdapter, queries: Vectors) -> "LinearMap":
        """Return what the adapter does to questions as long as these, on unit questions."""
        bias = None if adapter.bias is None else adapter.bias / _mean_length(queries)
        return cls.of(adapter.weight, bias)

    def widened(self, n_inputs: int) -> "LinearMap":
        """Return the map that takes so many inputs and leaves the further ones aside."""
        weight = np.zeros((len(self.weight), n_inputs), dtype=np.float32)
        weight[:, : self.weight.shape[1]] = self.weight
        return LinearMap(weight, self.bias)

    def shifted(self, shift: Vectors) -> "LinearMap":
        """Return the map with `shift` `(dim, dim)` added to what it does to the question."""
        weight = self.weight.copy()
        weight[:, : shift.shape[1]] += shift
        return LinearMap(weight, self.bias)

    def as_adapter(self, queries: Vectors, memory: Features | None = None) -> QueryAdapter:
        """Return the adapter that does the same to questions as long as these, on average."""
        dim = len(self.weight)
        bias = self.bias * _mean_length(queries) if self.bias.any() else None
        linear = LinearAdapter(self.weight[:, :dim], bias)
        return linear if memory is None else memory.adapter(linear, self.weight[:, dim:])


class SoftmaxObjective:
    """Multinomial logistic regression over the labelled documents, pulled toward a prior.

        f(W, b) = (1/n) Σᵢ Σ_{j ∈ Rᵢ} gᵢⱼ log(1 + Σ_{k ∈ Nᵢ} exp(τ zᵢ·dₖ - τ zᵢ·dⱼ))
                  + λ (‖W - W₀‖² + ‖b - b₀‖²),   zᵢ = W xᵢ + b

    with xᵢ = (qᵢ, φ(qᵢ)) as in `LinearMap`, unit vectors q and d, Rᵢ the relevant documents of
    question i, gᵢⱼ their grades over the sum of grades, and Nᵢ every other document that is
    relevant to some question. Documents without a question are left out on purpose: as
    negatives only, they would teach the map that unlabelled documents are wrong. As documents
    are frozen, scores are linear in W and b, so f is convex and has one minimum.

    Args:
        dataset: Training questions with their documents.
        prior: W₀ and b₀, for as many inputs as there are.
        strength: λ > 0.
        with_bias: Whether b is learned; else it stays b₀.
        memory: Gives φ, as a hidden layer does too; None for a map that is linear in the question.

    Source: Böhning, Multinomial Logistic Regression Algorithm (1992), for the convexity; the
        negatives are those of InfoNCE, van den Oord et al. (2018), over all labelled documents.
    """

    def __init__(
        self,
        dataset: EmbeddedDataset,
        *,
        prior: LinearMap,
        strength: float,
        with_bias: bool = False,
        memory: Features | None = None,
    ) -> None:
        units = unit(dataset.queries)
        features = [] if memory is None else [memory.features(units)]
        self._inputs = np.concatenate([units, *features], axis=1)
        self._documents = unit(dataset.documents[dataset.labelled])
        self._positives = _Positives.of(dataset)
        self._prior = prior
        self._strength = strength
        self._with_bias = with_bias

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of W: length of one vector, number of inputs."""
        return int(self._documents.shape[1]), int(self._inputs.shape[1])

    def at_strength(self, strength: float) -> "SoftmaxObjective":
        """Return the same objective with another λ."""
        other = copy(self)
        other._strength = strength
        return other

    def on_features(self, features: Vectors) -> "SoftmaxObjective":
        """Return the same objective with other values of φ, `(n_queries, n_features)`."""
        other = copy(self)
        other._inputs = np.concatenate([self._inputs[:, : self.shape[0]], features], axis=1)
        return other

    def value_and_gradient(
        self, at: LinearMap, *, by_inputs: Vectors | None = None
    ) -> tuple[float, LinearMap]:
        """Return f and its gradient at the given map.

        Args:
            at: The map.
            by_inputs: Filled with the gradient by x, `(n_queries, n_inputs)`, if given.
        """
        loss, slope_of_scores = self._loss(at, by_inputs)
        slope = self._documents.T @ slope_of_scores
        weight_shift, bias_shift = at.weight - self._prior.weight, at.bias - self._prior.bias
        penalty = np.vdot(weight_shift, weight_shift) + np.vdot(bias_shift, bias_shift)
        weight = slope[:, :-1] + 2 * self._strength * weight_shift
        bias = slope[:, -1] + 2 * self._strength * bias_shift
        if not self._with_bias:
            bias = np.zeros_like(bias)
        return loss + self._strength * float(penalty), LinearMap(weight, bias)

    def _loss(self, at: LinearMap, by_inputs: Vectors | None) -> tuple[float, Vectors]:
        """Return the mean loss and Σᵢ ∂loss/∂scoreᵢₖ (xᵢ, 1), `(n_documents, n_inputs + 1)`."""
        keys = TEMPERATURE * (self._documents @ at.weight)  # (n_documents, n_inputs)
        offsets = TEMPERATURE * (self._documents @ at.bias)  # (n_documents,)
        total, slope = 0.0, np.zeros((len(keys), self.shape[1] + 1), dtype=np.float32)
        for block, positives in self._blocks():
            scores = self._inputs[block] @ keys.T + offsets
            loss, residuals = _softmax_loss(scores, positives)
            total += loss
            slope[:, :-1] += residuals.T @ self._inputs[block]
            slope[:, -1] += residuals.sum(axis=0)
            if by_inputs is not None:
                by_inputs[block] = residuals @ keys / np.float32(len(self._inputs))
        n_queries = len(self._inputs)
        return total / n_queries, slope * np.float32(TEMPERATURE / n_queries)

    def _blocks(self) -> Iterator[tuple[slice, "_Positives"]]:
        size = SCORES_AT_ONCE // len(self._documents) + 1
        for start in range(0, len(self._inputs), size):
            yield slice(start, start + size), self._positives.between(start, start + size)


@dataclass(frozen=True, eq=False)
class _Positives:
    """Judgements as three arrays: question, column of the document, weight in the loss."""

    queries: Rows
    columns: Rows
    weights: Values

    @classmethod
    def of(cls, dataset: EmbeddedDataset) -> "_Positives":
        counts = [len(rows) for rows in dataset.relevant]
        columns = np.searchsorted(dataset.labelled, np.concatenate(dataset.relevant))
        weights = np.concatenate([grades / grades.sum() for grades in dataset.grades])
        return cls(np.repeat(np.arange(len(counts)), counts), columns, weights)

    def between(self, start: int, stop: int) -> "_Positives":
        low, high = np.searchsorted(self.queries, [start, stop])
        part = slice(low, high)
        return _Positives(self.queries[part] - start, self.columns[part], self.weights[part])


def _mean_length(vectors: Vectors) -> np.float32:
    return np.float32(np.linalg.norm(vectors, axis=1).mean())


def _softmax_loss(scores: Vectors, positives: _Positives) -> tuple[float, Vectors]:
    """Return the summed loss and its derivative by the scores; `scores` is overwritten."""
    rows, columns, weights = positives.queries, positives.columns, positives.weights
    wanted = scores[rows, columns].astype(np.float64)
    scores[rows, columns] = -np.inf
    highest = scores.max(axis=1)
    highest[np.isinf(highest)] = 0  # every document is relevant: nothing to learn here
    np.exp(scores - highest[:, None], out=scores)
    mass = scores.sum(axis=1, dtype=np.float64)
    with np.errstate(divide="ignore"):
        margins = highest + np.log(mass)  # log-sum-exp of the negatives
    excess = margins[rows] - wanted
    losses = np.logaddexp(0, excess)
    pull = weights * np.exp(excess - losses)  # weight · sigmoid(excess)
    push = np.bincount(rows, weights=pull, minlength=len(scores))
    scores *= (push / np.where(mass > 0, mass, 1)).astype(np.float32)[:, None]
    scores[rows, columns] = -pull
    return float(weights @ losses), scores
