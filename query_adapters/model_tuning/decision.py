"""Base against tuned model on held-out questions, and which of them to keep."""

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
from query_adapters.training.guard import ALPHA, max_t_p_value
from query_adapters.typing import Values


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """What the tuned model is worth on the held-out questions.

    Attributes:
        model: The best of the interpolations, or the base where it is kept.
        is_tuned: Whether it is one of the interpolations.
        share: How far from the base's weights to the tuned ones the best one lies.
        shares: Mean nDCG@10 of each interpolation, by share.
        comparison: Base against the best interpolation, by metric.
        p_value: Probability of so large a gain in nDCG@10 if no look at the model, and no
            interpolation, were better than the base.
        verdict: The outcome in one sentence.
    """

    model: SentenceTransformer
    is_tuned: bool
    share: float
    shares: Mapping[float, float]
    comparison: Mapping[str, MetricComparison]
    p_value: float
    verdict: str

    def to_record(self) -> dict[str, Any]:
        """Return everything but the model, as JSON can hold it."""
        return {
            "verdict": self.verdict,
            "kept": "tuned" if self.is_tuned else "base",
            "p_value": self.p_value,
            "interpolation": self.share,
            "interpolations": {str(share): mean for share, mean in self.shares.items()},
            "held_out": {name: asdict(row) for name, row in self.comparison.items()},
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Measures models on the held-out questions.

    Attributes:
        held_out: The questions.
        stored: Vectors by document id, where they stay as they are; of the other documents
            each model makes its own.
        batch_size: Texts at once.
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
        """Return the best interpolation, or the base where no gain can be shown.

        Args:
            base: Where training started.
            tuned: Where it ended.
            interpolations: Shares of the way to try; of equal ones the nearest to the base wins.
            looks: Values of the questions at each evaluation during training: the tuned model
                is the best of them, which the test has to allow for.
            keep_base_if_worse: Whether a model whose gain cannot be shown is given up.
        """
        before = self.evaluate(base)
        shares = sorted(set(interpolations))
        models = [interpolated(base, tuned, share) for share in shares]
        after = [self.evaluate(model) for model in models]
        means = [evaluation.means[METRIC] for evaluation in after]
        best = int(np.argmax(means))
        p_value = max_t_p_value(
            [e.per_query[METRIC] - before.per_query[METRIC] for e in after]
            + [look - before.per_query[METRIC] for look in looks],
            best,
            groups=document_groups(self.held_out),
        )
        comparison = compare(before, after[best], groups=dataset_groups(self.held_out))
        is_tuned = p_value <= ALPHA or not keep_base_if_worse
        return Judgement(
            model=models[best] if is_tuned else base,
            is_tuned=is_tuned,
            share=shares[best],
            shares=dict(zip(shares, means, strict=True)),
            comparison=comparison,
            p_value=p_value,
            verdict=_verdict(comparison[METRIC], shares[best], p_value, is_tuned=is_tuned),
        )


def _verdict(row: MetricComparison, share: float, p_value: float, *, is_tuned: bool) -> str:
    n_questions = row.wins + row.ties + row.losses
    gain = row.difference
    told = (
        f"{METRIC} {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] on {n_questions} held-out "
        f"questions, p = {p_value:.2g}"
    )
    if not is_tuned:
        return f"no reliable gain: base kept (tuned model {told})"
    unsure = "" if p_value <= ALPHA else ", a gain that chance explains as well"
    return f"tuned model kept: {told}{unsure}; weights {share:.0%} of the way from the base"
