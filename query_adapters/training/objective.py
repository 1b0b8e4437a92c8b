"""The convex training objective: softmax regression, regularized toward a prior."""

from copy import copy

import numpy as np

from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.memory import Memory
from query_adapters.training.sampled_softmax import SampledSoftmaxLoss
from query_adapters.training.softmax import FullSoftmaxLoss, Positives, SoftmaxLoss
from query_adapters.training.subspace import Subspace, orthonormal_basis
from query_adapters.typing import Similarity, Vectors

MAX_FULL_DOCUMENTS = 8_000  # labelled documents; with more, negatives are sampled


class SoftmaxObjective:
    """Multinomial logistic regression over the labelled documents, regularized toward a prior.

        f(W, b) = (1/n) Σᵢ Σ_{j ∈ Rᵢ} gᵢⱼ log(1 + Σ_{k ∈ Nᵢ} exp(τ (sᵢₖ - sᵢⱼ)))
                  + λ (‖W - W₀‖² + ‖b - b₀‖²),   sᵢₖ = zᵢ·dₖ + oₖ,   zᵢ = W xᵢ + b

    xᵢ = (qᵢ, φ(qᵢ)) are the inputs of `LinearMap`; d and o come from `LinearScore`. Rᵢ are the
    relevant documents of query i and gᵢⱼ their grades, divided by the sum of the query's grades.
    The negatives Nᵢ are all other documents that are relevant to some query; of more than 8,000
    such documents, a sample. Documents without queries are never used as negatives: the map would
    learn that unlabelled documents are wrong. Document vectors are fixed, so scores are linear in
    W and b, and f is convex with one minimum.

    Args:
        dataset: Training queries with their documents.
        prior: W₀ and b₀, with a weight for every input.
        strength: λ > 0, the regularization strength.
        with_bias: Whether b is learned; otherwise it stays b₀.
        memory: Computes φ; None if the map is linear in the query.
        similarity: Similarity that the store ranks by.

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
        score = LinearScore.of(dataset.documents, similarity)
        units = unit(dataset.queries)
        features = [] if memory is None else [memory.features(units)]
        inputs = np.concatenate([units, *features], axis=1)
        self._inputs = score.query_lengths(dataset.queries) * inputs
        self._prior = prior
        self._strength = strength
        self._with_bias = with_bias
        documents = score.scaled_documents(dataset.documents[dataset.labelled])
        self._subspace = Subspace(documents=orthonormal_basis(documents), inputs=None)
        self._loss = self._softmax_loss(documents, score, Positives.of(dataset))

    def _softmax_loss(
        self, documents: Vectors, score: LinearScore, positives: Positives
    ) -> SoftmaxLoss:
        offsets, reduced = score.offsets(documents), self._subspace.project_documents(documents.T).T
        if len(documents) <= MAX_FULL_DOCUMENTS:
            return FullSoftmaxLoss(reduced, offsets, positives)
        return SampledSoftmaxLoss.mined(reduced, offsets, positives, self._mapped(self._prior))

    @property
    def prior(self) -> LinearMap:
        """W₀ and b₀."""
        return self._prior

    @property
    def subspace(self) -> Subspace:
        """Span of the documents and inputs; outside it, W and b stay at the prior."""
        return Subspace(self._subspace.documents, orthonormal_basis(self._inputs))

    def in_subspace(self, subspace: Subspace) -> "SoftmaxObjective":
        """Return the same objective as a function of a map's coordinates in its subspace."""
        other = copy(self)
        other._prior = subspace.project(self._prior)
        other._inputs = subspace.project_inputs(self._inputs)
        other._subspace = Subspace(documents=None, inputs=None)
        return other

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of W: vector dimension, number of inputs."""
        return self._prior.weight.shape[0], self._prior.weight.shape[1]

    def at_strength(self, strength: float) -> "SoftmaxObjective":
        """Return the same objective with another λ."""
        other = copy(self)
        other._strength = strength
        return other

    def value_and_gradient(self, at: LinearMap) -> tuple[float, LinearMap]:
        """Return f and its gradient at the given map."""
        loss, by_mapped = self._loss(self._mapped(at))
        shift = at.minus(self._prior)
        penalty = np.vdot(shift.weight, shift.weight) + np.vdot(shift.bias, shift.bias)
        by_map = LinearMap(by_mapped.T @ self._inputs, by_mapped.sum(axis=0))
        gradient = self._subspace.expand(by_map).plus(shift.times(2 * self._strength))
        if not self._with_bias:
            gradient = LinearMap.of(gradient.weight)
        return loss + self._strength * float(penalty), gradient

    def _mapped(self, at: LinearMap) -> Vectors:
        """Return z of all queries in the documents' coordinates, `(n_queries, n)`."""
        reduced = self._subspace.project(at)
        mapped: Vectors = self._inputs @ reduced.weight.T + reduced.bias
        return mapped
