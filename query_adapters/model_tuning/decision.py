"""Compare base and tuned model on held-out questions, and decide which of them to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sentence_transformers import SentenceTransformer

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import embed_dataset
from query_adapters.data.splits import document_groups
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.evaluation import DEFAULT_METRICS, Evaluation, evaluate_vectors
from query_adapters.evaluation.groups import dataset_groups
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.model_tuning.evaluator import METRIC
from query_adapters.model_tuning.models import interpolated, ranking_of
from query_adapters.model_tuning.verdict import tuning_verdict
from query_adapters.training.decision import grouped_score
from query_adapters.training.guard import ALPHA, max_t_p_value
from query_adapters.training.verdict import ResultWithVerdict
from query_adapters.typing import Values


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Judgement(ResultWithVerdict):
    """The tuned model's gain on the held-out questions, and the decision.

    Attributes:
        verdict: The outcome. Its p value is adjusted for the evaluations during training and for
            the interpolations, among which the model was chosen.
        model: The best of the interpolations, or the base if it is kept.
        is_tuned: Whether it is one of the interpolations.
        share: Position of the best interpolation, from 0 (the base's weights) to 1 (the tuned
            ones).
        shares: Mean nDCG@10 of each interpolation, by share.
        comparison: Base against the best interpolation, by metric.
    """

    model: SentenceTransformer
    is_tuned: bool
    share: float
    shares: Mapping[float, float]
    comparison: Mapping[str, MetricComparison]

    def to_record(self) -> dict[str, Any]:
        """Return everything but the model, as JSON can hold it."""
        return {
            **self.verdict.to_record(),
            "interpolation": self.share,
            "interpolations": {str(share): mean for share, mean in self.shares.items()},
            "held_out": {name: asdict(row) for name, row in self.comparison.items()},
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Measures models on the held-out questions.

    Attributes:
        held_out: The questions.
        stored: Vectors by id of the documents whose vectors stay as they are; each model embeds
            the other documents itself.
        batch_size: Texts per batch.
    """

    held_out: RetrievalDataset
    stored: Mapping[str, ArrayLike]
    batch_size: int = 32

    def evaluate(self, model: SentenceTransformer) -> Evaluation:
        """Return the model's scores."""
        embedder = SentenceTransformerEmbedder.from_model(
            model, model_name="", batch_size=self.batch_size
        )
        embedded = embed_dataset(self.held_out, embedder, stored=self.stored)
        metrics = tuple(dict.fromkeys((*DEFAULT_METRICS, METRIC)))
        return evaluate_vectors(embedded, metrics=metrics, similarity=ranking_of(model))

    def judge(
        self,
        base: SentenceTransformer,
        tuned: SentenceTransformer,
        *,
        interpolations: Sequence[float],
        looks: Sequence[Values],
        keep_base_if_worse: bool,
    ) -> Judgement:
        """Return the best interpolation, or the base if no gain can be shown.

        Args:
            base: The model before training.
            tuned: The model after training.
            interpolations: Shares of the tuned weights to try, 0..1; of equally good ones the
                smallest is taken.
            looks: Scores of the questions at each evaluation during training, of which the tuned
                model is the best; the test allows for that choice.
            keep_base_if_worse: Whether to keep the base if no gain can be shown.
        """
        before = self.evaluate(base)
        shares = sorted(set(interpolations))
        models = [interpolated(base, tuned, share) for share in shares]
        after = [self.evaluate(model) for model in models]
        means = [evaluation.means[METRIC] for evaluation in after]
        best = int(np.argmax(means))
        scores = [*(evaluation.per_query[METRIC] for evaluation in after), *looks]
        differences = [score - before.per_query[METRIC] for score in scores]
        groups = document_groups(self.held_out)
        p_value = max_t_p_value(differences, best, groups=groups)
        comparison = compare(before, after[best], groups=dataset_groups(self.held_out))
        is_tuned = p_value <= ALPHA or not keep_base_if_worse
        verdict = tuning_verdict(
            comparison[METRIC].difference,
            grouped_score(differences[best], groups).error,
            metric=METRIC,
            n_queries=len(groups),
            n_interpolations=len(shares),
            n_evaluations=len(looks),
            p_value=p_value,
            share=shares[best],
            is_tuned=is_tuned,
            keeps_index=bool(self.stored),
        )
        return Judgement(
            verdict=verdict,
            model=models[best] if is_tuned else base,
            is_tuned=is_tuned,
            share=shares[best],
            shares=dict(zip(shares, means, strict=True)),
            comparison=comparison,
        )
