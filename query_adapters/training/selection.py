"""Every candidate is tried on questions that it was not trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from tqdm.auto import tqdm

from query_adapters.evaluation.evaluate import evaluate_vectors
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore, best
from query_adapters.training.objective import LinearMap, SoftmaxObjective
from query_adapters.training.solver import COARSE, FINE, Precision, solve
from query_adapters.training.views import View
from query_adapters.typing import Rows, Values
from query_adapters.vectors import EmbeddedDataset

PATIENCE = 2  # steps down the path of strengths without a better score before it is left; one
# step is enough where it falls more than a standard error behind


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """The candidates, and how each is fitted and scored.

    Attributes:
        priors: The prior of each whitening exponent, the preferred one first.
        strengths: Values of λ, falling; each fit starts from the one before.
        metric: What is compared, such as "ndcg@10".
        with_bias: Whether a bias is learned.
    """

    priors: dict[float, LinearMap]
    strengths: Sequence[float]
    metric: str
    with_bias: bool

    def fit(self, dataset: EmbeddedDataset, candidate: Candidate) -> LinearMap:
        """Return the map of one candidate, fitted down the path of strengths."""
        path = self._path(dataset, candidate.whitening, FINE)
        for strength in self.strengths:
            if strength >= candidate.strength:
                path.step(strength)
        return path.at

    def score(
        self, dataset: EmbeddedDataset, views: Sequence[View], *, show_progress: bool = False
    ) -> tuple[CandidateScore, ...]:
        """Return the out-of-fold table: candidates on questions they were not trained on.

        The first prior is tried down the whole path of strengths, the others at the strength
        that was best there. Differences are averaged over the repetitions of the folds.
        """
        base = evaluate_vectors(dataset, metrics=[self.metric]).per_query[self.metric]
        first, *others = self.priors
        total = 1 + len(self.strengths) + len(others)
        with tqdm(total=total, desc="Cross-validating", disable=not show_progress) as bar:
            table = []
            for row in self._score_path(dataset, views, base, first, (inf, *self.strengths)):
                table.append(row)
                bar.update()
            strength = best(table).candidate.strength
            for whitening in others:
                table.extend(self._score_path(dataset, views, base, whitening, [strength]))
                bar.update()
        return tuple(table)

    def _score_path(
        self,
        dataset: EmbeddedDataset,
        views: Sequence[View],
        base: Values,
        whitening: float,
        strengths: Sequence[float],
    ) -> Iterator[CandidateScore]:
        paths = [
            [
                (self._path(dataset.select(training), whitening, COARSE), held_out)
                for training, held_out in view.splits()
            ]
            for view in views
        ]
        highest, since_best = -inf, 0
        for strength in strengths:
            differences = [
                self._out_of_fold(dataset, base, folds, strength) / len(view.fold_of)
                for view, folds in zip(views, paths, strict=True)
            ]
            row = _row(Candidate(whitening, strength), views, differences)
            yield row
            since_best = 0 if row.overall.mean > highest else since_best + 1
            highest = max(highest, row.overall.mean)
            if since_best >= PATIENCE or row.overall.mean < highest - row.overall.error:
                return

    def _path(self, dataset: EmbeddedDataset, whitening: float, precision: Precision) -> "_Path":
        return _Path(dataset, self.priors[whitening], self.with_bias, precision)

    def _out_of_fold(
        self,
        dataset: EmbeddedDataset,
        base: Values,
        folds: Sequence[tuple["_Path", Rows]],
        strength: float,
    ) -> Values:
        differences = np.zeros(len(base))
        for path, held_out in folds:
            adapter = path.step(strength).as_adapter(dataset.queries)
            scores = evaluate_vectors(dataset.select(held_out), adapter, metrics=[self.metric])
            differences[held_out] += scores.per_query[self.metric] - base[held_out]
        return differences


class _Path:
    """Fits of one training set down the strengths, each starting from the last."""

    def __init__(
        self, dataset: EmbeddedDataset, prior: LinearMap, with_bias: bool, precision: Precision
    ) -> None:
        self._dataset = dataset
        self._prior = prior
        self._with_bias = with_bias
        self._precision = precision
        self.at = prior

    def step(self, strength: float) -> LinearMap:
        if strength < inf:
            objective = SoftmaxObjective(
                self._dataset, prior=self._prior, strength=strength, with_bias=self._with_bias
            )
            self.at = solve(objective, self.at, precision=self._precision)
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
