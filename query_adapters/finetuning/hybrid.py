"""Learn the scoring head after an adapter, on the texts of the index (extras: train, hybrid)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from query_adapters.adapters.kernel import RefinableAdapter
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.fusion.model import FusionModel
from query_adapters.fusion.storage import SavedFusion
from query_adapters.fusion.training import FusionTrainer, FusionTraining
from query_adapters.fusion.votes import answering
from query_adapters.lexical import LexicalIndex
from query_adapters.lexical.collecting import TextBlock, TextBlocks
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.typing import Rows, Texts, Vectors

WITHOUT_TEXTS = (
    "hybrid: expected texts of the index's documents, got none; pass texts=[(ids, texts)], or "
    "leave hybrid out"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchedQuestions:
    """Training questions with their texts, and the ids of the documents that are searched.

    Attributes:
        embedded: Their vectors.
        questions: Text of each query, `(n_queries,)`.
        ids: Id of each document, `(n_documents,)`.
    """

    embedded: EmbeddedDataset
    questions: Sequence[str]
    ids: Sequence[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class LexicalScores:
    """The lexical feature of the searched documents, question by question.

    Attributes:
        index: Exact words of the documents.
        searched: The questions and documents.
    """

    index: LexicalIndex
    searched: SearchedQuestions

    @cached_property
    def _rows(self) -> Rows:
        """Place of each searched document in the index, -1 without a text."""
        places = {key: row for row, key in enumerate(self.index.ids)}
        return np.array([places.get(key, -1) for key in self.searched.ids], dtype=np.int64)

    def __call__(self, query: int) -> Vectors:
        """Return BM25 over the highest of any document, 0 without a text, `(n_documents,)`."""
        match = self.index.match(self.searched.questions[query])
        highest = np.float32(match.highest or 1.0)
        return np.where(self._rows >= 0, match.scores[self._rows] / highest, np.float32(0))


def trained_fusion(
    searched: SearchedQuestions,
    adapted: TrainingResult,
    lexical: LexicalIndex,
    *,
    trainer: AdapterTrainer,
    start: RefinableAdapter | None,
) -> FusionTraining:
    """Return the scoring head for the trained adapter."""
    return FusionTrainer(trainer=trainer).fit(
        searched.embedded,
        adapted,
        lexical=LexicalScores(index=lexical, searched=searched),
        start=start,
    )


def fusion_of(
    searched: SearchedQuestions,
    training: FusionTraining,
    saved: SavedAdapter,
    lexical: LexicalIndex,
    *,
    trainer: AdapterTrainer,
) -> SavedFusion:
    """Return the learned retriever, ready to be saved."""
    embedded, ids = searched.embedded, searched.ids
    adapted = saved.adapter(embedded.queries)
    answers = answering(embedded, adapted, trainer.similarity)
    model = FusionModel(
        adapter=saved.adapter,
        head=training.head,
        queries=embedded.queries,
        answers=tuple(tuple(ids[row] for row in rows) for rows in answers),
        lexical=lexical if training.head.needs_text else None,
        similarity=trainer.similarity,
        units=_units_with_answers(embedded, ids),
    )
    return SavedFusion(model=model, saved=saved)


def _units_with_answers(
    embedded: EmbeddedDataset, ids: Sequence[str]
) -> tuple[tuple[str, ...], ...]:
    """Return the ids of the documents of each unit with a question; empty without units."""
    if embedded.units is None:
        return ()
    labelled = embedded.labelled_rows
    return tuple(
        tuple(ids[row] for row in labelled.rows[span].tolist()) for span in labelled.spans()
    )


def all_texts(given: TextBlocks, own: Texts) -> Iterator[TextBlock]:
    """Yield the given blocks, then the dataset's own texts of documents that are not in them."""
    known: set[str] = set()
    for ids, texts in given:
        yield ids, texts
        known.update(ids)
    rest = {key: text for key, text in own.items() if key not in known}
    if rest:
        yield list(rest), list(rest.values())


def lexical_index(blocks: TextBlocks, *, show_progress: bool = False) -> LexicalIndex:
    """Return the lexical index of the blocks.

    Raises:
        InvalidDatasetError: If no text can be read.
        MissingExtraError: If the extra `hybrid` is not installed.
    """
    index = LexicalIndex.build(blocks, show_progress=show_progress)
    if not index.counts.lengths.any():
        raise InvalidDatasetError(WITHOUT_TEXTS)
    return index
