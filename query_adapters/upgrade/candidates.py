"""What each way to serve the new model scores on labelled questions, side by side."""

from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.bootstrap import Interval, bootstrap_intervals
from query_adapters.evaluation.groups import usable_groups
from query_adapters.training.candidates import ViewScore
from query_adapters.training.guard import ALPHA, Guard, answer_groups, max_t_p_value
from query_adapters.typing import Rows, Similarity, Values, Vectors

OLD, BRIDGE, LABELS, AGAIN = (
    "old model as it is",
    "new model through the bridge",
    "bridge + labels",
    "embedding again, estimated",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Scores of every candidate on the same labelled questions.

    Attributes:
        per_question: The metric on each question by candidate, `(n_questions,)` each.
        groups: A number per question, equal for questions that share documents or wording; None
            if questions count as independent.
        answers: A number per question, equal for questions about one document.
    """

    per_question: dict[str, Values]
    groups: Rows | None
    answers: Rows

    @classmethod
    def of(cls, per_question: dict[str, Values], dataset: EmbeddedDataset) -> "Scores":
        """Return the scores with the groups of the dataset's questions."""
        groups = usable_groups(dataset.document_groups)
        return cls(
            per_question=per_question, groups=groups, answers=answer_groups(dataset.relevant)
        )

    def means(self) -> dict[str, Interval]:
        """Return the mean of each candidate with its 95 % interval."""
        columns = np.stack(list(self.per_question.values()), axis=1)
        intervals = bootstrap_intervals(columns, groups=self.groups)
        return dict(zip(self.per_question, intervals, strict=True))

    def difference(self, one: str, other: str) -> Interval:
        """Return the mean of `one` less that of `other`, with its 95 % interval."""
        return bootstrap_intervals(self._differences(one, other)[:, None], groups=self.groups)[0]

    def p_value(self, one: str, other: str) -> float:
        """Return the probability of so large a difference by chance, one-sided."""
        return max_t_p_value([self._differences(one, other)], 0, groups=self.answers)

    def is_better(self, one: str, other: str, guard: Guard) -> bool:
        """Return whether `one` is better than `other`, as sure as the guard requires."""
        if guard == "strict":
            return self.p_value(one, other) <= ALPHA
        gain = ViewScore.of(self._differences(one, other))
        return gain.mean > (gain.error if guard == "expected" else 0)

    def _differences(self, one: str, other: str) -> Values:
        return self.per_question[one] - self.per_question[other]


def scores_of(
    dataset: EmbeddedDataset, adapter: QueryAdapter | None, metric: str, similarity: Similarity
) -> Values:
    """Return the metric on each question of exact search, `(n_questions,)`."""
    found = evaluate_vectors(dataset, adapter, metrics=(metric,), similarity=similarity)
    return found.per_query[metric]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reembedding:
    """Estimates what questions would score if the whole index were embedded again.

    On the sampled documents, the new model is compared with what serves the index today; that
    difference is added to the score over the whole index. If every document is in the sample, the
    estimate is exact. A sample that is a small part of the index is easier to search, and the
    estimate then lies too near to what serves the index today.

    Attributes:
        rows: Sampled rows of the index with all relevant ones, ascending, `(n_sampled,)`.
        vectors: Their vectors by the new model, `(n_sampled, dim)`.
        metric: Metric of the scores.
        similarity: What the index ranks by.

    Source: Särndal, Swensson, Wretman, Model Assisted Survey Sampling (1992), 6.3 (the difference
        estimator).
    """

    rows: Rows
    vectors: Vectors
    metric: str
    similarity: Similarity

    def estimate(
        self,
        new: EmbeddedDataset,
        today: EmbeddedDataset,
        adapter: QueryAdapter | None,
        scores: Values,
    ) -> Values:
        """Return the estimated score of each question, `(n_questions,)`.

        Args:
            new: The questions by the new model over the index.
            today: The questions by what serves the index today.
            adapter: The adapter that serves it; None without one.
            scores: Scores of that over the whole index, `(n_questions,)`.
        """
        over = new.over(self.rows)
        again = EmbeddedDataset(
            new.queries, self.vectors, over.relevant, over.grades, over.query_groups
        )
        fresh = scores_of(again, None, self.metric, self.similarity)
        part = scores_of(today.over(self.rows), adapter, self.metric, self.similarity)
        estimate: Values = scores + fresh - part
        return estimate
