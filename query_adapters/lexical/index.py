"""Exact-word search: BM25 over the texts of an index."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from query_adapters._extras import require_extra
from query_adapters.lexical.collecting import TextBlock, documents_of, with_tokenizer
from query_adapters.lexical.counts import TokenCounts
from query_adapters.lexical.loading import read_index
from query_adapters.lexical.matching import LexicalMatch, QuestionScorer
from query_adapters.lexical.postings import Formula, rarity
from query_adapters.lexical.saving import write_index
from query_adapters.lexical.stored_index import StoredIndex
from query_adapters.lexical.tokenizer import Tokenizer
from query_adapters.typing import Vectors

if TYPE_CHECKING:
    import bm25s


class LexicalIndex(StoredIndex):
    """BM25 scores of every token in every document, made by `build` or `load`.

    The texts are not kept. Documents have the order in which they were added. Its attributes are
    those of `StoredIndex`.
    """

    @classmethod
    def build(
        cls,
        blocks: Iterable[TextBlock],
        *,
        tokenizer: Tokenizer | None = None,
        k1: float = 1.2,
        b: float = 0.75,
        show_progress: bool = False,
    ) -> Self:
        """Return the index of all documents in the blocks.

        Args:
            blocks: Ids and texts, read once; one block at a time is held in memory. A text may be
                empty.
            tokenizer: Splits the texts; None to detect the language on the first of them.
            k1: How slowly further occurrences of a word add less, from 0.
            b: How much long documents are discounted, from 0 to 1.
            show_progress: Whether a progress bar is shown.

        Raises:
            InvalidDatasetError: If there is no document, an id occurs twice, or an id or a text is
                not a string.
            MissingExtraError: If the extra `hybrid` is not installed.
            ValueError: If `k1` or `b` is out of range.
        """
        require_extra("hybrid")
        formula = Formula(k1=k1, b=b)
        pairs = documents_of(blocks, show_progress=show_progress)
        documents, tokenizer = with_tokenizer(pairs, tokenizer)
        return cls._weighted(TokenCounts.of(documents, tokenizer), tokenizer, formula)

    @classmethod
    def load(cls, folder: str | Path, *, memory_map: bool = True) -> Self:
        """Return the index in the folder.

        Args:
            folder: The folder given to `save`.
            memory_map: Whether the large arrays stay on disk and are read as they are needed. The
                sizes of the files are checked then, but not their checksums.

        Raises:
            FileNotFoundError: If there is no such folder.
            LexicalIndexError: If the folder does not hold a complete, unaltered index.
            MissingExtraError: If the extra `hybrid` is not installed.
        """
        require_extra("hybrid")
        return cls(**vars(read_index(Path(folder), memory_map=memory_map)))

    def save(self, folder: str | Path) -> Path:
        """Save the index and return its folder.

        The files are written beside the old ones, and one small file then names the new ones: a
        process that dies in between leaves the old index.
        """
        return write_index(self, Path(folder))

    def match(self, question: str) -> LexicalMatch:
        """Return the scores of all documents for a question, computed in one pass.

        A word that the question repeats counts as often as it is there.
        """
        tokens = self.tokenizer(question)
        scorer = QuestionScorer(
            tokens=tokens,
            rarities=rarity(self.counts.frequencies(tokens), len(self)),
            average=self.counts.average_length,
            formula=self.formula,
            tokenizer=self.tokenizer,
        )
        scores = self._scores(tokens)
        return LexicalMatch(scores=scores, ids=self.ids, rows=self.counts.rows, scorer=scorer)

    def updated(
        self,
        changed: Iterable[TextBlock] = (),
        *,
        deleted: Iterable[str] = (),
        show_progress: bool = False,
    ) -> Self:
        """Return the index after documents were deleted, then added or given another text.

        It scores as one that is built from scratch. Texts that have not changed are not tokenized
        again, so `changed` may hold the whole store. Added and changed documents come last. The
        tokenizer stays.

        Args:
            changed: Ids and texts, read once.
            deleted: Ids to leave out; ids that the index lacks are ignored.
            show_progress: Whether a progress bar is shown.

        Raises:
            InvalidDatasetError: As in `build`, also if no document is left.
        """
        documents = documents_of(changed, show_progress=show_progress)
        counts = self.counts.updated(documents, deleted, self.tokenizer)
        return self._weighted(counts, self.tokenizer, self.formula)

    def outdated(self, ids: Sequence[str], texts: Sequence[str]) -> list[str]:
        """Return those of the ids that the index lacks or holds with another text.

        Raises:
            InvalidDatasetError: If there are not as many ids as texts, or an id occurs twice.
        """
        pairs = documents_of([(ids, texts)])
        return [name for name, text in pairs if not self.counts.holds(name, text)]

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the documents in order."""
        return self.counts.ids

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, name: object) -> bool:
        return name in self.counts.rows

    @classmethod
    def _weighted(cls, counts: TokenCounts, tokenizer: Tokenizer, formula: Formula) -> Self:
        weights = counts.postings.weights(counts.lengths, counts.average_length, formula)
        return cls(counts=counts, weights=weights, tokenizer=tokenizer, formula=formula)

    def _scores(self, tokens: Sequence[str]) -> Vectors:
        """Return the score of each document, `(n_documents,)`."""
        known = [row for token in tokens if (row := self.counts.vocabulary.get(token)) is not None]
        if not known:
            return np.zeros(len(self), dtype=np.float32)
        scores: Vectors = self._bm25.get_scores_from_ids(known)
        return scores

    @cached_property
    def _bm25(self) -> "bm25s.BM25":
        """The weights as bm25s holds them."""
        import bm25s

        postings = self.counts.postings
        scorer = bm25s.BM25(k1=self.formula.k1, b=self.formula.b, method="lucene")
        scorer.nonoccurrence_array = None
        scorer.scores = {
            "data": self.weights,
            "indices": postings.rows,
            "indptr": postings.starts,
            "num_docs": len(self),
        }
        return scorer
