"""What each way to serve the new model scores on labelled questions, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.embedders.two_models import Served
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.bootstrap import Interval, bootstrap_intervals
from query_adapters.evaluation.groups import usable_groups
from query_adapters.training.candidates import ViewScore
from query_adapters.training.guard import ALPHA, answer_groups, max_t_p_value
from query_adapters.typing import Guard, Rows, Similarity, Values

OLD, OLD_LABELS, BRIDGE, LABELS, BOTH, BOTH_LABELS, AGAIN = (
    "old model as it is",
    "old model + labels",
    "new model through the bridge",
    "bridge + labels",
    "both models",
    "both models + labels",
    "embedding again, estimated",
)
NAMES: Mapping[Served, tuple[str, str]] = {
    "old": (OLD, OLD_LABELS),
    "new": (BRIDGE, LABELS),
    "both": (BOTH, BOTH_LABELS),
}
"""Candidates without and with labels, by the models that embed questions."""


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

    def p_value(
        self, one: str, other: str, *, among: Sequence[str] = (), loss: float = 0.0
    ) -> float:
        """Return the probability of so large a difference by chance, one-sided.

        Args:
            one: The candidate that was chosen.
            other: What it is compared with.
            among: The candidates that it was chosen from; by default it alone.
            loss: As in `is_better`.
        """
        names = among or (one,)
        differences = [self._differences(name, other) + loss for name in names]
        return max_t_p_value(differences, names.index(one), groups=self.answers)

    def is_better(
        self, one: str, other: str, guard: Guard, *, among: Sequence[str] = (), loss: float = 0.0
    ) -> bool:
        """Return whether `one` is better than `other`, as sure as the guard requires.

        Args:
            one: The candidate that was chosen.
            other: What it is compared with.
            guard: How sure.
            among: The candidates that it was chosen from; by default it alone.
            loss: Loss of the metric that is accepted: then `one` need only not be worse by more.
        """
        if guard == "strict":
            return self.p_value(one, other, among=among, loss=loss) <= ALPHA
        gain = ViewScore.of(self._differences(one, other) + loss)
        return gain.mean > (gain.error if guard == "expected" else 0)

    def _differences(self, one: str, other: str) -> Values:
        return self.per_question[one] - self.per_question[other]


def scores_of(
    dataset: EmbeddedDataset, adapter: QueryAdapter | None, metric: str, similarity: Similarity
) -> Values:
    """Return the metric on each question of exact search, `(n_questions,)`."""
    found = evaluate_vectors(dataset, adapter, metrics=(metric,), similarity=similarity)
    return found.per_query[metric]
