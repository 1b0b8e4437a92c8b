"""Questions with the passages or the answer that a test set gives instead of document ids."""

from dataclasses import dataclass
from hashlib import sha256

ID_LENGTH = 16  # hexadecimal digits: two of a million texts share an id with a chance of 3 in 10^8


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


def text_id(text: str) -> str:
    """Return an id for a text that has none: the start of its SHA-256, equal for equal texts."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:ID_LENGTH]
