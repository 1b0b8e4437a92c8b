"""Check questions with passages or answers, and give each an id."""

from collections.abc import Iterable, Sequence
from typing import Any

from query_adapters.data.answers import AnsweredQuestion
from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import quoted

Answered = AnsweredQuestion | tuple[str, str | Sequence[str]]
"""A question with passages or an answer, or a pair of a question and its passage or passages."""


def answered_questions(questions: Iterable[Answered]) -> list[AnsweredQuestion]:
    """Return the questions, pairs among them as `AnsweredQuestion`.

    Raises:
        InvalidDatasetError: If there are none, or one is neither, or a text is not a string.
    """
    if isinstance(questions, str | AnsweredQuestion) or not isinstance(questions, Iterable):
        raise _refused(questions)
    asked = [_of(question) for question in questions]
    if not asked:
        raise InvalidDatasetError("questions: expected at least one, got none")
    return asked


def query_ids(questions: Iterable[AnsweredQuestion]) -> list[str]:
    """Return the id of each question: its own, or its text.

    Raises:
        InvalidDatasetError: If two different questions have one id.
    """
    texts: dict[str, str] = {}
    ids = []
    for question in questions:
        key = question.question if question.id is None else question.id
        if texts.setdefault(key, question.question) != question.question:
            raise InvalidDatasetError(
                f"questions: expected unique ids, got {key!r} for {texts[key]!r} and "
                f"{question.question!r}; rename or drop one"
            )
        ids.append(key)
    return ids


def texts_of(question: AnsweredQuestion) -> list[str]:
    """Return the texts to look for: the passages with text in them, or else the answer."""
    passages = [text for text in question.passages if text.strip()]
    answer = question.answer or ""
    return passages or [answer][: bool(answer.strip())]


def _of(question: Any) -> AnsweredQuestion:
    if isinstance(question, tuple | list) and len(question) == 2:
        text, given = question
        question = AnsweredQuestion(text, (given,) if isinstance(given, str) else given)
    if not isinstance(question, AnsweredQuestion) or not _is_text(question.question):
        raise _refused(question)
    passages: Any = question.passages
    if isinstance(passages, str) or not isinstance(passages, Iterable):
        raise _refused(question)
    listed = tuple(passages)
    if not all(isinstance(text, str) for text in (*listed, question.answer or "")):
        raise _refused(question)
    return AnsweredQuestion(question.question, listed, question.answer, question.id)


def _is_text(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _refused(found: object) -> InvalidDatasetError:
    return InvalidDatasetError(
        "questions: expected a list of AnsweredQuestion, or of pairs of a question and its "
        f"passage or passages, all of them texts, got {quoted(found)}; correct or drop it"
    )
