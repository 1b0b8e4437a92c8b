"""Select the whitening exponent for an index whose documents have no labels."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import folds
from query_adapters.training.candidates import Candidate, ViewScore
from query_adapters.training.out_of_fold import HeldOutFold
from query_adapters.training.prior import Spectrum
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior
from query_adapters.training.selection import Grid
from query_adapters.training.solver import COARSE
from query_adapters.typing import Rows, Values

EXPONENT_INCREMENTS = (0.0, 0.05, 0.1, 0.15)  # added to the candidate's own exponent
N_SPLITS = 4  # random splits of the documents into halves


def select_exponent(grid: Grid, dataset: EmbeddedDataset, candidate: Candidate, seed: int) -> float:
    """Return the exponent of the spectral prior to use on a served index without labels.

    A trained map whitens the documents it was trained on to some degree. On an index of other
    documents that part is missing, and a larger exponent may serve better. Labelled data decides:
    a map is trained on half of the documents with their queries, then combined with the other
    half's prior at several exponents to search that half alone. The candidate's own exponent is
    kept unless another one is better by more than a standard error.

    Args:
        grid: Fits the candidate.
        dataset: Training queries with their documents.
        candidate: The settings to train with.
        seed: Seed of the splits into halves.
    """
    exponents = [candidate.whitening + increment for increment in EXPONENT_INCREMENTS]
    gains = np.zeros((len(exponents), len(dataset.queries)))
    for train, held_out in _split_halves(grid, dataset, seed):
        gains[:, held_out.rows] += _gains(grid, train, held_out, candidate, exponents)
    differences = (gains - gains[0]) / N_SPLITS
    scores = [ViewScore.of(row) for row in differences]
    highest = max(range(len(exponents)), key=lambda index: scores[index].mean)
    is_better = scores[highest].mean > scores[highest].error
    return exponents[highest if is_better else 0]


def _gains(
    grid: Grid,
    train: EmbeddedDataset,
    held_out: HeldOutFold,
    candidate: Candidate,
    exponents: list[float],
) -> Values:
    """Return the gains at each exponent on the held-out half, `(n_exponents, n_held_out)`."""
    train_spectrum = Spectrum(train.documents, grid.similarity)
    served_spectrum = Spectrum(held_out.data.documents, grid.similarity)
    prior = train_spectrum.prior(candidate.whitening)
    temperature = grid.priors[candidate.whitening].temperature
    half_grid = replace(grid, priors={candidate.whitening: Prior(PriorMap.of(prior), temperature)})
    fit = half_grid.fit(train, candidate, precision=COARSE)
    shifts = (served_spectrum.prior(exponent) - prior for exponent in exponents)
    adapters = [fit.shifted(shift).as_adapter(train.queries) for shift in shifts]
    return np.stack([held_out.gains(adapter)[0] for adapter in adapters])


def _split_halves(
    grid: Grid, dataset: EmbeddedDataset, seed: int
) -> Iterator[tuple[EmbeddedDataset, HeldOutFold]]:
    """Yield each half of the documents to train on, with the other half to search."""
    if len(np.unique(dataset.document_groups)) < 2:
        return
    for state in np.random.SeedSequence(seed).generate_state(N_SPLITS):
        fold_of = folds(dataset.document_groups, n_folds=2, seed=int(state))
        unlabelled = np.random.default_rng(state).integers(2, size=dataset.n_units)
        halves = [_half(dataset, np.flatnonzero(fold_of == h), unlabelled == h) for h in (0, 1)]
        for half in (0, 1):
            held_out = HeldOutFold(
                rows=np.flatnonzero(fold_of != half),
                data=halves[1 - half],
                metric=grid.metric,
                similarity=grid.similarity,
            )
            yield halves[half], held_out


def _half(dataset: EmbeddedDataset, queries: Rows, unlabelled: Rows) -> EmbeddedDataset:
    """Return the queries with their relevant documents and the given unlabelled documents.

    Args:
        dataset: All queries and documents.
        queries: Rows of the queries of this half.
        unlabelled: Mask of the documents to add if they have no label, `(n_documents,)`.
    """
    part = dataset.select(queries)
    others = np.setdiff1d(np.flatnonzero(unlabelled), dataset.labelled)
    return part.over(np.union1d(part.labelled, others))
