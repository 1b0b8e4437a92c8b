"""Find the chunks that share short runs of words with a passage, without comparing all pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from query_adapters.typing import Rows

WORDS = 3  # of a shingle; a shorter passage is one shingle
SHARED_BY = 50  # passages; a shingle of more of them tells nothing, unless a passage has no other
INTACT = 0.25  # share of the shingles that a noisy copy must keep
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A chunk of a block and a passage that may be in it.

    Attributes:
        chunk: Row of the chunk in its block.
        passage: Row of the passage.
        places: Word positions of the shared shingles in passage and chunk, `(n_shared, 2)`.
    """

    chunk: int
    passage: int
    places: Rows


@dataclass(frozen=True, eq=False)
class _Table:
    """The shingles of one length: sorted hashes, and where each stands in the passages."""

    hashes: Hashes
    starts: Rows
    passages: Rows
    positions: Rows

    @classmethod
    def of(cls, hashes: Hashes, passages: Rows, positions: Rows) -> "_Table":
        order = np.argsort(hashes, kind="stable")
        unique, starts, counts = np.unique(hashes[order], return_index=True, return_counts=True)
        telling = np.repeat(counts <= SHARED_BY, counts)
        has_telling = np.isin(passages[order], passages[order][telling])
        kept = order[telling | ~has_telling]
        unique, starts = np.unique(hashes[kept], return_index=True)
        return cls(unique, np.append(starts, len(kept)), passages[kept], positions[kept])

    def matches(self, hashes: Hashes) -> tuple[Rows, Rows]:
        """Return pairs of equal shingles: rows of the given hashes, rows of this table."""
        found = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        hit = np.flatnonzero(self.hashes[found] == hashes)
        first, last = self.starts[found[hit]], self.starts[found[hit] + 1]
        counts = last - first
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(hit, counts), np.repeat(first, counts) + offsets


class PassageIndex:
    """The shingles of some passages: the chunks pass by it block by block.

    Only words of the passages have numbers, so that its size does not depend on the chunks.

    Args:
        passages: The folded words of each passage; none is empty.
    """

    def __init__(self, passages: Sequence[Sequence[str]]) -> None:
        words = dict.fromkeys(chain.from_iterable(passages))
        self._numbers = {word: number for number, word in enumerate(words, start=1)}
        self._lengths = np.array([len(words) for words in passages], dtype=np.int64)
        sizes = np.minimum(self._lengths, WORDS)
        self._tables = {
            int(size): self._table(passages, np.flatnonzero(sizes == size), int(size))
            for size in np.unique(sizes)
        }

    def candidates(self, chunks: Sequence[Sequence[str]]) -> Iterator[Candidate]:
        """Yield the pairs of a chunk and a passage that share enough shingles.

        A copy of the passage would share all shingles of the part that fits into the chunk. A
        quarter of them is asked for, rounded down if the whole passage fits.

        Args:
            chunks: The folded words of each chunk.
        """
        numbers, lengths = self._numbered(chunks)
        starts = np.cumsum(lengths + 1) - lengths - 1  # a 0 stands between two chunks
        for size, table in self._tables.items():
            at, hashes = _shingles(numbers, size)
            rows, entries = table.matches(hashes)
            chunk = np.searchsorted(starts, at[rows], side="right") - 1
            places = np.stack([table.positions[entries], at[rows] - starts[chunk]], axis=1)
            yield from self._enough(chunk, table.passages[entries], places, lengths, size)

    def _table(self, passages: Sequence[Sequence[str]], chosen: Rows, size: int) -> _Table:
        numbers, lengths = self._numbered([passages[row] for row in chosen])
        starts = np.cumsum(lengths + 1) - lengths - 1
        at, hashes = _shingles(numbers, size)
        row = np.searchsorted(starts, at, side="right") - 1
        return _Table.of(hashes, chosen[row], at - starts[row])

    def _numbered(self, texts: Sequence[Sequence[str]]) -> tuple[Rows, Rows]:
        """Return the numbers of all words, 0 for unknown ones and after a text, and the lengths."""
        known = self._numbers
        numbers = [known.get(word, 0) for words in texts for word in (*words, "")]
        lengths = np.array([len(words) for words in texts], dtype=np.int64)
        return np.array(numbers, dtype=np.int64), lengths

    def _enough(
        self, chunks: Rows, passages: Rows, places: Rows, lengths: Rows, size: int
    ) -> Iterator[Candidate]:
        if not len(chunks):
            return
        order = np.lexsort((places[:, 0], passages, chunks))
        chunks, passages, places = chunks[order], passages[order], places[order]
        new = (np.diff(chunks) != 0) | (np.diff(passages) != 0)
        first = np.flatnonzero(np.concatenate([[True], new]))
        counts = np.diff(np.append(first, len(chunks)))
        shift = places[:, 1] - places[:, 0]
        fits = np.minimum(self._lengths[passages], lengths[chunks] - shift) - np.maximum(0, -shift)
        fit = np.add.reduceat(fits, first) / counts
        is_whole = fit > self._lengths[passages[first]] - 1
        n_clean = fit - size + 1
        needed = np.where(is_whole, np.floor(INTACT * n_clean), np.ceil(INTACT * n_clean))
        for row in np.flatnonzero(counts >= np.maximum(1, needed)):
            start = first[row]
            shared = places[start : start + counts[row]]
            yield Candidate(int(chunks[start]), int(passages[start]), shared)


def _shingles(numbers: Rows, size: int) -> tuple[Rows, Hashes]:
    """Return positions and hashes of all runs of known words."""
    n_runs = max(0, len(numbers) - size + 1)
    hashes = np.zeros(n_runs, dtype=np.uint64)
    known = np.ones(n_runs, dtype=bool)
    for step in range(size):
        word = numbers[step : step + n_runs]
        hashes = (hashes * MULTIPLIER) ^ word.astype(np.uint64)
        known &= word > 0
    at = np.flatnonzero(known)
    return at, hashes[at]
