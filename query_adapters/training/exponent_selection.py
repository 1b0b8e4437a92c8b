"""Select the whitening exponent for an index whose documents have no labels."""

from contextlib import closing
from dataclasses import dataclass, replace

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
from query_adapters.training.workers import SERIAL, Workers
from query_adapters.typing import Rows, Values

EXPONENT_INCREMENTS = (0.0, 0.05, 0.1, 0.15)  # added to the candidate's own exponent
N_SPLITS = 4  # random splits of the documents into halves


def select_exponent(
    grid: Grid,
    dataset: EmbeddedDataset,
    candidate: Candidate,
    *,
    seed: int,
    workers: Workers = SERIAL,
) -> float:
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
        workers: Where the halves are fitted; by default one after another.
    """
    exponents = [candidate.whitening + increment for increment in EXPONENT_INCREMENTS]
    gains = np.zeros((len(exponents), len(dataset.queries)))
    splits = _split_halves(dataset, seed)
    shared = _Comparison(grid, dataset, candidate, exponents)
    with closing(workers.map(_gains, shared, splits)) as found:
        for (_, held_out), differences in zip(splits, found, strict=True):
            gains[:, held_out.queries] += differences
    differences = (gains - gains[0]) / N_SPLITS
    scores = [ViewScore.of(row) for row in differences]
    highest = max(range(len(exponents)), key=lambda index: scores[index].mean)
    is_better = scores[highest].mean > scores[highest].error
    return exponents[highest if is_better else 0]


@dataclass(frozen=True, eq=False)
class _Comparison:
    """What is compared on every split: the exponents for one candidate."""

    grid: Grid
    dataset: EmbeddedDataset
    candidate: Candidate
    exponents: list[float]


@dataclass(frozen=True, eq=False)
class _Half:
    """Half of the documents with their queries.

    Attributes:
        queries: Rows of its queries.
        unlabelled: Rows of documents that are in it if they have no label.
    """

    queries: Rows
    unlabelled: Rows

    def of(self, dataset: EmbeddedDataset) -> EmbeddedDataset:
        """Return the queries with their relevant documents and the unlabelled ones."""
        part = dataset.select(self.queries)
        others = np.setdiff1d(self.unlabelled, dataset.labelled)
        return part.over(np.union1d(part.labelled, others))


def _gains(shared: _Comparison, split: tuple[_Half, _Half]) -> Values:
    """Return weighted gains on the held-out half at each exponent, `(n_exponents, n_held_out)`."""
    grid, candidate = shared.grid, shared.candidate
    train, searched = (half.of(shared.dataset) for half in split)
    held_out = HeldOutFold(
        rows=split[1].queries,
        data=searched,
        metric=grid.metric,
        similarity=grid.similarity,
        device=grid.device,
    )
    train_spectrum = Spectrum(train.documents, grid.similarity)
    served_spectrum = Spectrum(searched.documents, grid.similarity)
    prior = train_spectrum.prior(candidate.whitening)
    temperature = grid.priors[candidate.whitening].temperature
    half_grid = replace(grid, priors={candidate.whitening: Prior(PriorMap.of(prior), temperature)})
    fit = half_grid.fit(train, candidate, precision=COARSE)
    shifts = (served_spectrum.prior(exponent) - prior for exponent in shared.exponents)
    adapters = [fit.shifted(shift).as_adapter(train.queries) for shift in shifts]
    weights = shared.dataset.relative_weights[split[1].queries]
    return np.stack([weights * held_out.gains(adapter)[0] for adapter in adapters])


def _split_halves(dataset: EmbeddedDataset, seed: int) -> list[tuple[_Half, _Half]]:
    """Return each half of the documents to train on, with the other half to search."""
    splits: list[tuple[_Half, _Half]] = []
    if len(np.unique(dataset.document_groups)) < 2:
        return splits
    for state in np.random.SeedSequence(seed).generate_state(N_SPLITS):
        fold_of = folds(dataset.document_groups, n_folds=2, seed=int(state))
        drawn = np.random.default_rng(state).integers(2, size=dataset.n_units)
        one, other = (
            _Half(np.flatnonzero(fold_of == h), np.flatnonzero(drawn == h)) for h in (0, 1)
        )
        splits += [(one, other), (other, one)]
    return splits
