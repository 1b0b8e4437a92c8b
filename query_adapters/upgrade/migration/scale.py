"""One scale for scores of the old index and scores of the new one."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from query_adapters.typing import Values

NEAREST = 5  # documents that the upper anchor is the mean of


@dataclass(frozen=True)
class CommonScale:
    """Puts a question's scores in the old index on the scale of its scores in the new one.

        level + slope * (score - centre)

    The line takes two anchors of the old scores to those of the new ones: the mean over a sample
    of documents that both models embedded, and the mean of the sample's five highest scores. It is
    fitted for each question anew, because the spread of scores differs between questions. The slope
    is above 0, so the order of the old index is kept.

    A least-squares line through the pairs of scores ranks much worse: it draws old scores toward
    the mean as far as the two models disagree, and then documents of the new index come first.

    Attributes:
        centre: Mean old score of the sample.
        level: Mean new score of the sample.
        slope: Ratio of the distances between the anchors, new over old; 1 if either is 0.
    """

    centre: float
    level: float
    slope: float

    @classmethod
    def of(cls, old: Values, new: Values) -> Self:
        """Return the scale of a question.

        Args:
            old: Its scores of the sampled documents in the old space, `(n,)`.
            new: Its scores of the same documents in the new space, `(n,)`.
        """
        (centre, high), (level, top) = _anchors(old), _anchors(new)
        is_flat = high <= centre or top <= level
        return cls(centre, level, 1.0 if is_flat else (top - level) / (high - centre))

    def __call__(self, scores: Values) -> Values:
        """Return old scores on the new scale, in the same shape."""
        scaled: Values = self.level + self.slope * (scores - self.centre)
        return scaled


def _anchors(scores: Values) -> tuple[float, float]:
    """Return the mean score and the mean of the five highest ones."""
    return float(scores.mean()), float(np.sort(scores)[-NEAREST:].mean())
