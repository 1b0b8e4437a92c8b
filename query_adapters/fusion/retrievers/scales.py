"""One scale for the scores of different retrievers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

import numpy as np

from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion.retrievers.lists import RetrievedList
from query_adapters.typing import Values

By = Literal["score", "distance", "rank"]
RANK_CONSTANT = 60
ORDERED = 1e-6  # share of a range by which a lower document may have the higher score


@dataclass(frozen=True)
class Scale:
    """Puts the results of one retriever on the scale that all of them share.

        (value - floor) / span

    The value is the score, minus the distance, or 1 / (60 + rank). The floor is the lowest value
    that was returned for the question, or 0 for ranks. A document that the retriever did not
    return counts as the floor, so as 0.

    Attributes:
        by: Which value counts. "rank" if scores are missing, all equal, or not in the order of the
            documents, such as those of maximal marginal relevance.
        span: Mean difference of the highest value and the floor over the training questions that
            have a result, above 0.

    Raises:
        InvalidVectorsError: If `by` is unknown or `span` is not above 0 and finite.

    Source: Cormack, Clarke, Büttcher, Reciprocal Rank Fusion (2009), for 1 / (60 + rank).
    """

    by: By
    span: float

    def __post_init__(self) -> None:
        if self.by not in get_args(By) or not 0 < self.span < np.inf:
            raise InvalidVectorsError(
                f"expected a scale by score, distance or rank and a span above 0, got {self.by!r} "
                f"and {self.span}; train again"
            )

    @classmethod
    def of(cls, lists: Sequence[RetrievedList]) -> Self:
        """Return the scale of a retriever from its results for the training questions."""
        given = [found for found in lists if found.ids]
        scored = [found.scores for found in given if found.scores is not None]
        if len(scored) == len(given) > 0:
            values = [np.array(scores) for scores in scored]
            span = float(np.mean([np.ptp(of_question) for of_question in values]))
            if span > 0 and all(_descend(of_question) for of_question in values):
                return cls("score", span)
            if span > 0 and all(_descend(-of_question) for of_question in values):
                return cls("distance", span)
        return cls("rank", 1 / (RANK_CONSTANT + 1))

    def __call__(self, found: RetrievedList) -> Values:
        """Return the documents on the common scale, each at least 0, `(len(found.ids),)`.

        Raises:
            InvalidVectorsError: If scores are needed and the retriever returned none.
        """
        if self.by == "rank":
            values = 1 / (RANK_CONSTANT + 1.0 + np.arange(len(found.ids)))
            return values / self.span
        if not found.ids:
            return np.empty(0)
        if found.scores is None:
            raise InvalidVectorsError(
                "expected scores, as for the training questions, got documents without; let the "
                "retriever return them, or train again"
            )
        values = np.array(found.scores) * (1 if self.by == "score" else -1)
        scaled: Values = (values - values.min()) / self.span
        return scaled


def _descend(values: Values) -> bool:
    return bool((np.diff(values) <= ORDERED * np.ptp(values)).all())
