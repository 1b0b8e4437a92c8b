"""Counts of tokens in documents, and their BM25 weights.

The formula is that of Lucene without its rounding of lengths: Robertson and Zaragoza (2009), "The
Probabilistic Relevance Framework: BM25 and Beyond", section 3.4, with an inverse document
frequency that is never negative; Kamphuis et al. (2020), "Which BM25 Do You Mean?", table 1,
"Lucene (accurate)". The constant factor k1 + 1 is left out, as in bm25s.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_adapters.typing import Rows, Values

Integers = NDArray[Any]
"""Integers in the narrowest type that holds them."""

AT_ONCE = 4_000_000  # postings that are weighted or filtered at once; bounds the memory used


@dataclass(frozen=True, kw_only=True)
class Formula:
    """The two parameters of BM25.

    Attributes:
        k1: How slowly further occurrences of a token add less, from 0.
        b: How much long documents are discounted, from 0 to 1.
    """

    k1: float = 1.2
    b: float = 0.75

    def __post_init__(self) -> None:
        if not (0 <= self.k1 < np.inf and 0 <= self.b <= 1):
            raise ValueError(
                f"expected k1 from 0 and b from 0 to 1, got k1={self.k1} and b={self.b}; "
                "usual values are 1.2 and 0.75"
            )

    def discounts(self, lengths: Integers, average: float) -> Values:
        """Return what a count is compared with in a document of each length, `(n,)`."""
        return self.k1 * (1 - self.b + self.b * (lengths / average))


def rarity(frequencies: Integers, n_documents: int) -> Values:
    """Return the inverse document frequency of tokens in that many documents, above 0, `(n,)`."""
    return np.log1p((n_documents - frequencies + 0.5) / (frequencies + 0.5))


@dataclass(frozen=True, eq=False)
class PostingBlock:
    """Counts of tokens in some documents, ordered by token, then document.

    Attributes:
        tokens: Ids of the tokens that occur, ascending, `(n_tokens,)`.
        sizes: Number of documents that hold each, `(n_tokens,)`.
        rows: The documents, `(n_postings,)`.
        counts: Number of occurrences in each, `(n_postings,)`.
    """

    tokens: Rows
    sizes: Rows
    rows: NDArray[np.int32]
    counts: Integers

    @classmethod
    def counted(cls, tokens: Integers, rows: Integers) -> "PostingBlock":
        """Return the block of a text's tokens in any order; `rows` holds the document of each."""
        packed = tokens.astype(np.int64) << 32 | rows.astype(np.int64)
        pairs, counts = np.unique(packed, return_counts=True)
        return cls.of_sorted(pairs >> 32, (pairs & 0xFFFFFFFF).astype(np.int32), counts)

    def moved(self, by: int) -> "PostingBlock":
        """Return the block with all rows greater by a number."""
        return replace(self, rows=self.rows + np.int32(by))

    @classmethod
    def of_sorted(
        cls, tokens: Integers, rows: NDArray[np.int32], counts: Integers
    ) -> "PostingBlock":
        """Return the block of distinct pairs that are ordered by token, then document."""
        present, sizes = np.unique(tokens, return_counts=True)
        narrow = np.min_scalar_type(int(counts.max(initial=0)))
        return cls(present.astype(np.int64), sizes, rows, counts.astype(narrow))


@dataclass(frozen=True, eq=False)
class Postings:
    """Counts of all tokens in all documents, token by token (compressed sparse columns).

    Attributes:
        starts: Where each token's documents start, and the total, `(n_tokens + 1,)`.
        rows: The documents, ascending within a token, `(n_postings,)`.
        counts: Number of occurrences in each, `(n_postings,)`.
    """

    starts: Rows
    rows: NDArray[np.int32]
    counts: Integers

    @property
    def frequencies(self) -> Rows:
        """Number of documents that hold each token, `(n_tokens,)`."""
        return np.diff(self.starts)

    def weights(
        self, lengths: NDArray[np.int32], average: float, formula: Formula
    ) -> NDArray[np.float32]:
        """Return the BM25 score of each token in each document that holds it, `(n_postings,)`."""
        rarities = rarity(self.frequencies, len(lengths))
        discounts = formula.discounts(lengths, average)
        weights = np.empty(len(self.rows), dtype=np.float32)
        for span, tokens in self._spans():
            counts = self.counts[span].astype(np.float64)
            weights[span] = rarities[tokens] * (counts / (counts + discounts[self.rows[span]]))
        return weights

    def kept(self, new_rows: Rows) -> Iterator[PostingBlock]:
        """Yield blocks of the documents that stay.

        Args:
            new_rows: The new row of each document, ascending, -1 for those that go,
                `(n_documents,)`.
        """
        for span, tokens in self._spans():
            rows = new_rows[self.rows[span]].astype(np.int32)
            stay = rows >= 0
            yield PostingBlock.of_sorted(tokens[stay], rows[stay], self.counts[span][stay])

    def without_unused(self) -> tuple["Postings", Rows]:
        """Return the postings of the tokens that occur, and the old ids of those tokens."""
        used = np.flatnonzero(self.frequencies)
        starts = np.append(self.starts[used], self.starts[-1])  # the others have no postings
        return replace(self, starts=starts), used

    def _spans(self) -> Iterator[tuple[slice, Rows]]:
        """Yield ranges of at most `AT_ONCE` postings with the token of each posting."""
        for begin in range(0, len(self.rows), AT_ONCE):
            end = min(begin + AT_ONCE, len(self.rows))
            first = int(np.searchsorted(self.starts, begin, side="right")) - 1
            last = int(np.searchsorted(self.starts, end, side="left"))
            bounds = np.clip(self.starts[first : last + 1], begin, end)
            yield slice(begin, end), np.repeat(np.arange(first, last), bounds[1:] - bounds[:-1])


def combined(blocks: list[PostingBlock], n_tokens: int) -> Postings:
    """Return the postings of all blocks, whose rows ascend from block to block; empties the list.

    Each block is released once it is copied, so that little is held twice.
    """
    starts = np.zeros(n_tokens + 1, dtype=np.int64)
    for block in blocks:
        starts[block.tokens + 1] += block.sizes
    np.cumsum(starts, out=starts)
    rows = np.empty(starts[-1], dtype=np.int32)
    counts = np.empty(starts[-1], dtype=np.result_type(np.uint8, *{b.counts.dtype for b in blocks}))
    heads = starts[:-1].copy()
    while blocks:
        block = blocks.pop(0)
        offsets = heads[block.tokens] - (np.cumsum(block.sizes) - block.sizes)
        targets = np.repeat(offsets, block.sizes) + np.arange(len(block.rows))
        rows[targets], counts[targets] = block.rows, block.counts
        heads[block.tokens] += block.sizes
    return Postings(starts, rows, counts)
