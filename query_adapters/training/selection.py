"""Which settings to use: every candidate is tried on questions that it was not trained on.

Two views, as one alone flatters: over *questions* a map may have memorised its documents;
over *documents* nobody sees what a query log is worth.

    seen     new questions about documents that have training questions
    unseen   questions about documents that have none: their questions leave the training set,
             and with them the documents leave the negatives
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, sqrt

import numpy as np
from tqdm.auto import tqdm

from query_adapters.evaluation.evaluate import evaluate_vectors
from query_adapters.splits import folds
from query_adapters.training.objective import LinearMap, SoftmaxObjective
from query_adapters.training.solver import COARSE, FINE, Precision, solve
from query_adapters.typing import Rows, Values
from query_adapters.vectors import EmbeddedDataset

logger = logging.getLogger(__name__)

PATIENCE = 2  # steps down the path of strengths without a better score before it is left; one
# step is enough where it falls more than a standard error behind


@dataclass(frozen=True)
class Candidate:
    """One setting of the trainer.

    Attributes:
        whitening: Exponent of the spectral prior, at least 0.
        strength: λ, the pull back to the prior; infinite for the prior itself.
    """

    whitening: float
    strength: float


@dataclass(frozen=True, kw_only=True)
class ViewScore:
    """Differences from the base model on the questions of one view.

    Attributes:
        mean: Mean difference of the metric.
        error: Its standard error over questions.
    """

    mean: float
    error: float

    @classmethod
    def of(cls, differences: Values) -> "ViewScore":
        """Return mean and standard error of one difference a question."""
        spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
        return cls(mean=float(differences.mean()), error=spread / sqrt(len(differences)))

    @property
    def is_worse_than_base(self) -> bool:
        """Whether the mean lies more than one standard error below 0."""
        return self.mean < -self.error


@dataclass(frozen=True, kw_only=True)
class CandidateScore:
    """One row of the out-of-fold table.

    Attributes:
        candidate: The settings.
        seen: New questions about documents that have training questions; None if not measured.
        unseen: Questions about other documents; None if not measured.
        overall: Both views, weighted by the share of questions expected in each.
        differences: What `overall` is the mean of, one a question, `(n_queries,)`.
    """

    candidate: Candidate
    seen: ViewScore | None
    unseen: ViewScore | None
    overall: ViewScore
    differences: Values = field(repr=False, compare=False)

    @property
    def is_admissible(self) -> bool:
        """Whether it is not worse than the base in either view."""
        views = [view for view in (self.seen, self.unseen) if view is not None]
        return not any(view.is_worse_than_base for view in views)


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """Folds over the training questions, and the weight of their verdict.

    Attributes:
        name: "seen" or "unseen".
        fold_of: Fold number of each question in each repetition, `(n_repeats, n_queries)`.
        weight: Expected share of future questions of this kind, 0..1.
    """

    name: str
    fold_of: Rows
    weight: float

    def splits(self) -> Iterator[tuple[Rows, Rows]]:
        """Yield (training, held-out) question rows, fold by fold."""
        for fold_of in self.fold_of:
            for fold in range(int(fold_of.max()) + 1):
                yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


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
            strength = _best(table).candidate.strength
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
        best, since_best = -inf, 0
        for strength in strengths:
            differences = [
                self._out_of_fold(dataset, base, folds, strength) / len(view.fold_of)
                for view, folds in zip(views, paths, strict=True)
            ]
            row = _row(Candidate(whitening, strength), views, differences)
            yield row
            since_best = 0 if row.overall.mean > best else since_best + 1
            best = max(best, row.overall.mean)
            if since_best >= PATIENCE or row.overall.mean < best - row.overall.error:
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


def make_views(
    dataset: EmbeddedDataset, *, n_folds: int, n_repeats: int, seed: int, seen_share: float
) -> list[View]:
    """Return the views that the data allow, their weights adding up to 1.

    A view needs at least two groups of questions; where one is missing the other has all the
    weight, and where both are missing there is nothing to measure on. At `seen_share` 1 no
    question about an unseen document is expected, and none is measured.
    """
    groups = [
        ("seen", dataset.query_groups, seen_share),
        ("unseen", dataset.document_groups, 1 - seen_share),
    ]
    if seen_share == 1:
        del groups[1]
    feasible = [(name, group, w) for name, group, w in groups if len(np.unique(group)) > 1]
    total = sum(weight for _, _, weight in feasible)
    return [
        View(
            name=name,
            fold_of=_repeated_folds(group, n_folds, n_repeats, seed),
            weight=weight / total if total else 1.0,
        )
        for name, group, weight in feasible
    ]


def _repeated_folds(groups: Rows, n_folds: int, n_repeats: int, seed: int) -> Rows:
    n_folds = min(n_folds, len(np.unique(groups)))
    seeds = np.random.SeedSequence(seed).generate_state(n_repeats)
    return np.stack([folds(groups, n_folds=n_folds, seed=int(s)) for s in seeds])


def choose(table: Sequence[CandidateScore]) -> CandidateScore | None:
    """Return the best candidate, or None if the base is to be kept.

    A candidate that is worse than the base in either view is out. Among the others the first
    prior stands unless another is better by more than a standard error, and what is left must
    beat the base by more than a standard error.

    Args:
        table: At least one row, the first prior's rows first.
    """
    admissible = [row for row in table if row.is_admissible]
    first = [row for row in admissible if row.candidate.whitening == table[0].candidate.whitening]
    others = [row for row in admissible if row not in first]
    chosen = _best(first) if first else None
    for row in others:
        bar = 0.0 if chosen is None else chosen.overall.mean
        if row.overall.mean - row.overall.error > bar:
            chosen = row
    return chosen if chosen and chosen.overall.mean > chosen.overall.error else None


def _best(table: Sequence[CandidateScore]) -> CandidateScore:
    return max(table, key=lambda row: row.overall.mean)


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
