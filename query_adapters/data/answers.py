"""Questions with the passages or the answer that a test set gives instead of document ids."""

from dataclasses import dataclass


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question with what a test set says about its answer.

    Args:
        question: The question's text.
        passages: Texts that answer it, as the test set quotes them; none if it holds no passages.
        answer: The expected answer, or None.
        id: The question's id in the test set, or None.
    """

    question: str
    passages: tuple[str, ...] = ()
    answer: str | None = None
    id: str | None = None
