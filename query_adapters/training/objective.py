"""What the best map minimises: one convex function of its weights."""

from copy import copy

import numpy as np

from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.linear_score import Geometry
from query_adapters.training.memory import Memory
from query_adapters.training.sampled_softmax import ShortlistLoss
from query_adapters.training.softmax import FullLoss, Positives, SoftmaxLoss
from query_adapters.training.subspace import Span, basis
from query_adapters.typing import Similarity, Vectors

MOST_SCORED = 8_000  # labelled documents; of more, each question gets a shortlist


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
        memory: Memory | None = None,
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
        self._span = Span(documents=basis(documents), inputs=None)
        self._loss = self._loss_over(documents, geometry, Positives.of(dataset))

    def _loss_over(
        self, documents: Vectors, geometry: Geometry, positives: Positives
    ) -> SoftmaxLoss:
        offsets, inner = geometry.offsets(documents), self._span.documents_in(documents.T).T
        if len(documents) <= MOST_SCORED:
            return FullLoss(inner, offsets, positives)
        return ShortlistLoss.mined(inner, offsets, positives, self._mapped(self._prior))

    @property
    def prior(self) -> LinearMap:
        """W₀ and b₀."""
        return self._prior

    @property
    def span(self) -> Span:
        """What its documents and inputs span; outside, W and b stay the prior's."""
        return Span(self._span.documents, basis(self._inputs))

    def within(self, span: Span) -> "SoftmaxObjective":
        """Return the objective of the coordinates that a map has in its span."""
        other = copy(self)
        other._prior, other._inputs = span.inward(self._prior), span.inputs_in(self._inputs)
        other._span = Span(documents=None, inputs=None)
        return other

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
        by_features = self._lengths * (
            slope @ self._span.documents_in(at.weight[:, self.shape[0] :])
        )
        return value, gradient, by_features

    def _with_slope(self, at: LinearMap) -> tuple[float, LinearMap, Vectors]:
        """Return f, its gradient at the given map, and its derivative by what `_mapped` gives."""
        loss, slope = self._loss(self._mapped(at))
        shift = at.minus(self._prior)
        penalty = np.vdot(shift.weight, shift.weight) + np.vdot(shift.bias, shift.bias)
        rising = self._span.outward(LinearMap(slope.T @ self._inputs, slope.sum(axis=0)))
        gradient = rising.plus(shift.times(2 * self._strength))
        if not self._with_bias:
            gradient = LinearMap.of(gradient.weight)
        return loss + self._strength * float(penalty), gradient, slope

    def _mapped(self, at: LinearMap) -> Vectors:
        """Return z of all questions, `(n_queries, dim)`, or what of it the documents span."""
        inner = self._span.inward(at)
        mapped: Vectors = self._inputs @ inner.weight.T + inner.bias
        return mapped
