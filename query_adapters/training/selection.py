"""Cross-validation of the candidates: the out-of-fold table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf

import numpy as np
from tqdm.auto import tqdm

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.processes.threads import DaemonThreads
from query_adapters.training.candidates import Candidate, OutOfFoldTable
from query_adapters.training.folds import View
from query_adapters.training.objective import samples_negatives
from query_adapters.training.out_of_fold import HeldOutFold
from query_adapters.training.regularization_path import Fit, PathOptions, Prior, RegularizationPath
from query_adapters.training.solver import COARSE, FINE, Precision
from query_adapters.training.threads import workers_for
from query_adapters.typing import Rows, Similarity, Values

_Job = tuple[list[int], int, Rows, HeldOutFold]  # path, view, training rows, held-out fold


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The candidates, and how each is fitted and scored.

    Attributes:
        priors: Prior of each whitening exponent.
        candidates: The settings to try, those that differ in strength alone next to each other,
            the greatest strength first.
        metric: Metric that candidates are compared by, such as "ndcg@10".
        with_bias: Whether a bias is learned.
        similarity: Similarity that the store ranks by.
        reference: Adapter that gains are measured against; None for the base model.
    """

    priors: dict[float, Prior]
    candidates: Sequence[Candidate]
    metric: str
    with_bias: bool
    similarity: Similarity = "cosine"
    reference: QueryAdapter | None = None

    def fit(
        self, dataset: EmbeddedDataset, candidate: Candidate, *, precision: Precision = FINE
    ) -> Fit:
        """Return the fit of one candidate."""
        is_estimate = samples_negatives(dataset)
        path = self.path(dataset, candidate, COARSE if is_estimate else precision)
        return path.step(candidate.strength)

    def path(
        self, dataset: EmbeddedDataset, candidate: Candidate, precision: Precision
    ) -> RegularizationPath:
        """Return the regularization path for the candidate's settings, before any fit."""
        options = PathOptions(self.with_bias, self.similarity, precision)
        return RegularizationPath(dataset, self.priors[candidate.whitening], candidate, options)

    def score(
        self,
        dataset: EmbeddedDataset,
        views: Sequence[View],
        *,
        known: OutOfFoldTable | None = None,
        show_progress: bool = False,
    ) -> OutOfFoldTable:
        """Return the out-of-fold gains of every candidate, averaged over repetitions of the folds.

        Args:
            dataset: Training queries with their documents.
            views: Fold assignments, at least one view.
            known: The table of the first repetitions of these views, which are not fitted again.
            show_progress: Whether to show a progress bar.
        """
        gains = np.zeros((len(self.candidates), len(views), 2, len(dataset.queries)))
        n_known = 0
        if known is not None:
            n_known = len(known.views[0].fold_of)
            gains += known.gains * n_known / len(views[0].fold_of)
        splits = [
            (place, training, self._held_out(dataset, held_out))
            for place, view in enumerate(views)
            for training, held_out in view.splits(n_known)
        ]
        jobs = [(path, *split) for path in _paths(self.candidates) for split in splits]

        def found(job: _Job) -> Values:
            path, _, training, held_out = job
            return self._gains(dataset.select(training), held_out, path)

        bar = tqdm(total=len(jobs), desc="Cross-validating", disable=not show_progress)
        with bar, DaemonThreads(workers_for(dataset)) as pool:
            for (path, place, _, held_out), values in zip(jobs, pool.map(found, jobs), strict=True):
                at = np.ix_(np.array(path), np.array([place]), np.arange(2), held_out.rows)
                gains[at] += values[:, None] / len(views[place].fold_of)
                bar.update()
        return OutOfFoldTable(self.candidates, views, gains)

    def _held_out(self, dataset: EmbeddedDataset, rows: Rows) -> HeldOutFold:
        return HeldOutFold(
            rows=rows,
            data=dataset.select(rows),
            metric=self.metric,
            similarity=self.similarity,
            reference=self.reference,
        )

    def _gains(
        self, training: EmbeddedDataset, held_out: HeldOutFold, positions: Sequence[int]
    ) -> Values:
        """Return the gains of one path's candidates, `(n_candidates, 2, n_held_out)`."""
        candidates = [self.candidates[position] for position in positions]
        path = self.path(training, candidates[0], COARSE)
        fits = (path.step(candidate.strength) for candidate in candidates)
        return np.stack([held_out.gains(fit.as_adapter(training.queries)) for fit in fits])


def _paths(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Return the positions of the candidates that differ in strength alone, path by path."""
    settings = groupby(
        range(len(candidates)), key=lambda position: replace(candidates[position], strength=inf)
    )
    return [list(positions) for _, positions in settings]
