"""Turn answers and passages into labels: find the chunks that hold them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

from query_adapters._extras import require_extra
from query_adapters.data.answers import AnsweredQuestion
from query_adapters.data.dataset import QADataset, Questions, RetrievalDataset, to_indexed_dataset
from query_adapters.data.weights import check_unweighted
from query_adapters.locating.chunks import Chunks, blocks_of, labelled_texts
from query_adapters.locating.placing import MOST, Passage
from query_adapters.locating.questions import Answered, answered_questions, query_ids, texts_of
from query_adapters.locating.result import Ambiguous, Located, Placed, Unplaced
from query_adapters.locating.searching import distinct_passages, search
from query_adapters.typing import Qrels, Texts

SIMILARITY = 0.85
MAX_CHUNKS = 5


class LocateOptions(TypedDict, total=False):
    """Keyword-only options of `locate` and `relocate`, with the defaults of `locate`."""

    min_similarity: float
    max_chunks: int
    keep_ambiguous: bool
    show_progress: bool


def locate(
    questions: Iterable[Answered],
    chunks: Chunks,
    *,
    min_similarity: float = SIMILARITY,
    max_chunks: int = MAX_CHUNKS,
    keep_ambiguous: bool = False,
    show_progress: bool = False,
) -> Located:
    """Return the questions with the chunks that hold their passages, or their answer.

    A passage is found if it stands in a chunk but for case, punctuation, hyphenation and white
    space, or if a similar text with the same numbers does. If it was cut, its chunks are labelled
    that together hold at least 80 % of it. A chunk's grade is the share of the passage's
    characters that it holds, above 0 and at most 1. Chunks that hold less than a fifth of the
    passage, or of themselves if they are shorter, have no label, nor has a similar text where a
    better copy exists. Of one passage, at most 200 chunks are labelled.

    Args:
        questions: Questions with passages or an answer, or pairs of a question and its passage or
            passages. The answer is used if there is no passage.
        chunks: The chunks of the index, texts by id or blocks of (ids, texts). One block at a time
            is held in memory, and the chunks that may hold a passage.
        min_similarity: Least similarity of a noisy copy, above 0.5 and at most 1; 1 compares for
            equality alone and does not need the extra `locate`.
        max_chunks: Different chunks that may hold a whole passage, 1 to 200; beyond, it is
            ambiguous. A passage of up to three words, such as "in 2021", may be in two.
        keep_ambiguous: Whether those chunks are all labelled; otherwise the passage is left out.
        show_progress: Whether a progress bar is shown.

    Raises:
        InvalidDatasetError: If a question is not one, two questions have one id, an id of a chunk
            occurs twice, or there are no questions or no chunks.
        ValueError: If an option is out of range.
        MissingExtraError: If the extra `locate` is needed and not installed.

    Example:
        >>> chunks = {"c1": "By the road it is four miles", "c2": "away, beyond the lighthouse."}
        >>> pairs = [("how far?", "It is four miles away, beyond the lighthouse.")]
        >>> found = locate(pairs, chunks, min_similarity=1)
        >>> {chunk: round(grade, 2) for chunk, grade in found.dataset.qrels["how far?"].items()}
        {'c2': 0.6, 'c1': 0.37}
    """
    asked = answered_questions(questions)
    options = _Options(min_similarity, max_chunks, keep_ambiguous, show_progress)
    return _located(asked, query_ids(asked), chunks, options)


def relocate(
    dataset: RetrievalDataset | QADataset | Questions,
    old: Chunks,
    new: Chunks,
    **options: Unpack[LocateOptions],
) -> Located:
    """Return the questions of a dataset with labels on new chunks of the same documents.

    Each relevant old chunk is a passage, which is found as by `locate`. Its grade is multiplied by
    the share of it that a new chunk holds.

    Args:
        dataset: The dataset, or questions with ids of old chunks.
        old: The old chunks, at least those that are relevant to a question: of a
            RetrievalDataset, its `corpus`.
        new: The new chunks.
        **options: As in `locate`.

    Raises:
        InvalidDatasetError: If a relevant chunk is not among the old ones, or as in `locate`.
        ValueError: As in `locate`.
        MissingExtraError: As in `locate`.
    """
    checked = _Options(**options)
    labelled = check_unweighted(to_indexed_dataset(dataset), "relocate")
    texts = labelled_texts(labelled.labelled_documents, old)
    asked = [
        AnsweredQuestion(text, tuple(texts[key] for key in labelled.qrels[query]), id=query)
        for query, text in labelled.queries.items()
    ]
    weights = {
        query: {texts[key]: grade for key, grade in grades.items()}
        for query, grades in labelled.qrels.items()
    }
    return _located(asked, list(labelled.queries), new, checked, weights)


@dataclass(frozen=True)
class _Options:
    min_similarity: float = SIMILARITY
    max_chunks: int = MAX_CHUNKS
    keep_ambiguous: bool = False
    show_progress: bool = False

    def __post_init__(self) -> None:
        if not 0.5 < self.min_similarity <= 1:
            raise ValueError(
                "min_similarity: expected a number above 0.5 and at most 1, got "
                f"{self.min_similarity}; unrelated texts reach 0.5"
            )
        if not 1 <= self.max_chunks <= MOST:
            raise ValueError(f"max_chunks: expected 1 to {MOST}, got {self.max_chunks}")
        if self.min_similarity < 1:
            require_extra("locate")


def _located(
    asked: list[AnsweredQuestion],
    ids: list[str],
    chunks: Chunks,
    options: _Options,
    weights: Qrels | None = None,
) -> Located:
    """Search the chunks and sort the passages by what was found."""
    passages = distinct_passages(text for question in asked for text in texts_of(question))
    blocks = blocks_of(chunks, show_progress=options.show_progress)
    search(list(passages.values()), blocks, min_similarity=options.min_similarity)
    placed: dict[str, list[Placed]] = {}
    unplaced: list[Unplaced] = []
    ambiguous: list[Ambiguous] = []
    for query, question in zip(ids, asked, strict=True):
        for text in texts_of(question) or [""]:
            passage = passages.get(text) or Passage(text, ())
            found = passage.holders()
            too_many = passage.are_too_many(found, options.max_chunks)
            if too_many:
                ambiguous.append(Ambiguous(question, text, found))
            if not found:
                unplaced.append(Unplaced(question, text, passage.best()))
            elif not too_many or options.keep_ambiguous:
                placed.setdefault(query, []).append(Placed(question, text, found))
    matches = [match for listed in placed.values() for one in listed for match in one.matches]
    corpus = {key: text for key, text in _in_memory(chunks).items() if text.strip()}
    return Located(
        queries={query: question.question for query, question in zip(ids, asked, strict=True)},
        corpus=corpus | {match.chunk: match.text for match in matches},
        qrels={
            query: _grades(listed, (weights or {}).get(query)) for query, listed in placed.items()
        },
        placed=tuple(one for listed in placed.values() for one in listed),
        unplaced=tuple(unplaced),
        ambiguous=tuple(ambiguous),
    )


def _in_memory(chunks: Chunks) -> Texts:
    return chunks if isinstance(chunks, Mapping) else {}


def _grades(placed: Iterable[Placed], weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return a grade per chunk: its largest share of a passage, times the passage's weight."""
    grades: dict[str, float] = {}
    for one in placed:
        weight = 1.0 if weights is None else weights[one.text]
        for match in one.matches:
            grades[match.chunk] = max(grades.get(match.chunk, 0.0), weight * match.share)
    return grades
