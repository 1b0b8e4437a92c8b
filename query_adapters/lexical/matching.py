"""The scores of all documents for one question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.lexical.postings import Formula
from query_adapters.lexical.tokenizer import Tokenizer
from query_adapters.typing import Rows, Values, Vectors

STEP = 16  # one score in so many gives the first bound on the best


@dataclass(frozen=True, kw_only=True, eq=False)
class QuestionScorer:
    """Scores texts that the index does not hold as if they were in it.

    Attributes:
        tokens: Tokens of the question, with repetitions.
        rarities: Inverse document frequency of each in the index, `(len(tokens),)`.
        average: Mean number of tokens of the index's documents.
        formula: Parameters of BM25.
        tokenizer: Splits the texts.
    """

    tokens: Sequence[str]
    rarities: Values
    average: float
    formula: Formula
    tokenizer: Tokenizer

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the BM25 scores of the texts, `(len(texts),)`."""
        split = [self.tokenizer(text) for text in texts]
        lengths = np.array([len(words) for words in split], dtype=np.int64)
        discounts = self.formula.discounts(lengths, self.average)
        scores = np.zeros(len(texts), dtype=np.float32)
        for token, rarity in zip(self.tokens, self.rarities, strict=True):
            counts = np.array([words.count(token) for words in split], dtype=np.float64)
            present = counts > 0  # with k1 = 0, the formula gives 0 / 0 for the others
            weights = rarity * (counts[present] / (counts[present] + discounts[present]))
            scores[present] += weights.astype(np.float32)
        return scores


@dataclass(frozen=True, kw_only=True, eq=False)
class LexicalMatch:
    """The BM25 scores of all documents for one question, made by `LexicalIndex.match`.

    Attributes:
        scores: Score of each document of the index, from 0, `(n_documents,)`.
        ids: Ids of the documents.
        rows: Row of each id.
        scorer: Scores other texts.
    """

    scores: Vectors
    ids: Sequence[str]
    rows: Mapping[str, int]
    scorer: QuestionScorer

    @property
    def highest(self) -> float:
        """The highest score of a document, 0 if no word of the question occurs."""
        return float(self.scores.max())

    def top(self, k: int) -> tuple[list[str], Vectors]:
        """Return ids and scores of the best documents, best first, and at equal scores in order.

        Documents without a word of the question are left out, so there may be fewer than `k`.

        Raises:
            ValueError: If `k` is below 1.
        """
        if k < 1:
            raise ValueError(f"k: expected at least 1, got {k}")
        best = best_rows(self.scores, k)
        return [self.ids[row] for row in best], self.scores[best]

    def of(self, ids: Sequence[str]) -> Vectors:
        """Return the scores of the documents, NaN for ids that the index lacks, `(len(ids),)`."""
        rows = np.array([self.rows.get(name, -1) for name in ids], dtype=np.int64)
        return np.where(rows >= 0, self.scores[rows], np.float32(np.nan))

    def of_texts(self, texts: Sequence[str]) -> Vectors:
        """Return the scores that the texts would have in the index, `(len(texts),)`.

        Word frequencies and mean length are those of the index. A word that it lacks counts as the
        rarest, so that a score may exceed `highest`.
        """
        return self.scorer(texts)


def best_rows(scores: Vectors, k: int) -> Rows:
    """Return the rows of the `k` highest scores above 0, best first, then by row."""
    at_least = kth_highest(scores[::STEP], k)  # that of a part is no higher than that of all
    rows = np.flatnonzero((scores >= at_least) & (scores > 0))
    rows = rows[scores[rows] >= kth_highest(scores[rows], k)]
    order = np.argsort(-scores[rows], kind="stable")  # more than k, if several equal the last one
    return rows[order[:k]]


def kth_highest(scores: Vectors, k: int) -> float:
    """Return the `k`-th highest score, 0 if there are fewer."""
    place = len(scores) - k
    return float(np.partition(scores, place)[place]) if place >= 0 else 0.0
