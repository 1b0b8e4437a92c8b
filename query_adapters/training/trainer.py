"""From vectors to an adapter that is better than the base on held-out questions, or to the base."""

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError
from query_adapters.evaluation.metrics import Metric
from query_adapters.training.candidates import CandidateScore, best, choose
from query_adapters.training.exponent_selection import select_exponent
from query_adapters.training.folds import make_views
from query_adapters.training.guard import ALPHA, answer_groups, max_t_p_value
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.memory import MemorySettings
from query_adapters.training.prior import Spectrum, spectral_prior
from query_adapters.training.result import Reference, TrainingResult, verdict_on
from query_adapters.training.selection import Grid
from query_adapters.training.subsample import selection_sample
from query_adapters.typing import Similarity, Vectors

Guard = Literal["strict", "expected", "off"]
MEMORIES = (
    MemorySettings(ease=100.0, sharpness=5.0),
    MemorySettings(ease=300.0, sharpness=5.0),
    MemorySettings(ease=30.0, sharpness=5.0),
    MemorySettings(ease=100.0, sharpness=10.0),
)
"""Memories worth trying, the one that did well on most sets first."""

DEFAULT_SEEN_SHARE = 0.5
SCORES_FOR_THREADS = 10_000_000  # questions times labelled documents
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AdapterTrainer:
    """Learns an adapter; the trainer is its settings.

    Args:
        whitenings: Exponents of the spectral prior to choose from, each at least 0; the first
            stands unless another is clearly better.
        strengths: Values of λ to choose from, each above 0.
        memories: Settings of the memory part to choose from, `MEMORIES` for good ones; by
            default none, so that the adapter is linear. The first stand unless others are
            clearly better.
        metric: What candidates are compared by, such as "ndcg@10".
        n_folds: Folds of each view, at least 2.
        n_repeats: How often the questions are dealt to folds anew, at least 1.
        seen_share: Expected share of future questions about documents that have training
            questions, 0..1, a half if left out; at 1 the other view is not measured.
        bias: Whether to learn a bias as well.
        similarity: What the store to be served ranks by.
        guard: "strict" keeps an adapter only where its gain is more than chance explains;
            "expected" where it is not worse than the base in either view and better overall
            by a standard error; "off" takes the best candidate as it is.
        seed: Of the folds, a whole number from 0.
        show_progress: Whether to show a progress bar.

    Raises:
        ValueError: If a setting is out of range.
        UnknownMetricError: If the metric is unknown.
    """

    whitenings: tuple[float, ...] = (0.15, 0.0, 0.3)
    strengths: tuple[float, ...] = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)
    memories: tuple[MemorySettings, ...] = ()
    metric: str = "ndcg@10"
    n_folds: int = 4
    n_repeats: int = 1
    seen_share: float | None = None
    bias: bool = False
    similarity: Similarity = "cosine"
    guard: Guard = "strict"
    seed: int = 0
    show_progress: bool = False

    def __post_init__(self) -> None:
        Metric.parse(self.metric)
        positive = bool(self.strengths) and all(strength > 0 for strength in self.strengths)
        _require(positive, "strengths above 0", self.strengths)
        finite = bool(self.whitenings) and all(0 <= exponent < inf for exponent in self.whitenings)
        _require(finite, "finite whitenings from 0", self.whitenings)
        _require(self.guard in get_args(Guard), f"a guard of {get_args(Guard)}", self.guard)
        similarities = get_args(Similarity)
        known = self.similarity in similarities
        _require(known, f"a similarity of {similarities}", self.similarity)
        _require(self.n_folds >= 2, "at least 2 folds", self.n_folds)
        _require(self.n_repeats >= 1, "at least 1 repeat", self.n_repeats)
        _require(0 <= self._seen_share <= 1, "a seen_share between 0 and 1", self.seen_share)
        _require(_is_seed(self.seed), "a whole number from 0 as the seed", self.seed)

    @property
    def _seen_share(self) -> float:
        return DEFAULT_SEEN_SHARE if self.seen_share is None else self.seen_share

    def fit(
        self,
        dataset: EmbeddedDataset,
        *,
        served: Vectors | None = None,
        start: LinearAdapter | None = None,
    ) -> TrainingResult:
        """Return the adapter that does best on held-out questions, or the identity.

        Under the strict guard an adapter is kept if it is not worse than the base in either
        view, and better overall by more than chance explains (p <= 0.05, adjusted for the
        candidates tried). Where there is a `start`, it stands for the base. Of a large dataset,
        candidates are compared on a part (at most 2,500 questions over 100,000 documents); what
        is chosen is trained on all of it.

        Args:
            dataset: Training questions over the documents that selection searches.
            served: Document vectors of the index to be served, `(n, dim)`, where it is not
                the dataset's own: what is learned is then put on top of *its* spectral prior,
                as strong as does best on documents held out with their questions.
            start: An adapter to refine. It takes the place of the spectral prior, gains are
                measured against it, and it is returned where none can be shown: on questions
                that it was trained on itself, hardly any can.

        Raises:
            DimensionMismatchError: If `served` or `start` are of another dimension.
        """
        began = time.perf_counter()
        _check_dims(dataset.dim, served, start)
        grid = self._grid(dataset, start)
        sample = selection_sample(dataset, similarity=self.similarity, seed=self.seed)
        with _calm_blas(sample):
            table = self._table(grid, sample)
            chosen, p_value = self._guarded(table, sample)
        adapter: QueryAdapter = start or LinearAdapter.identity(dataset.dim)
        exponent: float | None = None
        if chosen is not None:
            with _calm_blas(dataset):
                fitted = grid.fit(dataset, chosen.candidate)
                if served is not None and start is None:
                    exponent = select_exponent(grid, sample, chosen.candidate, self.seed)
                    here = grid.priors[chosen.candidate.whitening].weight
                    fitted = fitted.shifted(self._prior(served, exponent) - here)
                adapter = fitted.as_adapter(dataset.queries)
        reference: Reference = "base" if start is None else "start"
        verdict = verdict_on(
            chosen,
            table,
            p_value,
            self.metric,
            reference=reference,
            seen_share=self._seen_share,
        )
        logger.info("%s", verdict)
        return TrainingResult(
            adapter=adapter,
            chosen=chosen,
            table=table,
            served_whitening=exponent,
            p_value=p_value,
            verdict=verdict,
            metric=self.metric,
            reference=reference,
            seen_share=self._seen_share,
            n_queries=len(dataset.queries),
            n_compared=len(sample.queries),
            n_documents=len(dataset.documents),
            elapsed_seconds=time.perf_counter() - began,
        )

    def _table(self, grid: Grid, dataset: EmbeddedDataset) -> tuple[CandidateScore, ...]:
        views = make_views(
            dataset,
            n_folds=self.n_folds,
            n_repeats=self.n_repeats,
            seed=self.seed,
            seen_share=self._seen_share,
        )
        return grid.score(dataset, views, show_progress=self.show_progress) if views else ()

    def _guarded(
        self, table: tuple[CandidateScore, ...], dataset: EmbeddedDataset
    ) -> tuple[CandidateScore | None, float]:
        """Return the best candidate, or None if its gain may be chance, and how likely that is.

        Tested is what is gained on a question's own answers over what is gained on another's: so
        labels that have nothing to do with their questions pass only by chance. Questions about
        one document stand or fall together, so they count as one.
        """
        if self.guard == "off" and table:
            chosen: CandidateScore | None = best(table)
        else:
            chosen = choose(table)
        if chosen is None:
            return None, 1.0
        p_value = max_t_p_value(
            [row.differences - row.controls for row in table],
            table.index(chosen),
            groups=answer_groups(dataset.relevant),
            seed=self.seed,
        )
        is_kept = p_value <= ALPHA or self.guard != "strict"
        return (chosen if is_kept else None), p_value

    def _grid(self, dataset: EmbeddedDataset, start: LinearAdapter | None) -> Grid:
        if start is None:
            spectrum = Spectrum(dataset.documents, self.similarity)
            maps = {p: LinearMap.of(spectrum.prior(p)) for p in self.whitenings}
        else:
            score = LinearScore.of(dataset.documents, self.similarity)
            maps = {0.0: LinearMap.from_adapter(start, dataset.queries, score)}
        return Grid(
            priors=maps,
            strengths=sorted(self.strengths, reverse=True),
            metric=self.metric,
            with_bias=self.bias,
            memories=self.memories,
            similarity=self.similarity,
            reference=start,
        )

    def _prior(self, documents: Vectors, exponent: float) -> Vectors:
        return spectral_prior(documents, exponent=exponent, similarity=self.similarity)


def _calm_blas(dataset: EmbeddedDataset) -> AbstractContextManager[object]:
    """Keep small problems on one thread: more of them wait for each other more than they work."""
    is_small = len(dataset.queries) * len(dataset.labelled) < SCORES_FOR_THREADS
    return threadpool_limits(limits=1, user_api="blas") if is_small else nullcontext()


def _check_dims(dim: int, served: Vectors | None, start: LinearAdapter | None) -> None:
    if served is not None and served.shape[1] != dim:
        raise DimensionMismatchError(
            "vectors of the served index",
            expected=dim,
            actual=served.shape[1],
            remedy="give the index that was built with this embedding model",
        )
    if start is not None:
        start.check_dim(dim)
        start.check_square()


def _is_seed(given: object) -> bool:
    return isinstance(given, int | np.integer) and bool(given >= 0)


def _require(holds: bool, expected: str, actual: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, got {actual}")
