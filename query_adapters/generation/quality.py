"""Filter generated questions by their quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from query_adapters.arrays import unit
from query_adapters.data.splits import normalise
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Rows, Texts, Vectors


@dataclass(frozen=True, kw_only=True)
class Question:
    """A generated question with its relevant chunks.

    Attributes:
        id: Depends on the chunk, its content and the position in the answer; stable between runs.
        text: One line.
        style: Requested style; empty without one.
        chunks: Ids of its chunks: its own first, then chunks of equal text, and chunks with the
            same question.
        own_grade: Grade of these chunks.
        judged: Grades of the chunks that a judge added, by id.
    """

    id: str
    text: str
    style: str
    chunks: tuple[str, ...]
    own_grade: float = 1.0
    judged: Mapping[str, float] = field(default_factory=dict)

    @property
    def grades(self) -> dict[str, float]:
        """Grades by chunk id."""
        return {**dict.fromkeys(self.chunks, self.own_grade), **self.judged}


def merge_repeated(questions: Sequence[Question]) -> list[Question]:
    """Return the questions without repetition, compared without case and punctuation.

    All chunks of a repeated question are relevant to it.
    """
    first: dict[str, Question] = {}
    for question in questions:
        same = first.setdefault(normalise(question.text), question)
        chunks = tuple(dict.fromkeys((*same.chunks, *question.chunks)))
        first[normalise(question.text)] = replace(same, chunks=chunks)
    return list(first.values())


def dissimilar(vectors: Vectors, *, cosine: float) -> Rows:
    """Return the rows whose cosine with every kept earlier row is at most this value."""
    vectors = unit(vectors)
    kept: list[int] = []
    for row, vector in enumerate(vectors):
        if not kept or float((vectors[kept] @ vector).max()) <= cosine:
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def retrieved(
    queries: Vectors, documents: Vectors, ids: Sequence[str], *, k: int
) -> list[tuple[str, ...]]:
    """Return the ids of the base's top k chunks of each question, best first."""
    found = exact_search(queries, documents, k=k)
    return [tuple(ids[row] for row in rows) for rows in found]


def overlap(questions: Sequence[Question], corpus: Texts) -> float:
    """Return the mean share of a question's words that are in its chunk, 0..1."""
    words = {
        chunk: set(normalise(corpus[chunk]).split()) for chunk in {q.chunks[0] for q in questions}
    }
    shares = [
        float(
            np.mean(
                [word in words[question.chunks[0]] for word in normalise(question.text).split()]
            )
        )
        for question in questions
    ]
    return float(np.mean(shares)) if shares else 0.0
