"""Cross-validation of the candidate grid: out-of-fold scores for every candidate."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Never

import numpy as np
from tqdm.auto import tqdm

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore, best
from query_adapters.training.folds import View
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.memory import MemorySettings
from query_adapters.training.objective import MAX_FULL_DOCUMENTS
from query_adapters.training.out_of_fold import HeldOutFold
from query_adapters.training.regularization_path import Fit, PathOptions, RegularizationPath
from query_adapters.training.solver import COARSE, FINE, Precision
from query_adapters.typing import Rows, Similarity, Values

PATIENCE = 2  # strengths without a better score before a path stops early; one is enough if its
# score is more than a standard error below the best


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The candidates, and how each is fitted and scored.

    Attributes:
        priors: Prior of each whitening exponent, the preferred one first.
        strengths: Values of λ in decreasing order; in cross-validation each fit starts from the
            one before.
        metric: Metric that candidates are compared by, such as "ndcg@10".
        with_bias: Whether a bias is learned.
        memories: Settings of the memory, the preferred ones first; empty for linear maps alone.
        similarity: Similarity that the store ranks by.
        reference: Adapter that gains are measured against; None for the base model.
    """

    priors: dict[float, LinearMap]
    strengths: Sequence[float]
    metric: str
    with_bias: bool
    memories: Sequence[MemorySettings] = ()
    similarity: Similarity = "cosine"
    reference: QueryAdapter | None = None

    def fit(
        self, dataset: EmbeddedDataset, candidate: Candidate, *, precision: Precision = FINE
    ) -> Fit:
        """Return the fit of one candidate."""
        is_sampled = len(dataset.labelled) > MAX_FULL_DOCUMENTS  # the loss is an estimate anyway
        path = self.path(dataset, candidate, COARSE if is_sampled else precision)
        return path.step(candidate.strength)

    def score(
        self, dataset: EmbeddedDataset, views: Sequence[View], *, show_progress: bool = False
    ) -> tuple[CandidateScore, ...]:
        """Return the table of out-of-fold scores, one row per candidate.

        The first prior is tried at all strengths, without a memory and with the first memory; the
        other priors and memories are tried at the best settings found there. Differences are
        averaged over the repetitions of the folds.

        Args:
            dataset: Training queries with their documents.
            views: Fold assignments, at least one view.
            show_progress: Whether to show a progress bar.
        """
        validation = _CrossValidation(self, dataset, views)
        first, *other_priors = self.priors
        n_paths = 1 + bool(self.memories)
        total = 1 + len(self.strengths) * n_paths + len(other_priors)
        with tqdm(total=total, desc="Cross-validating", disable=not show_progress) as bar:
            table = validation.path(first, None, (inf, *self.strengths), bar)
            if self.memories:
                table += validation.path(first, self.memories[0], self.strengths, bar)
            settings = best(table).candidate
            for whitening in other_priors:
                table += validation.path(whitening, settings.memory, [settings.strength], bar)
            for memory in self.memories[1:] if settings.memory else ():
                table += validation.path(first, memory, [settings.strength], bar)
        return tuple(table)

    def path(
        self, dataset: EmbeddedDataset, candidate: Candidate, precision: Precision
    ) -> RegularizationPath:
        """Return the regularization path for the candidate's prior and memory, before any fit."""
        options = PathOptions(self.with_bias, self.similarity, precision)
        prior = self.priors[candidate.whitening]
        return RegularizationPath(dataset, prior, candidate.memory, options)


class _CrossValidation:
    """Out-of-fold scores of candidates on one dataset."""

    def __init__(self, grid: Grid, dataset: EmbeddedDataset, views: Sequence[View]) -> None:
        self._grid = grid
        self._dataset = dataset
        self._views = views
        self._held_out = [[self._fold(held_out) for _, held_out in view.splits()] for view in views]

    def _fold(self, rows: Rows) -> HeldOutFold:
        return HeldOutFold(
            rows=rows,
            data=self._dataset.select(rows),
            metric=self._grid.metric,
            similarity=self._grid.similarity,
            reference=self._grid.reference,
        )

    def path(
        self,
        whitening: float,
        memory: MemorySettings | None,
        strengths: Sequence[float],
        bar: "tqdm[Never]",
    ) -> list[CandidateScore]:
        """Return one row per strength, in order; stop early if scores no longer improve."""
        table: list[CandidateScore] = []
        candidates = [Candidate(whitening, strength, memory) for strength in strengths]
        paths_of_views = [self._paths(view, candidates[0]) for view in self._views]
        for candidate in candidates:
            gains = [
                self._out_of_fold(paths, folds, candidate.strength) / len(view.fold_of)
                for view, paths, folds in zip(
                    self._views, paths_of_views, self._held_out, strict=True
                )
            ]
            table.append(_row(candidate, self._views, gains))
            bar.update()
            if _should_stop(table):
                break
        return table

    def _paths(self, view: View, candidate: Candidate) -> list[RegularizationPath]:
        return [
            self._grid.path(self._dataset.select(training), candidate, COARSE)
            for training, _ in view.splits()
        ]

    def _out_of_fold(
        self, paths: Sequence[RegularizationPath], folds: Sequence[HeldOutFold], strength: float
    ) -> Values:
        """Return gains on own and on control answers, summed over repetitions, `(2, n_queries)`."""
        gains = np.zeros((2, len(self._dataset.queries)))
        for path, held_out in zip(paths, folds, strict=True):
            adapter = path.step(strength).as_adapter(self._dataset.queries)
            gains[:, held_out.rows] += held_out.gains(adapter)
        return gains


def _should_stop(table: Sequence[CandidateScore]) -> bool:
    """Whether the last `PATIENCE` rows did not improve, or the last is clearly below the best."""
    means = [row.overall.mean for row in table]
    since_best = len(means) - 1 - int(np.argmax(means))
    return since_best >= PATIENCE or means[-1] < max(means) - table[-1].overall.error


def _row(candidate: Candidate, views: Sequence[View], gains: Sequence[Values]) -> CandidateScore:
    scores = {view.name: ViewScore.of(own) for view, (own, _) in zip(views, gains, strict=True)}
    own, control = sum(
        (view.weight * both for view, both in zip(views, gains, strict=True)),
        np.zeros_like(gains[0]),
    )
    return CandidateScore(
        candidate=candidate,
        seen=scores.get("seen"),
        unseen=scores.get("unseen"),
        overall=ViewScore.of(own),
        differences=own,
        controls=control,
    )
