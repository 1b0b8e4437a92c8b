"""Cross-validation of the candidates: the out-of-fold table."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf

import numpy as np
from tqdm.auto import tqdm

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.candidates import Candidate, OutOfFoldTable
from query_adapters.training.folds import View
from query_adapters.training.objective import samples_negatives
from query_adapters.training.out_of_fold import HeldOutFold
from query_adapters.training.regularization_path import Fit, PathOptions, Prior, RegularizationPath
from query_adapters.training.solver import COARSE, FINE, Precision
from query_adapters.training.workers import SERIAL, Workers
from query_adapters.typing import Rows, Similarity, Values

REFERENCE: list[int] = []  # in place of a path


@dataclass(frozen=True, eq=False)
class _Split:
    """One fold of one view.

    Attributes:
        view: Position of the view.
        training: Rows of the questions to fit on.
        held_out: Rows of the questions to score.
    """

    view: int
    training: Rows
    held_out: Rows


_Job = tuple[list[int], _Split]  # positions of a path's candidates


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
        shared: Prior of the candidates that start from a shared map; None if there are none.
        device: Where they are fitted and scored, as in `AdapterTrainer`.
    """

    priors: dict[float, Prior]
    candidates: Sequence[Candidate]
    metric: str
    with_bias: bool
    similarity: Similarity = "cosine"
    reference: QueryAdapter | None = None
    shared: Prior | None = None
    device: str = "cpu"

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
        options = PathOptions(self.with_bias, self.similarity, precision, self.device)
        own = None if candidate.shared else self.priors[candidate.whitening]
        prior = own or self.shared
        if prior is None:
            raise ValueError("expected a shared map for a candidate that starts from it, got none")
        return RegularizationPath(dataset, prior, candidate, options)

    def score(
        self,
        dataset: EmbeddedDataset,
        views: Sequence[View],
        *,
        known: OutOfFoldTable | None = None,
        workers: Workers = SERIAL,
        show_progress: bool = False,
    ) -> OutOfFoldTable:
        """Return the out-of-fold gains of every candidate, averaged over repetitions of the folds.

        Gains are times the weight of their question over the mean weight.

        Args:
            dataset: Training queries with their documents.
            views: Fold assignments, at least one view.
            known: The table of the first repetitions of these views, which are not fitted again.
            workers: Where paths are fitted; by default one after another.
            show_progress: Whether to show a progress bar.
        """
        gains = np.zeros((len(self.candidates), len(views), 2, len(dataset.queries)))
        n_known = 0
        if known is not None:
            n_known = len(known.views[0].fold_of)
            gains += known.gains * n_known / len(views[0].fold_of)
        splits = [
            _Split(place, *rows)
            for place, view in enumerate(views)
            for rows in view.splits(n_known)
        ]
        paths = sorted(paths_of(self.candidates), key=self._effort, reverse=True)
        jobs: list[_Job] = [(path, split) for path in [REFERENCE, *paths] for split in splits]
        references: dict[_Split, Values] = {}
        found = workers.map(_scores, (self, dataset), jobs)
        bar = tqdm(total=len(jobs), desc="Cross-validating", disable=not show_progress)
        with bar, closing(found):
            for (path, split), scores in zip(jobs, found, strict=True):
                if path is REFERENCE:
                    references[split] = scores[0]
                else:
                    at = np.ix_(
                        np.array(path), np.array([split.view]), np.arange(2), split.held_out
                    )
                    weights = dataset.relative_weights[split.held_out]
                    difference = weights * (scores - references[split])[:, None]
                    gains[at] += difference / len(views[split.view].fold_of)
                bar.update()
        return OutOfFoldTable(self.candidates, views, gains)

    def _effort(self, path: Sequence[int]) -> tuple[bool, int]:
        """Return what orders paths by time: the longest first, so that workers end together."""
        return self.candidates[path[0]].memory is not None, len(path)

    def held_out(self, dataset: EmbeddedDataset, rows: Rows) -> HeldOutFold:
        """Return the fold of these rows, searched over all documents."""
        return HeldOutFold(
            rows=rows,
            data=dataset.select(rows),
            metric=self.metric,
            similarity=self.similarity,
            reference=self.reference,
            device=self.device,
        )

    def adapters(self, training: EmbeddedDataset, path: Sequence[int]) -> Iterator[QueryAdapter]:
        """Yield the adapters of one path's candidates, trained on these questions."""
        candidates = [self.candidates[position] for position in path]
        fits = self.path(training, candidates[0], COARSE)
        for candidate in candidates:
            yield fits.step(candidate.strength).as_adapter(training.queries)


def _scores(shared: tuple[Grid, EmbeddedDataset], job: _Job) -> Values:
    """Return the scores of one path's candidates, `(n_candidates, 2, n_held_out)`."""
    (grid, dataset), (path, split) = shared, job
    fold = grid.held_out(dataset, split.held_out)
    if not path:
        return fold.reference_scores[None]
    adapters = grid.adapters(dataset.select(split.training), path)
    return np.stack([fold.scores(adapter) for adapter in adapters])


def paths_of(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Return the positions of the candidates that differ in strength alone, path by path."""
    settings = groupby(
        range(len(candidates)), key=lambda position: replace(candidates[position], strength=inf)
    )
    return [list(positions) for _, positions in settings]
