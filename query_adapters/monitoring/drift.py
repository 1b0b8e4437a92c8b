"""How far live questions have moved away from the training questions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.arrays import check_finite, unit
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.evaluation.search import SCORES_AT_ONCE, blocks_of
from query_adapters.typing import Values, Vectors

NEAR = 0.9
"""Share of the training questions that are near another one, by which "near" is defined."""
STANDARD_ERRORS = 3.0  # of a difference that counts as drift
LEAST_QUESTIONS = 10  # of either kind


@dataclass(frozen=True, kw_only=True)
class QuestionDrift:
    """Live questions beside training questions, by the similarity to the nearest training question.

    A question is near one if their cosine is at least `threshold`, which nine tenths of the
    training questions reach with another training question.

    Attributes:
        n_training: Number of training questions.
        n_live: Number of live questions.
        threshold: The cosine from which a question is near a training question.
        near_share: Share of the live questions that are near one, in [0, 1].
        expected_near_share: The same for training questions, each compared with all others.
        mean_similarity: Mean cosine of live questions to the nearest training question.
        expected_similarity: The same for training questions.
        error: Standard error of `near_share - expected_near_share`.
        seen_share: Share of the live questions that an answer with training questions answered;
            None if answers were not given.
    """

    n_training: int
    n_live: int
    threshold: float
    near_share: float
    expected_near_share: float
    mean_similarity: float
    expected_similarity: float
    error: float
    seen_share: float | None = None

    @property
    def has_drifted(self) -> bool:
        """Whether fewer live questions are near than expected, by three standard errors."""
        return self.near_share < self.expected_near_share - STANDARD_ERRORS * self.error

    @property
    def facts(self) -> str:
        """What was compared, and the figures."""
        seen = "" if self.seen_share is None else f"; {self.seen_share:.0%} have a seen answer"
        return (
            f"of {self.n_live:,}, {self.near_share:.0%} are near a training question, "
            f"{self.expected_near_share:.0%} expected (standard error {self.error:.1%}); mean "
            f"similarity {self.mean_similarity:.3f}, {self.expected_similarity:.3f} expected{seen}"
        )

    def __str__(self) -> str:
        said = (
            "Live questions have moved away from the training questions: label some, and train "
            "again."
            if self.has_drifted
            else "Live questions are like the training questions."
        )
        return f"{said} {self.facts.capitalize()}."


def question_drift(
    training: ArrayLike,
    live: ArrayLike,
    *,
    answers: Sequence[Collection[str]] | None = None,
    seen: Collection[str] = (),
) -> QuestionDrift:
    """Return how live questions compare with the training questions.

    Args:
        training: Vectors of the training questions by the base model, `(n_training, dim)`.
        live: Vectors of live questions by the same model, such as those of a week, `(n_live, dim)`.
        answers: For each live question, ids of what answered it, such as what was clicked.
        seen: Ids of the documents that have training questions.

    Raises:
        InvalidVectorsError: If a number is not finite, or there are fewer than 10 questions of
            either kind.
        DimensionMismatchError: If the vectors differ in length.
        ValueError: If there are more or fewer answers than live questions.
    """
    known, asked = _checked(training, "training questions"), _checked(live, "live questions")
    if known.shape[1] != asked.shape[1]:
        raise DimensionMismatchError(
            "live questions",
            expected=known.shape[1],
            actual=asked.shape[1],
            remedy="embed them with the model of the training questions, without the adapter",
        )
    expected, found = _nearest(known, known, is_same=True), _nearest(asked, known)
    threshold = float(np.quantile(expected, 1 - NEAR))
    near, expected_near = (float((values >= threshold).mean()) for values in (found, expected))
    spread = expected_near * (1 - expected_near) / len(known) + near * (1 - near) / len(asked)
    return QuestionDrift(
        n_training=len(known),
        n_live=len(asked),
        threshold=threshold,
        near_share=near,
        expected_near_share=expected_near,
        mean_similarity=float(found.mean()),
        expected_similarity=float(expected.mean()),
        error=float(spread**0.5),
        seen_share=None if answers is None else _seen_share(answers, set(seen), len(asked)),
    )


def _nearest(queries: Vectors, training: Vectors, *, is_same: bool = False) -> Values:
    """Return the cosine of each question to the nearest training question, `(n_queries,)`.

    If they are the same questions, each is compared with all others.
    """
    best = np.empty(len(queries))
    for block in blocks_of(len(queries), SCORES_AT_ONCE // len(training) + 1):
        scores = queries[block] @ training.T
        if is_same:
            rows = np.arange(len(queries))[block]
            scores[np.arange(len(rows)), rows] = -np.inf
        best[block] = scores.max(axis=1)
    return best


def _checked(vectors: ArrayLike, what: str) -> Vectors:
    found = np.asarray(vectors, dtype=np.float32)
    if found.ndim != 2 or len(found) < LEAST_QUESTIONS:
        raise InvalidVectorsError(
            f"{what}: expected vectors of {LEAST_QUESTIONS} questions or more, one a row, got "
            f"shape {found.shape}; collect more"
        )
    check_finite(found, what)
    return unit(found)


def _seen_share(answers: Sequence[Collection[str]], seen: set[str], n: int) -> float:
    if len(answers) != n:
        raise ValueError(
            f"answers: expected one entry for each of {n} questions, got {len(answers)}"
        )
    return sum(not seen.isdisjoint(ids) for ids in answers) / n
