"""Every candidate is tried on questions that it was not trained on."""

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
from query_adapters.training.objective import MOST_SCORED
from query_adapters.training.out_of_fold import HeldOut
from query_adapters.training.regularization_path import Fit, PathOptions, RegularizationPath
from query_adapters.training.solver import COARSE, FINE, Precision
from query_adapters.typing import Rows, Similarity, Values

PATIENCE = 2  # steps down the path of strengths without a better score before it is left; one
# step is enough where it falls more than a standard error behind


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The candidates, and how each is fitted and scored.

    Attributes:
        priors: The prior of each whitening exponent, the preferred one first.
        strengths: Values of λ, falling; out of fold, each fit starts from the one before.
        metric: What is compared, such as "ndcg@10".
        with_bias: Whether a bias is learned.
        memories: Settings of the memory part, the preferred ones first; none for linear maps.
        similarity: What the store ranks by.
        reference: What gains are measured against; None for the base as it is.
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
        """Return the map of one candidate."""
        is_estimate = len(dataset.labelled) > MOST_SCORED  # no need to be exact
        path = self.path(dataset, candidate, COARSE if is_estimate else precision)
        return path.step(candidate.strength)

    def score(
        self, dataset: EmbeddedDataset, views: Sequence[View], *, show_progress: bool = False
    ) -> tuple[CandidateScore, ...]:
        """Return the out-of-fold table: candidates on questions they were not trained on.

        The first prior is tried down the whole path of strengths, without and with the first
        memory; other priors and memories at the settings that were best there. Differences are
        averaged over the repetitions of the folds.
        """
        trials = _Trials(self, dataset, views)
        first, *other_priors = self.priors
        n_paths = 1 + bool(self.memories)
        total = 1 + len(self.strengths) * n_paths + len(other_priors)
        with tqdm(total=total, desc="Cross-validating", disable=not show_progress) as bar:
            table = trials.path(first, None, (inf, *self.strengths), bar)
            if self.memories:
                table += trials.path(first, self.memories[0], self.strengths, bar)
            at = best(table).candidate
            for whitening in other_priors:
                table += trials.path(whitening, at.memory, [at.strength], bar)
            for memory in self.memories[1:] if at.memory else ():
                table += trials.path(first, memory, [at.strength], bar)
        return tuple(table)

    def path(
        self, dataset: EmbeddedDataset, candidate: Candidate, precision: Precision
    ) -> RegularizationPath:
        """Return the path of the candidate's kind, at its start."""
        options = PathOptions(self.with_bias, self.similarity, precision)
        prior = self.priors[candidate.whitening]
        return RegularizationPath(dataset, prior, candidate.memory, options)


class _Trials:
    """Scores of candidates on one dataset, out of fold."""

    def __init__(self, grid: Grid, dataset: EmbeddedDataset, views: Sequence[View]) -> None:
        self._grid = grid
        self._dataset = dataset
        self._views = views
        self._held_out = [[self._fold(held_out) for _, held_out in view.splits()] for view in views]

    def _fold(self, rows: Rows) -> HeldOut:
        return HeldOut(
            rows=rows,
            questions=self._dataset.select(rows),
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
        """Return a row a strength, until the path leads nowhere."""
        table: list[CandidateScore] = []
        candidates = [Candidate(whitening, strength, memory) for strength in strengths]
        fits = [self._fits(view, candidates[0]) for view in self._views]
        for candidate in candidates:
            gains = [
                self._out_of_fold(paths, folds, candidate.strength) / len(view.fold_of)
                for view, paths, folds in zip(self._views, fits, self._held_out, strict=True)
            ]
            table.append(_row(candidate, self._views, gains))
            bar.update()
            if _leads_nowhere(table):
                break
        return table

    def _fits(self, view: View, candidate: Candidate) -> list[RegularizationPath]:
        return [
            self._grid.path(self._dataset.select(training), candidate, COARSE)
            for training, _ in view.splits()
        ]

    def _out_of_fold(
        self, paths: Sequence[RegularizationPath], folds: Sequence[HeldOut], strength: float
    ) -> Values:
        """Return gains on own and on control answers, `(2, n_queries)`."""
        gains = np.zeros((2, len(self._dataset.queries)))
        for path, held_out in zip(paths, folds, strict=True):
            adapter = path.step(strength).as_adapter(self._dataset.queries)
            gains[:, held_out.rows] += held_out.gains(adapter)
        return gains


def _leads_nowhere(table: Sequence[CandidateScore]) -> bool:
    """Whether the last steps brought nothing, or the last one lost more than a standard error."""
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
