"""Learn the scoring head beside a trained adapter, and keep it only if it helps."""

import logging
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.adapters.linear import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.metrics import Metric
from query_adapters.evaluation.search import exact_search
from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.model import DEPTH
from query_adapters.fusion.pools import AdapterOf, LexicalScores, PoolMaker
from query_adapters.fusion.selection import ALONE, HEAD_ALPHA, HeadComparison, candidates
from query_adapters.fusion.verdict import head_verdict
from query_adapters.fusion.weights import JudgedPools, fit_head
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.training.candidates import Candidate
from query_adapters.training.decision import QuestionGroups, Selection, select_candidate
from query_adapters.training.folds import View, make_views
from query_adapters.training.selection import Grid
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.training.workers import Workers
from query_adapters.typing import Rows

MAX_QUERIES = 1_000  # questions that weights are fitted on; a handful of numbers needs no more
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FusionTraining(ResultWithVerdict):
    """A scoring head and how it was chosen.

    Attributes:
        verdict: The outcome; the gain is over the base, or over the adapter to refine.
        head: The weights; all 0 if no gain could be shown.
        selection: The candidates' comparison.
        n_queries: Questions that the weights were fitted on.
        elapsed_seconds: Wall time.
    """

    head: ScoringHead
    selection: Selection
    n_queries: int
    elapsed_seconds: float

    def to_record(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            **self.verdict.to_record(),
            "weights": self.head.to_record(),
            "n_queries": self.n_queries,
            "elapsed_seconds": round(self.elapsed_seconds, 3),
        }


@dataclass(frozen=True, kw_only=True)
class FusionTrainer:
    """The settings of the head's training, and the training itself (`fit`).

    Args:
        trainer: The settings that the adapter was trained with: metric, folds, views and guard.
        depth: As in `FusionModel`.
    """

    trainer: AdapterTrainer
    depth: int = DEPTH

    def fit(
        self,
        dataset: EmbeddedDataset,
        adapted: TrainingResult,
        *,
        lexical: LexicalScores | None,
        start: RefinableAdapter | None = None,
    ) -> FusionTraining:
        """Return the head that does best on held-out questions, or one without weights.

        The features of a question are computed without it: by the adapter and the votes of the
        other folds. In the view of unseen documents, its documents have no votes. The adapter
        alone is one of the candidates. Under the strict guard the candidate must gain more over
        the base than chance explains. Where labels are on units with several vectors, votes are
        for units, each vector is scored, and a unit counts at its best one.

        Args:
            dataset: Training questions over the documents that are searched.
            adapted: The trained adapter.
            lexical: Returns the lexical feature of every document for a question, by its row;
                None without exact words.
            start: The adapter that was refined, if one was.
        """
        began, trainer = time.perf_counter(), self.trainer
        rows = np.arange(0, len(dataset.queries), -(-len(dataset.queries) // MAX_QUERIES))
        part = dataset.select(rows)
        views = make_views(
            part,
            n_folds=trainer.n_folds,
            n_repeats=1,
            seed=trainer.seed,
            seen_share=adapted.seen_share,
        )
        maker = PoolMaker(
            dataset=part,
            adapter_of=self._adapter_of(dataset, adapted, start),
            lexical=None if lexical is None else lambda row: lexical(int(rows[row])),
            similarity=trainer.similarity,
            depth=max(self.depth, Metric.parse(trainer.metric).k),
            workers=Workers.of(part, trainer.n_jobs),
        )
        with maker.workers.limited():
            selection, fitted = self._selected(maker, views, self._reference(part, start))
        head = fitted.with_votes_times(len(rows) / len(dataset.queries))
        verdict = head_verdict(selection, head, trainer, adapted, n_queries=len(rows))
        logger.info("%s", verdict.one_line)
        return FusionTraining(
            verdict=verdict,
            head=head,
            selection=selection,
            n_queries=len(rows),
            elapsed_seconds=time.perf_counter() - began,
        )

    def _selected(
        self, maker: PoolMaker, views: list[View], reference: Rows
    ) -> tuple[Selection, ScoringHead]:
        trainer, part = self.trainer, maker.dataset
        groups = QuestionGroups.of(part)
        if not views:
            return select_candidate(None, groups, guard=trainer.guard, seed=trainer.seed), ALONE
        counts = part.relative_weights if part.is_weighted else None
        pools = [
            JudgedPools.of(maker.pools(view), part.relevant, part.grades, view.weight, counts)
            for view in views
        ]
        comparison = HeadComparison(
            dataset=part,
            views=views,
            pools=pools,
            reference=reference,
            metric=trainer.metric,
            counts=counts,
        )
        table = comparison.table(
            candidates(with_text=maker.lexical is not None),
            groups=groups.held_out("unseen"),
            seed=trainer.seed,
        )
        selection = select_candidate(
            table, groups, guard=trainer.guard, seed=trainer.seed, alpha=HEAD_ALPHA
        )
        if selection.chosen is None:
            return selection, ALONE
        return selection, fit_head(pools, selection.chosen.candidate)

    def _reference(self, part: EmbeddedDataset, start: RefinableAdapter | None) -> Rows:
        """Return the best documents of each question without a trained adapter."""
        trainer = self.trainer
        queries = part.queries if start is None else start(part.queries)
        k = Metric.parse(trainer.metric).k
        return exact_search(
            queries, part.documents, k=k, similarity=trainer.similarity, units=part.units
        )

    def _adapter_of(
        self,
        dataset: EmbeddedDataset,
        adapted: TrainingResult,
        start: RefinableAdapter | None,
    ) -> AdapterOf:
        """Return how the chosen adapter is trained on a part; the same for all if none was."""
        alone: QueryAdapter = start or LinearAdapter.identity(dataset.dim)
        chosen = adapted.chosen
        if chosen is None:
            return partial(_unchanged, alone)
        return partial(_fitted, self.trainer.grid(dataset, start), chosen.candidate)


def _unchanged(adapter: QueryAdapter, _: EmbeddedDataset) -> QueryAdapter:
    return adapter


def _fitted(grid: Grid, candidate: Candidate, training: EmbeddedDataset) -> QueryAdapter:
    return grid.fit(training, candidate).as_adapter(training.queries)
