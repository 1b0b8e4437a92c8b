"""The convex training objective: softmax regression, regularized toward a prior."""

from copy import copy
from functools import partial

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.device import Device
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.on_device import AnyLoss, LossOnDevice, hardest_on
from query_adapters.training.pooled import PooledDataset, full_loss
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.sampled_softmax import SampledSoftmaxLoss
from query_adapters.training.softmax import Positives
from query_adapters.training.subspace import Subspace
from query_adapters.typing import Values, Vectors

MAX_FULL_DOCUMENTS = 8_000  # labelled documents; with more, negatives are sampled


class SoftmaxObjective:
    """Multinomial logistic regression over the labelled documents, regularized toward a prior.

        f(A) = (1/n) Σᵢ Σ_{j ∈ Rᵢ} gᵢⱼ log(1 + Σ_{k ∈ Nᵢ} exp(τ (sᵢₖ - sᵢⱼ))) + λ ‖A‖²
        sᵢₖ = zᵢ·dₖ + oₖ,   zᵢ = W₀ uᵢ + b₀ + A xᵢ

    xᵢ are the inputs of `QueryInputs`; u, d and o come from `LinearScore`. Rᵢ are the relevant
    documents of query i and gᵢⱼ their grades, divided by the sum of the query's grades, times
    the query's weight over the mean weight. The
    negatives Nᵢ are all other documents that are relevant to some query; of more than 8,000 such
    documents, a sample. Documents without queries are never used as negatives: the map would
    learn that unlabelled documents are wrong. Document vectors are fixed, so scores are linear in
    A, and f is convex with one minimum. A is held in the coordinates of `Subspace`.

    If labels are on units with several vectors, j runs over the best vectors of the relevant
    units, which share the unit's weight by their scores (`Positives.shared`), at first those under
    the prior; no vector of a relevant unit is a negative. f is convex for given shares.

    Args:
        dataset: Training queries with their documents.
        inputs: Computes x.
        prior: W₀ and b₀.
        temperature: τ > 0, which multiplies scores.
        strength: λ > 0, the regularization strength.
        device: Where scores and gradients are computed; None for numpy.

    Attributes:
        has_shares: Whether a label is shared, because a relevant unit has several vectors.

    Source: Böhning, Multinomial Logistic Regression Algorithm (1992), for the convexity; the
        negatives are those of InfoNCE, van den Oord et al. (2018), over all labelled documents.
    """

    def __init__(
        self,
        dataset: EmbeddedDataset,
        *,
        inputs: QueryInputs,
        prior: PriorMap,
        temperature: float,
        strength: float,
        device: Device | None = None,
    ) -> None:
        tau, score = np.float32(temperature), inputs.score
        documents = score.scaled_documents(dataset.documents[dataset.labelled_rows.rows])
        offsets = tau * score.offsets(documents)
        self.subspace = Subspace(tau * documents, inputs(dataset.queries))
        self._start = self.subspace.project(prior(score.scaled_queries(dataset.queries)))
        self._strength = strength
        self.has_shares = len(dataset.labelled_rows.rows) > len(dataset.labelled)
        documents = self.subspace.documents
        positives = Positives.of(dataset).shared(self._start, documents, offsets)
        search = None if device is None else partial(hardest_on, device)
        self._loss: AnyLoss = (
            SampledSoftmaxLoss.mined(documents, offsets, positives, self._start, search=search)
            if samples_negatives(dataset)
            else full_loss(dataset, documents, offsets, positives)
        )
        self._on_device = (
            None
            if device is None
            else LossOnDevice(device, self._start, self.subspace.inputs, self._loss)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the coordinates of A."""
        return self.subspace.shape

    def at_strength(self, strength: float) -> "SoftmaxObjective":
        """Return the same objective with another λ."""
        other = copy(self)
        other._strength = strength
        return other

    def shared(self, at: Values) -> "SoftmaxObjective":
        """Return f with the labels of units shared by the scores at the coordinates of A."""
        other = copy(self)
        other._loss = self._loss.shared(self._mapped(at))
        return other

    def value_and_gradient(self, at: Values) -> tuple[float, Values]:
        """Return f and its gradient at the coordinates of A, both `(n, m)`."""
        loss, gradient = self._loss_and_gradient(at)
        penalty = self._strength * float(np.vdot(at, at))
        return loss + penalty, gradient + 2 * self._strength * at

    def _loss_and_gradient(self, at: Values) -> tuple[float, Values]:
        if self._on_device is not None:
            return self._on_device(self._loss, at)
        loss, by_mapped = self._loss(self._mapped(at))
        return loss, (by_mapped.T @ self.subspace.inputs).astype(np.float64)

    def _mapped(self, at: Values) -> Vectors:
        mapped: Vectors = self._start + self.subspace.inputs @ at.T.astype(np.float32)
        return mapped


def samples_negatives(dataset: EmbeddedDataset) -> bool:
    """Return whether the loss on the dataset is over a sample of the negatives.

    With units, many vectors may face few questions, over which the noise of a sample does not
    average out; then the number of scores decides. The negatives of pooled datasets are few.
    """
    if isinstance(dataset, PooledDataset):
        return False
    n_vectors = len(dataset.labelled_rows.rows)
    if n_vectors == len(dataset.labelled):
        return n_vectors > MAX_FULL_DOCUMENTS
    most = max(MAX_FULL_DOCUMENTS, MAX_FULL_DOCUMENTS**2 // len(dataset.queries))
    return n_vectors > most
