"""What the best map minimises: one convex function of its weights."""

from copy import copy
from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.evaluation.search import Similarity, unit
from query_adapters.training.geometry import COSINE, Geometry
from query_adapters.training.memory import Features
from query_adapters.training.shortlist import ShortlistLoss
from query_adapters.training.softmax import FullLoss, Positives, SoftmaxLoss
from query_adapters.typing import Vectors
from query_adapters.vectors import EmbeddedDataset

MOST_SCORED = 8_000  # labelled documents; of more, each question gets a shortlist


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
    def from_adapter(
        cls, adapter: LinearAdapter, queries: Vectors, geometry: Geometry = COSINE
    ) -> "LinearMap":
        """Return what the adapter does to questions as long as these."""
        return cls.of(adapter.weight, geometry.bias(adapter, queries))

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

    def as_adapter(
        self, queries: Vectors, memory: Features | None = None, *, geometry: Geometry = COSINE
    ) -> QueryAdapter:
        """Return the adapter that does the same to questions as long as these, on average."""
        dim = len(self.weight)
        linear = geometry.adapter(self.weight[:, :dim], self.bias, queries)
        return linear if memory is None else memory.adapter(linear, self.weight[:, dim:])


class SoftmaxObjective:
    """Multinomial logistic regression over the labelled documents, pulled toward a prior.

        f(W, b) = (1/n) Σᵢ Σ_{j ∈ Rᵢ} gᵢⱼ log(1 + Σ_{k ∈ Nᵢ} exp(τ (sᵢₖ - sᵢⱼ)))
                  + λ (‖W - W₀‖² + ‖b - b₀‖²),   sᵢₖ = zᵢ·dₖ + oₖ,   zᵢ = W xᵢ + b

    with xᵢ = (qᵢ, φ(qᵢ)) as in `LinearMap`, d and o as the similarity has them (`Geometry`), Rᵢ
    the relevant documents of question i, gᵢⱼ their grades over the sum of grades, and Nᵢ every
    other document that is relevant to some question, or a shortlist of them where they are more
    than 8,000. Documents without a question are left out on purpose: as negatives only, they
    would teach the map that unlabelled documents are wrong. As documents are frozen, scores are
    linear in W and b, so f is convex and has one minimum.

    Args:
        dataset: Training questions with their documents.
        prior: W₀ and b₀, for as many inputs as there are.
        strength: λ > 0.
        with_bias: Whether b is learned; else it stays b₀.
        memory: Gives φ, as a hidden layer does too; None for a map that is linear in the question.
        similarity: What the store ranks by.

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
        similarity: Similarity = "cosine",
    ) -> None:
        geometry = Geometry.of(dataset.documents, similarity)
        units = unit(dataset.queries)
        features = [] if memory is None else [memory.features(units)]
        self._lengths = geometry.lengths(dataset.queries)
        self._inputs = self._lengths * np.concatenate([units, *features], axis=1)
        self._prior = prior
        self._strength = strength
        self._with_bias = with_bias
        documents = geometry.documents(dataset.documents[dataset.labelled])
        self._span = _span(documents)
        self._loss = self._loss_over(documents, geometry, Positives.of(dataset))

    def _loss_over(
        self, documents: Vectors, geometry: Geometry, positives: Positives
    ) -> SoftmaxLoss:
        offsets, inner = geometry.offsets(documents), self._inward(documents.T).T
        if len(documents) <= MOST_SCORED:
            return FullLoss(inner, offsets, positives)
        return ShortlistLoss.mined(inner, offsets, positives, self._mapped(self._prior))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of W: length of one vector, number of inputs."""
        return self._prior.weight.shape[0], self._prior.weight.shape[1]

    def at_strength(self, strength: float) -> "SoftmaxObjective":
        """Return the same objective with another λ."""
        other = copy(self)
        other._strength = strength
        return other

    def on_features(self, features: Vectors) -> "SoftmaxObjective":
        """Return the same objective with other values of φ, `(n_queries, n_features)`."""
        other = copy(self)
        questions = self._inputs[:, : self.shape[0]]
        other._inputs = np.concatenate([questions, self._lengths * features], axis=1)
        return other

    def value_and_gradient(self, at: LinearMap) -> tuple[float, LinearMap]:
        """Return f and its gradient at the given map."""
        value, gradient, _ = self._with_slope(at)
        return value, gradient

    def value_and_slopes(self, at: LinearMap) -> tuple[float, LinearMap, Vectors]:
        """Return f, its gradient at the given map, and its derivative by φ.

        The last is of shape `(n_queries, n_features)`.
        """
        value, gradient, slope = self._with_slope(at)
        by_features = self._lengths * (slope @ self._inward(at.weight[:, self.shape[0] :]))
        return value, gradient, by_features

    def _with_slope(self, at: LinearMap) -> tuple[float, LinearMap, Vectors]:
        """Return f, its gradient at the given map, and its derivative by what `_mapped` gives."""
        loss, slope = self._loss(self._mapped(at))
        weight_shift, bias_shift = at.weight - self._prior.weight, at.bias - self._prior.bias
        penalty = np.vdot(weight_shift, weight_shift) + np.vdot(bias_shift, bias_shift)
        weight = self._outward(slope.T @ self._inputs) + 2 * self._strength * weight_shift
        bias = self._outward(slope.sum(axis=0)) + 2 * self._strength * bias_shift
        if not self._with_bias:
            bias = np.zeros_like(bias)
        return loss + self._strength * float(penalty), LinearMap(weight, bias), slope

    def _mapped(self, at: LinearMap) -> Vectors:
        """Return z of all questions, `(n_queries, dim)`, or what of it the documents span."""
        mapped: Vectors = self._inputs @ self._inward(at.weight).T + self._inward(at.bias)
        return mapped

    def _inward(self, array: Vectors) -> Vectors:
        return array if self._span is None else self._span @ array

    def _outward(self, array: Vectors) -> Vectors:
        return array if self._span is None else self._span.T @ array


def _span(documents: Vectors) -> Vectors | None:
    """Return orthonormal rows that span the documents, None if they are not fewer than dims.

    What of z lies outside their span changes no score.
    """
    if len(documents) >= documents.shape[1]:
        return None
    span: Vectors = np.linalg.qr(documents.T)[0].T
    return span
