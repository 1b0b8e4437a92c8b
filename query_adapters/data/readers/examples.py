"""What one row of a test set says, and the dataset that rows make together."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from query_adapters.data.answers import AnsweredQuestion, text_id
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from query_adapters.text.shown import listed
from query_adapters.typing import Texts


@dataclass(frozen=True)
class Judgement:
    """A document that was judged for a question; a grade of 0 makes it a negative."""

    text: str | None
    id: str | None = None
    grade: float = 1.0


@dataclass(frozen=True)
class Example:
    """A question, or a part of what is known about it, with its place in the source."""

    place: str
    question: str
    judgements: tuple[Judgement, ...] = ()
    answer: str | None = None
    id: str | None = None

    @property
    def key(self) -> str:
        """The question's id; without one, the hash of its text."""
        return text_id(self.question) if self.id is None else self.id


class SkippedRowError(Exception):
    """Raised inside the readers when a row says nothing that a dataset could use."""


@dataclass
class Skipped:
    """Rows that a dataset leaves out, by reason."""

    places: dict[str, list[str]] = field(default_factory=dict)

    def add(self, place: str, reason: str) -> None:
        """Note a row."""
        self.places.setdefault(reason, []).append(place)

    def warn(self) -> None:
        """Issue one warning that counts the rows of each reason and names the first ones."""
        if self.places:
            parts = (
                f"{len(places)} {reason} ({listed(places)})"
                for reason, places in self.places.items()
            )
            warnings.warn(f"left out: {'; '.join(parts)}", DatasetWarning, stacklevel=4)


class Documents:
    """The documents of a dataset, with the id of each judged one.

    Without a corpus they are collected: one without an id gets the hash of its text. With a corpus
    each must be in it, by its id or by its whole text.
    """

    def __init__(self, corpus: Texts | None) -> None:
        self.texts = dict(corpus or {})
        self.is_closed = corpus is not None
        self._ids = {text: key for key, text in reversed(self.texts.items())}

    def id_of(self, document: Judgement, place: str) -> str:
        """Return the document's id.

        Raises:
            InvalidDatasetError: If it has no text, another one than before, or is not in the
                corpus.
        """
        return (self._known if self.is_closed else self._collected)(document, place)

    def _known(self, document: Judgement, place: str) -> str:
        if document.id is not None and document.id in self.texts:
            return document.id
        if document.text in self._ids:
            return self._ids[document.text]
        name = document.id if document.text is None else document.text[:80]
        raise InvalidDatasetError(
            f"{place}: a relevant document is missing from the corpus: {name!r}; expected its id "
            "or its whole text there; correct it, or leave the corpus out if the file holds texts"
        )

    def _collected(self, document: Judgement, place: str) -> str:
        if document.text is None:
            raise InvalidDatasetError(
                f"{place}: names document {document.id!r} without its text, it needs a corpus; "
                "give the texts by id (corpus=..., --corpus)"
            )
        key = text_id(document.text) if document.id is None else document.id
        if self.texts.setdefault(key, document.text) != document.text:
            raise InvalidDatasetError(
                f"{place}: expected one text per document id, got two for {key!r}; "
                "correct the id or the text"
            )
        return key


def to_dataset(
    examples: Iterable[Example], skipped: Skipped, corpus: Texts | None = None
) -> RetrievalDataset:
    """Return the dataset; rows of one question are merged, with the highest grade of a document.

    Raises:
        InvalidDatasetError: If an id has two texts, a document has no text, or no question has a
            relevant document.
    """
    documents = Documents(corpus)
    questions: dict[str, Example] = {}
    qrels: dict[str, dict[str, float]] = {}
    for example in examples:
        _check_same(questions.setdefault(example.key, example), example)
        grades = qrels.setdefault(example.key, {})
        if not example.judgements:
            skipped.add(example.place, "without a document")
        for judged in example.judgements:
            key = documents.id_of(judged, example.place)
            if judged.grade > 0:
                grades[key] = max(judged.grade, grades.get(key, 0.0))
    for key, example in questions.items():
        if not qrels[key] and example.judgements:
            skipped.add(example.place, "with irrelevant documents alone")
    answered = {key: grades for key, grades in qrels.items() if grades}
    if questions and not answered:
        _refuse_unanswered(questions.values())
    skipped.warn()
    queries = {key: questions[key].question for key in answered}
    return RetrievalDataset(queries, documents.texts, answered)


def to_questions(examples: Iterable[Example], skipped: Skipped) -> tuple[AnsweredQuestion, ...]:
    """Return one entry per question, with the passages and the first answer of all its rows."""
    merged: dict[str, list[Example]] = {}
    for example in examples:
        rows = merged.setdefault(example.key, [])
        rows.append(example)
        _check_same(rows[0], example)
    skipped.warn()
    return tuple(map(_answered, merged.values()))


def _answered(rows: Sequence[Example]) -> AnsweredQuestion:
    judged = (judgement for row in rows for judgement in row.judgements)
    passages = (one.text for one in judged if one.text is not None and one.grade > 0)
    answers = (row.answer for row in rows if row.answer is not None)
    first = rows[0]
    return AnsweredQuestion(
        first.question, tuple(dict.fromkeys(passages)), next(answers, None), first.id
    )


def _check_same(first: Example, other: Example) -> None:
    if first.question != other.question:
        raise InvalidDatasetError(
            f"{other.place}: expected one text per question id, got two for {other.key!r}, the "
            f"first at {first.place}; correct the id or the text"
        )


def _refuse_unanswered(questions: Iterable[Example]) -> None:
    found = list(questions)
    has_answers = any(question.answer is not None for question in found)
    remedy = (
        "; it holds answers: pass those of load_questions to locate, with the chunks of your index"
        if has_answers
        else ""
    )
    raise InvalidDatasetError(
        f"{listed([question.place for question in found])}: none of {len(found)} questions has a "
        f"relevant document; expected passages or ids of documents{remedy}"
    )


def questions_of(dataset: RetrievalDataset) -> tuple[AnsweredQuestion, ...]:
    """Return the questions of a dataset with the texts of their relevant documents."""
    return tuple(
        AnsweredQuestion(text, tuple(dataset.corpus[key] for key in dataset.qrels[query]), id=query)
        for query, text in dataset.queries.items()
    )
