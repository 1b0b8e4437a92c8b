"""Train an adapter on embedded questions and documents, and keep it only if it helps."""

import logging
import time
from dataclasses import dataclass
from math import inf
from typing import get_args

import numpy as np

from query_adapters.adapters import KernelAdapter, LinearAdapter, QueryAdapter
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.device import device_of
from query_adapters.evaluation.metrics import Metric
from query_adapters.training.adapter_verdict import VerdictContext
from query_adapters.training.adaptive_selection import SelectionOptions
from query_adapters.training.candidates import candidates_of
from query_adapters.training.decision import Selection
from query_adapters.training.dimensions import check_dims
from query_adapters.training.exponent_selection import select_exponent
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.memory import MemorySettings, memories_of
from query_adapters.training.prior import Spectrum, spectral_prior
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior
from query_adapters.training.result import TrainingResult
from query_adapters.training.selection import Grid
from query_adapters.training.subsample import selection_sample
from query_adapters.training.temperature import fitted_temperature
from query_adapters.training.threads import blas_threads_for
from query_adapters.training.verdict import Reference, Verdict
from query_adapters.training.workers import Workers, is_number_of_jobs
from query_adapters.typing import Guard, Similarity, Vectors

DEFAULT_SEEN_SHARE = 0.5
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AdapterTrainer:
    """The settings of training, and training itself (`fit`).

    Args:
        whitenings: Exponents of the spectral prior to choose from, each at least 0.
        strengths: Regularization strengths λ to choose from, each above 0.
        memories: Settings of the memory part to choose from; None stands for a map without a
            memory, so `(None,)` learns linear adapters alone.
        metric: Metric that candidates are compared on, such as "ndcg@10".
        n_folds: Folds of the cross-validation in each view, at least 2.
        n_repeats: How often questions are assigned to folds anew, at least 1. While the decision
            is close, two more assignments are added.
        seen_share: Expected share of future questions about documents that have training
            questions, 0..1, by default a half; at 1 the other view is not measured.
        bias: Whether to learn a bias as well. Without one, queries are not centred either, and
            what is learned depends on how far the model's vectors lie from the origin.
        similarity: What the store to be served ranks by.
        guard: "strict" keeps an adapter only if its gain is more than chance explains;
            "expected" if it is not worse than the base in either view and better overall by a
            standard error; "off" keeps the best candidate without a condition.
        seed: Of the folds, the test and the bootstrap; a whole number from 0.
        show_progress: Whether to show a progress bar.
        n_jobs: How many fits of the selection run at once, as in joblib: -1 for one per core. With
            None, the active `joblib.parallel_config` decides; without one, they run in threads of
            this process. The result does not depend on it.
        device: "cpu" for numpy, a device of torch such as "cuda" or "mps" for fits and searches,
            or "auto" for the best one that is there.

    Raises:
        MissingExtraError: If torch is not installed, for another device than "cpu".
        ValueError: If a setting is out of range, or there is no such device.
        UnknownMetricError: If the metric is unknown.
    """

    whitenings: tuple[float, ...] = (0.15, 0.0)
    strengths: tuple[float, ...] = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
    memories: tuple[MemorySettings | None, ...] = memories_of("auto")
    metric: str = "ndcg@10"
    n_folds: int = 4
    n_repeats: int = 1
    seen_share: float | None = None
    bias: bool = True
    similarity: Similarity = "cosine"
    guard: Guard = "strict"
    seed: int = 0
    show_progress: bool = False
    n_jobs: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        Metric.parse(self.metric)
        positive = bool(self.strengths) and all(strength > 0 for strength in self.strengths)
        _require(positive, "strengths above 0", self.strengths)
        _require(bool(self.memories), "memories, or (None,) for none", self.memories)
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
        expected = "n_jobs of None or a whole number other than 0"
        _require(is_number_of_jobs(self.n_jobs), expected, repr(self.n_jobs))
        device_of(self.device)

    @property
    def _seen_share(self) -> float:
        return DEFAULT_SEEN_SHARE if self.seen_share is None else self.seen_share

    def fit(
        self,
        dataset: EmbeddedDataset,
        *,
        served: Vectors | None = None,
        start: RefinableAdapter | None = None,
    ) -> TrainingResult:
        """Return the adapter that does best on held-out questions, or the identity.

        Under the strict guard an adapter is kept if it is not worse than the base in either
        view, and better overall by more than chance explains (p <= 0.05; the gain is measured on
        questions that did not choose the candidate). With a `start`, it takes the place of the
        base. Of a large dataset, candidates are compared on a part (at most 2,500 questions over
        100,000 documents); the chosen one is trained on all of it.

        Args:
            dataset: Training questions over the documents that selection searches.
            served: Document vectors of the index to be served, `(n, dim)`, if it is another one
                than the dataset's: the learned part is then added to the spectral prior of the
                served index, with the exponent that does best on held-out documents.
            start: An adapter to refine. It replaces the spectral prior, gains are measured
                against it, and it is returned if none can be shown. On questions that it was
                trained on itself, a gain can hardly be shown.

        Raises:
            DimensionMismatchError: If `served` or `start` have another dimension, or a dataset of
                two models has no `start`.
        """
        began = time.perf_counter()
        check_dims(dataset, served, start)
        dataset = dataset.counted
        grid = self.grid(dataset, start)
        sample = self.sample(dataset, start)
        workers = Workers.of(sample, self.n_jobs, device=self.device)
        with workers.limited():
            table, selection = self.selection(workers).select(grid, sample)
        adapter: QueryAdapter = start or LinearAdapter.identity(dataset.dim)
        exponent: float | None = None
        if selection.chosen is not None:
            candidate = selection.chosen.candidate
            if served is not None and start is None:
                with workers.limited():
                    exponent = select_exponent(
                        grid, sample, candidate, seed=self.seed, workers=workers
                    )
            with blas_threads_for(dataset):
                fit = grid.fit(dataset, candidate)
                if served is not None and exponent is not None:
                    own_prior = grid.priors[candidate.whitening].map.weight
                    fit = fit.shifted(self._prior(served, exponent) - own_prior)
                adapter = fit.as_adapter(dataset.queries)
        verdict = self._verdict(selection, sample, len(dataset.queries), start)
        logger.info("%s", verdict.one_line)
        return TrainingResult(
            adapter=adapter,
            chosen=selection.chosen,
            table=() if table is None else table.rows,
            evidence=selection.evidence,
            temperatures={p: prior.temperature for p, prior in grid.priors.items()},
            served_whitening=exponent,
            verdict=verdict,
            reference=_reference(start),
            seen_share=self._seen_share,
            n_queries=len(dataset.queries),
            n_compared=len(sample.queries),
            n_documents=dataset.n_units,
            elapsed_seconds=time.perf_counter() - began,
        )

    def sample(self, dataset: EmbeddedDataset, start: QueryAdapter | None) -> EmbeddedDataset:
        """Return the part of the dataset that candidates are compared on."""
        return selection_sample(
            dataset, similarity=self.similarity, seed=self.seed, start=start, device=self.device
        )

    def selection(self, workers: Workers) -> SelectionOptions:
        """Return how candidates are compared."""
        return SelectionOptions(
            n_folds=self.n_folds,
            n_repeats=self.n_repeats,
            seen_share=self._seen_share,
            guard=self.guard,
            seed=self.seed,
            show_progress=self.show_progress,
            workers=workers,
        )

    def _verdict(
        self, selection: Selection, compared: EmbeddedDataset, n: int, start: QueryAdapter | None
    ) -> Verdict:
        context = VerdictContext(
            metric=self.metric,
            reference=_reference(start),
            guard=self.guard,
            seen_share=self._seen_share,
            n_compared=len(compared.queries),
            n_queries=n,
            n_effective=compared.n_effective,
        )
        return context.verdict(selection)

    def grid(self, dataset: EmbeddedDataset, start: RefinableAdapter | None) -> Grid:
        """Return the candidates, and how each is fitted."""
        score = LinearScore.of(dataset.documents, self.similarity)
        if start is None:
            spectrum = Spectrum(dataset.documents, self.similarity)
            maps = {p: PriorMap.of(spectrum.prior(p)) for p in self.whitenings}
        else:
            maps = {0.0: PriorMap.from_adapter(start, dataset.queries, score)}
        return Grid(
            priors={p: Prior(m, fitted_temperature(dataset, m, score)) for p, m in maps.items()},
            candidates=candidates_of(maps, self._memories(start), self.strengths),
            metric=self.metric,
            with_bias=self.bias,
            similarity=self.similarity,
            reference=start,
            device=self.device,
        )

    def _memories(self, start: QueryAdapter | None) -> tuple[MemorySettings | None, ...]:
        """Return the memory settings to try; none if the adapter to refine has one, which stays."""
        return (None,) if isinstance(start, KernelAdapter) else self.memories

    def _prior(self, documents: Vectors, exponent: float) -> Vectors:
        return spectral_prior(documents, exponent=exponent, similarity=self.similarity)


def _reference(start: QueryAdapter | None) -> Reference:
    return "base" if start is None else "start"


def _is_seed(given: object) -> bool:
    return isinstance(given, int | np.integer) and bool(given >= 0)


def _require(holds: bool, expected: str, actual: object) -> None:
    if not holds:
        raise ValueError(f"expected {expected}, got {actual}")
