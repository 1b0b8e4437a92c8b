"""Every candidate is tried on questions that it was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Never

import numpy as np
from tqdm.auto import tqdm

from query_adapters.adapters import QueryAdapter
from query_adapters.evaluation.evaluate import evaluate_vectors
from query_adapters.evaluation.search import Similarity
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore, best
from query_adapters.training.geometry import Geometry
from query_adapters.training.memory import Memory, MemorySettings
from query_adapters.training.objective import LinearMap, SoftmaxObjective
from query_adapters.training.solver import COARSE, FINE, Precision, solve
from query_adapters.training.views import View
from query_adapters.typing import Rows, Values, Vectors
from query_adapters.vectors import EmbeddedDataset

PATIENCE = 2  # steps down the path of strengths without a better score before it is left; one
# step is enough where it falls more than a standard error behind


@dataclass(frozen=True)
class Fit:
    """A fitted map with the memory that gives its further inputs, if it has any."""

    map: LinearMap
    memory: Memory | None
    geometry: Geometry

    def shifted(self, shift: Vectors) -> "Fit":
        """Return the fit with `shift` `(dim, dim)` added to what it does to the question."""
        return replace(self, map=self.map.shifted(shift))

    def as_adapter(self, queries: Vectors) -> QueryAdapter:
        """Return the adapter for questions as long as these."""
        return self.map.as_adapter(queries, self.memory, geometry=self.geometry)


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
    """

    priors: dict[float, LinearMap]
    strengths: Sequence[float]
    metric: str
    with_bias: bool
    memories: Sequence[MemorySettings] = ()
    similarity: Similarity = "cosine"

    def fit(self, dataset: EmbeddedDataset, candidate: Candidate) -> Fit:
        """Return the map of one candidate."""
        path = self._path(dataset, candidate.whitening, candidate.memory, FINE)
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
        total = 1 + len(self.strengths) * (2 if self.memories else 1) + len(other_priors)
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

    def _path(
        self,
        dataset: EmbeddedDataset,
        whitening: float,
        memory: MemorySettings | None,
        precision: Precision,
    ) -> "_Path":
        return _Path(dataset, self, whitening, memory, precision)


class _Trials:
    """Scores of candidates on one dataset, out of fold."""

    def __init__(self, grid: Grid, dataset: EmbeddedDataset, views: Sequence[View]) -> None:
        self._grid = grid
        self._dataset = dataset
        self._views = views
        self._base = self._scores(dataset, None)

    def path(
        self,
        whitening: float,
        memory: MemorySettings | None,
        strengths: Sequence[float],
        bar: "tqdm[Never]",
    ) -> list[CandidateScore]:
        """Return a row a strength, until the path leads nowhere."""
        table: list[CandidateScore] = []
        fits = [self._fits(view, whitening, memory) for view in self._views]
        for strength in strengths:
            differences = [
                self._out_of_fold(folds, strength) / len(view.fold_of)
                for view, folds in zip(self._views, fits, strict=True)
            ]
            table.append(_row(Candidate(whitening, strength, memory), self._views, differences))
            bar.update()
            if _leads_nowhere(table):
                break
        return table

    def _fits(
        self, view: View, whitening: float, memory: MemorySettings | None
    ) -> list[tuple["_Path", Rows]]:
        return [
            (self._grid._path(self._dataset.select(training), whitening, memory, COARSE), held_out)
            for training, held_out in view.splits()
        ]

    def _out_of_fold(self, folds: Sequence[tuple["_Path", Rows]], strength: float) -> Values:
        differences = np.zeros(len(self._base))
        for path, held_out in folds:
            adapter = path.step(strength).as_adapter(self._dataset.queries)
            scores = self._scores(self._dataset.select(held_out), adapter)
            differences[held_out] += scores - self._base[held_out]
        return differences

    def _scores(self, questions: EmbeddedDataset, adapter: QueryAdapter | None) -> Values:
        metric, similarity = self._grid.metric, self._grid.similarity
        evaluation = evaluate_vectors(questions, adapter, metrics=[metric], similarity=similarity)
        return evaluation.per_query[metric]


def _leads_nowhere(table: Sequence[CandidateScore]) -> bool:
    """Whether the last steps brought nothing, or the last one lost more than a standard error."""
    means = [row.overall.mean for row in table]
    since_best = len(means) - 1 - int(np.argmax(means))
    return since_best >= PATIENCE or means[-1] < max(means) - table[-1].overall.error


class _Path:
    """Fits of one training set down the strengths, each starting from the last."""

    def __init__(
        self,
        dataset: EmbeddedDataset,
        grid: Grid,
        whitening: float,
        memory: MemorySettings | None,
        precision: Precision,
    ) -> None:
        prior = grid.priors[whitening]
        recalled = None if memory is None else Memory.of(dataset, memory)
        n_inputs = prior.weight.shape[1] + (0 if recalled is None else len(recalled.landmarks))
        wide = prior.widened(n_inputs)
        self._objective = SoftmaxObjective(
            dataset,
            prior=wide,
            strength=inf,
            with_bias=grid.with_bias,
            memory=recalled,
            similarity=grid.similarity,
        )
        self._precision = precision
        self.at = Fit(wide, recalled, Geometry.of(dataset.documents, grid.similarity))

    def step(self, strength: float) -> Fit:
        if strength < inf:
            objective = self._objective.at_strength(strength)
            fitted = solve(objective, self.at.map, precision=self._precision)
            self.at = replace(self.at, map=fitted)
        return self.at


def _row(
    candidate: Candidate, views: Sequence[View], differences: Sequence[Values]
) -> CandidateScore:
    scores = {view.name: ViewScore.of(d) for view, d in zip(views, differences, strict=True)}
    overall = sum(
        (view.weight * d for view, d in zip(views, differences, strict=True)),
        np.zeros_like(differences[0]),
    )
    return CandidateScore(
        candidate=candidate,
        seen=scores.get("seen"),
        unseen=scores.get("unseen"),
        overall=ViewScore.of(overall),
        differences=overall,
    )
