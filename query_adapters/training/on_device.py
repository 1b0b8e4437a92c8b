"""The training loss with its gradient, and hard negatives, on a device of torch.

The formulas are those of `softmax` and `sampled_softmax`: scores in single precision on the device,
sums over documents and questions in double precision on the host.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from query_adapters.device import Device, host, row_sums
from query_adapters.training.pooled import PooledLoss
from query_adapters.training.sampled_softmax import N_HARDEST, Mined, SampledSoftmaxLoss
from query_adapters.training.softmax import FullSoftmaxLoss, Positives
from query_adapters.typing import Rows, Values, Vectors

if TYPE_CHECKING:
    from torch import Tensor

AnyLoss = FullSoftmaxLoss | SampledSoftmaxLoss | PooledLoss


class LossOnDevice:
    """The loss of `z = start + inputs Aᵀ` and its gradient by A.

    Args:
        device: Where it is evaluated.
        start: z where A is zero, `(n_queries, n)`.
        inputs: x, `(n_queries, m)`.
        loss: The loss of z.
    """

    def __init__(self, device: Device, start: Vectors, inputs: Vectors, loss: AnyLoss) -> None:
        self._device, self._n_queries = device, len(start)
        self._parts = [_part(device, start[rows], inputs[rows], one) for rows, one in _parts(loss)]

    def __call__(self, loss: AnyLoss, at: Values) -> tuple[float, Values]:
        """Return the loss and its gradient at A, both `(n, m)`.

        Args:
            loss: The loss that the object was made with, or one with other positives.
            at: A.
        """
        weights = self._device.here(at.T.astype(np.float32))
        total, gradient = 0.0, np.zeros(at.shape)
        for part, (_, one) in zip(self._parts, _parts(loss), strict=True):
            work = partial(part, weights, one.positives)
            for _, found in self._device.in_blocks(part.n_queries, part.floats_a_query, work):
                total += found[0]
                gradient += found[1]
        return total / self._n_queries, gradient / self._n_queries


class _Full:
    """The loss of queries that are compared with all of some documents."""

    def __init__(
        self,
        device: Device,
        start: Vectors,
        inputs: Vectors,
        loss: FullSoftmaxLoss | SampledSoftmaxLoss,
    ) -> None:
        self._here, self.n_queries = device.here, len(start)
        self._start, self._inputs = device.rows(start), device.rows(inputs)
        self._documents, self._offsets = device.rows(loss.documents), device.here(loss.offsets)
        self.floats_a_query = len(loss.documents)

    def __call__(
        self, weights: "Tensor", positives: Positives, block: slice
    ) -> tuple[float, Values]:
        """Return the summed loss of a block of queries and its gradient by A."""
        inputs = self._inputs[block]
        mapped = self._start[block] + inputs @ weights
        loss, by_mapped = self._loss(mapped, positives.block(block.start, block.stop), block)
        return loss, host(by_mapped.T @ inputs).astype(np.float64)

    def _loss(self, mapped: "Tensor", positives: Positives, block: slice) -> tuple[float, "Tensor"]:
        scores = self._documents.product(mapped) + self._offsets
        judged = self._here(positives.queries), self._here(positives.columns)
        relevant = host(scores[judged]).astype(np.float64)
        scores[tuple(map(self._here, positives.excluded()))] = -np.inf
        negatives, mass = _exponentiate(scores)
        loss, pull, push = positives.loss(negatives, relevant, len(scores))
        scores *= self._column(push / np.where(mass > 0, mass, 1))
        scores[judged] = -self._here(pull.astype(np.float32))
        return loss, self._documents.combined(scores)

    def _column(self, values: Values) -> "Tensor":
        return self._here(values.astype(np.float32)[:, None])


class _Sampled(_Full):
    """The loss of queries that are compared with a sample of the documents each."""

    def __init__(
        self, device: Device, start: Vectors, inputs: Vectors, loss: SampledSoftmaxLoss
    ) -> None:
        super().__init__(device, start, inputs, loss)
        self._columns, self._corrections = device.rows(loss.columns), device.rows(loss.corrections)
        self.floats_a_query = loss.columns.shape[1] * loss.documents.shape[1]

    def _loss(self, mapped: "Tensor", positives: Positives, block: slice) -> tuple[float, "Tensor"]:
        columns = self._columns[block].long()
        documents = self._documents[columns]  # (n_queries, 80, dim)
        scores = (documents @ mapped[:, :, None])[:, :, 0]
        scores += self._offsets[columns] + self._corrections[block]
        negatives, mass = _exponentiate(scores)
        queries, judged = self._here(positives.queries), self._here(positives.columns)
        relevant = self._documents[judged]
        relevant_scores = (relevant * mapped[queries]).sum(1) + self._offsets[judged]
        loss, pull, push = positives.loss(
            negatives, host(relevant_scores).astype(np.float64), len(mapped)
        )
        scores *= self._column(push / np.where(mass > 0, mass, 1))
        gradient = (scores[:, None, :] @ documents)[:, 0, :]
        return loss, gradient.index_add_(0, queries, self._column(-pull) * relevant)


def hardest_on(
    device: Device,
    mapped: Vectors,
    documents: Vectors,
    offsets: Vectors,
    positives: Positives,
    drawn: Rows,
) -> Iterator[Mined]:
    """Yield what `sampled_softmax.hardest` yields, searched on the device.

    Of documents with equal scores at the end of the hardest, either may be taken.
    """
    rows, shift, queries = device.rows(documents), device.here(offsets), device.rows(mapped)

    def work(block: slice) -> tuple[Rows, NDArray[np.bool_]]:
        scores = rows.product(queries[block]) + shift
        excluded = positives.block(block.start, block.stop).excluded()
        scores[tuple(map(device.here, excluded))] = -np.inf
        best, hardest = scores.topk(N_HARDEST, dim=1)
        scores.scatter_(1, hardest, -np.inf)
        others = scores.gather(1, device.here(drawn[block]))
        left_out = np.concatenate([host(best), host(others)], axis=1)
        return host(hardest), np.isneginf(left_out)

    for block, (hardest, is_excluded) in device.in_blocks(len(mapped), len(documents), work):
        yield block, hardest, is_excluded


def _parts(loss: AnyLoss) -> Sequence[tuple[slice, FullSoftmaxLoss | SampledSoftmaxLoss]]:
    """Return the losses of consecutive queries that share their documents."""
    return loss.parts if isinstance(loss, PooledLoss) else [(slice(None), loss)]


def _part(
    device: Device, start: Vectors, inputs: Vectors, loss: FullSoftmaxLoss | SampledSoftmaxLoss
) -> _Full:
    if isinstance(loss, SampledSoftmaxLoss):
        return _Sampled(device, start, inputs, loss)
    return _Full(device, start, inputs, loss)


def _exponentiate(scores: "Tensor") -> tuple[Values, Values]:
    """Exponentiate in place, as `softmax.exponentiate` does."""
    highest = scores.amax(1)
    highest[highest.isinf()] = 0
    scores.sub_(highest[:, None]).exp_()
    mass = row_sums(scores)
    with np.errstate(divide="ignore"):
        return host(highest) + np.log(mass), mass
