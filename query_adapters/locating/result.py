"""What `locate` returns: a dataset, and everything that has no place in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from query_adapters.data.answers import AnsweredQuestion
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.locating.placing import Match
from query_adapters.typing import Texts

SHOWN = 3  # passages of each kind that a summary names
EXCERPT = 70  # characters of a passage that it quotes


@dataclass(frozen=True)
class Placed:
    """A passage and the chunks that hold it.

    Attributes:
        question: The question.
        text: The passage, or the answer.
        matches: The chunks, those that hold most of it first.
    """

    question: AnsweredQuestion
    text: str
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Unplaced:
    """A passage that no chunks hold.

    Attributes:
        question: The question.
        text: The passage, or the answer; "" if the question has neither.
        best: The chunk that holds most of it; None if none shares enough words with it.
    """

    question: AnsweredQuestion
    text: str
    best: Match | None

    def __str__(self) -> str:
        if not self.text:
            return f"{self.question.question!r} has no passage and no answer"
        if self.best is None:
            return f"{_excerpt(self.text)}: no chunk shares enough of its words"
        return (
            f"{_excerpt(self.text)}: at most {self.best.share:.0%} in {self.best.chunk!r}, "
            f"similarity {self.best.similarity:.2f}"
        )


@dataclass(frozen=True)
class Ambiguous:
    """A passage that too many different chunks hold to know which one is meant.

    Attributes:
        question: The question.
        text: The passage, or the answer.
        matches: The chunks, at most 200.
    """

    question: AnsweredQuestion
    text: str
    matches: tuple[Match, ...]

    def __str__(self) -> str:
        return f"{_excerpt(self.text)} in {len(self.matches)} chunks"


@dataclass(frozen=True, kw_only=True)
class Located:
    """Questions with the chunks that hold their answers.

    Attributes:
        queries: All questions by id.
        corpus: The chunks: all of a mapping, of blocks those that hold a passage.
        qrels: For each question that has one, its chunks with their grades.
        placed: The passages that were found.
        unplaced: Those that were not.
        ambiguous: Those that too many chunks hold.
    """

    queries: Texts
    corpus: Texts = field(repr=False)
    qrels: Mapping[str, Mapping[str, float]] = field(repr=False)
    placed: tuple[Placed, ...] = field(repr=False)
    unplaced: tuple[Unplaced, ...]
    ambiguous: tuple[Ambiguous, ...]

    @property
    def dataset(self) -> RetrievalDataset:
        """The questions with a chunk, as a dataset.

        A grade is the share of the passage's characters that the chunk holds.

        Raises:
            InvalidDatasetError: If no question has a chunk.
        """
        if not self.qrels:
            raise InvalidDatasetError(
                f"none of {len(self.queries)} questions was located; expected texts that stand in "
                f"the chunks: compare a passage with the chunk that should hold it\n{self}"
            )
        return RetrievalDataset(
            {query: self.queries[query] for query in self.qrels}, self.corpus, self.qrels
        )

    def __str__(self) -> str:
        chunks = {chunk for grades in self.qrels.values() for chunk in grades}
        whole = sum(any(match.share == 1 for match in one.matches) for one in self.placed)
        fuzzy = sum(all(match.similarity < 1 for match in one.matches) for one in self.placed)
        lines = [
            f"{len(self.qrels)} of {len(self.queries)} questions located in {len(chunks)} chunks",
            f"{len(self.placed)} passages placed: {whole} whole in a chunk, "
            f"{len(self.placed) - whole} across chunks; {fuzzy} as a similar text",
            *_listed("passages not found", self.unplaced),
            *_listed("passages in too many chunks", self.ambiguous),
        ]
        return "\n".join(lines)


def _listed(what: str, found: Sequence[Unplaced] | Sequence[Ambiguous]) -> list[str]:
    if not found:
        return []
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [f"{len(found)} {what}:", *(f"  {one}" for one in found[:SHOWN]), *more]


def _excerpt(text: str) -> str:
    plain = " ".join(text.split())
    return repr(plain if len(plain) <= EXCERPT else f"{plain[:EXCERPT]}…")
