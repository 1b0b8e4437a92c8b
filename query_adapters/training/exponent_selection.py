"""How strongly an index is whitened whose documents have no labels."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import folds
from query_adapters.training.candidates import Candidate, ViewScore
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.out_of_fold import HeldOut
from query_adapters.training.prior import Spectrum
from query_adapters.training.selection import Grid
from query_adapters.training.solver import COARSE
from query_adapters.typing import Rows, Values

FURTHER = (0.0, 0.05, 0.1, 0.15)
N_DEALS = 4


def served_exponent(grid: Grid, dataset: EmbeddedDataset, candidate: Candidate, seed: int) -> float:
    """Return the exponent at which to take the spectral prior of an index without labels.

    A trained map contains some whitening of the documents that it was trained on. An index of
    other documents goes without that, and may need a larger exponent of its own. How much larger
    is tried out where there are labels: a map is trained on half of the documents and their
    questions, and put on top of the other half's prior at several exponents, to search that half
    alone. The candidate's own exponent stands unless another is better by more than a standard
    error.

    Args:
        grid: Fits the candidate.
        dataset: Training questions.
        candidate: The setting to train with.
        seed: Of the halves.
    """
    exponents = [candidate.whitening + further for further in FURTHER]
    gains = np.zeros((len(exponents), len(dataset.queries)))
    for trained, held_out in _deals(grid, dataset, seed):
        gains[:, held_out.rows] += _gains(grid, trained, held_out, candidate, exponents)
    differences = (gains - gains[0]) / N_DEALS
    scores = [ViewScore.of(row) for row in differences]
    highest = max(range(len(exponents)), key=lambda place: scores[place].mean)
    is_better = scores[highest].mean > scores[highest].error
    return exponents[highest if is_better else 0]


def _gains(
    grid: Grid,
    trained: EmbeddedDataset,
    held_out: HeldOut,
    candidate: Candidate,
    exponents: list[float],
) -> Values:
    """Return what each exponent gains on the questions of the other half, `(n, n_held_out)`."""
    here = Spectrum(trained.documents, grid.similarity)
    there = Spectrum(held_out.questions.documents, grid.similarity)
    prior = here.prior(candidate.whitening)
    own = replace(grid, priors={candidate.whitening: LinearMap.of(prior)})
    fit = own.fit(trained, candidate, precision=COARSE)
    adapters = [fit.shifted(there.prior(e) - prior).as_adapter(trained.queries) for e in exponents]
    return np.stack([held_out.gains(adapter)[0] for adapter in adapters])


def _deals(
    grid: Grid, dataset: EmbeddedDataset, seed: int
) -> Iterator[tuple[EmbeddedDataset, HeldOut]]:
    """Yield each half of the documents with its questions, and the other half to search."""
    if len(np.unique(dataset.document_groups)) < 2:
        return
    for state in np.random.SeedSequence(seed).generate_state(N_DEALS):
        fold_of = folds(dataset.document_groups, n_folds=2, seed=int(state))
        unlabelled = np.random.default_rng(state).integers(2, size=len(dataset.documents))
        halves = [_half(dataset, np.flatnonzero(fold_of == h), unlabelled == h) for h in (0, 1)]
        for half in (0, 1):
            held_out = HeldOut(
                rows=np.flatnonzero(fold_of != half),
                questions=halves[1 - half],
                metric=grid.metric,
                similarity=grid.similarity,
            )
            yield halves[half], held_out


def _half(dataset: EmbeddedDataset, queries: Rows, unlabelled: Rows) -> EmbeddedDataset:
    """Return questions with the documents that answer them and a share of those with no label."""
    part = dataset.select(queries)
    others = np.setdiff1d(np.flatnonzero(unlabelled), dataset.labelled)
    return part.over(np.union1d(part.labelled, others))
