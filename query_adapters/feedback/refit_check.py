"""Compare a new adapter with the one that serves and with the base, and decide (extra: train)."""

from dataclasses import dataclass, replace
from pathlib import Path

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.storage import SavedAdapter, save_adapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import Evaluation, evaluate_vectors
from query_adapters.evaluation.groups import dataset_groups
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.evaluation.significance import sign_flip_test
from query_adapters.training.guard import ALPHA
from query_adapters.training.verdict import (
    DEPLOY,
    ResultWithVerdict,
    Verdict,
    confidence_text,
    counted,
    gain_text,
    guard_lines,
)
from query_adapters.typing import Guard, Similarity


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RefitResult(ResultWithVerdict):
    """An adapter that was trained again, or the one that serves, and how they compare.

    Attributes:
        verdict: The outcome; "adapter" if the new one was saved, "start" if the old one stays.
        saved: The adapter to serve, with its record.
        over_serving: The serving adapter ("base" in its fields) against the new one, on new
            questions that trained neither.
        over_base: The base model against the new adapter, on the same questions.
        trained: What the new adapter was trained on: the questions with their labels and weights.
        checked: What both were compared on.
    """

    saved: SavedAdapter
    over_serving: MetricComparison
    over_base: MetricComparison
    trained: RetrievalDataset
    checked: RetrievalDataset

    @property
    def n_trained(self) -> int:
        """Number of questions that the new adapter was trained on."""
        return len(self.trained.queries)

    @property
    def n_checked(self) -> int:
        """Number of questions that both were compared on."""
        return len(self.checked.queries)


@dataclass(frozen=True, kw_only=True, eq=False)
class RefitCheck:
    """New questions that decide whether a new adapter replaces the one that serves.

    Attributes:
        dataset: The questions.
        embedded: Their vectors over the documents that are searched.
        metric: Metric of the comparison, such as "ndcg@10".
        similarity: What the store ranks by.
        guard: How sure the gain must be.
        seed: Of the test and the bootstrap.
    """

    dataset: RetrievalDataset
    embedded: EmbeddedDataset
    metric: str
    similarity: Similarity
    guard: Guard
    seed: int

    def result(
        self,
        candidate: SavedAdapter,
        serving: SavedAdapter,
        *,
        output: Path,
        trained: RetrievalDataset,
    ) -> RefitResult:
        """Return the decision; a candidate, which `trained` has made, is saved if it passes."""
        base, old, new = map(self._scores, (None, serving.adapter, candidate.adapter))
        groups = dataset_groups(self.dataset)
        over_serving, over_base = (
            compare(other, new, groups=groups, seed=self.seed)[self.metric] for other in (old, base)
        )
        counts = self.embedded.relative_weights
        differences = counts * (new.per_query[self.metric] - old.per_query[self.metric])
        p_value = float(
            sign_flip_test(differences[:, None, None], groups=groups, seed=self.seed).greater[0, 0]
        )
        gains = over_serving.difference.mean, over_base.difference.mean
        is_kept = self.guard == "off" or (
            min(gains) > 0 and (self.guard == "expected" or p_value <= ALPHA)
        )
        verdict = self._verdict(over_serving, over_base, p_value, is_kept=is_kept)
        saved = serving
        if is_kept:
            training = {**candidate.record.training, **verdict.to_record(), "refit": True}
            record = replace(candidate.record, training=training)
            saved = replace(candidate, record=record)
            save_adapter(saved, output)
        return RefitResult(
            verdict=verdict,
            saved=saved,
            over_serving=over_serving,
            over_base=over_base,
            trained=trained,
            checked=self.dataset,
        )

    def _scores(self, adapter: QueryAdapter | None) -> Evaluation:
        return evaluate_vectors(
            self.embedded, adapter, metrics=[self.metric], similarity=self.similarity
        )

    def _verdict(
        self,
        over_serving: MetricComparison,
        over_base: MetricComparison,
        p_value: float,
        *,
        is_kept: bool,
    ) -> Verdict:
        n_queries = len(self.dataset.queries)
        basis = counted(n_queries, "held-out new question")
        headline = "Use the new adapter" if is_kept else "Keep the adapter that serves now"
        return Verdict(
            decision="adapter" if is_kept else "start",
            headline=headline,
            metric=self.metric,
            expected_gain=over_serving.difference,
            p_value=p_value,
            details=(
                (
                    "Over the serving adapter",
                    gain_text(over_serving.difference, self.metric, basis),
                ),
                ("Over the base model", gain_text(over_base.difference, self.metric, basis)),
                ("Confidence", confidence_text(p_value, "one-sided", n_queries)),
                *guard_lines(self.guard),
            ),
            advice=DEPLOY if is_kept else "none; refit again with more feedback",
        )
