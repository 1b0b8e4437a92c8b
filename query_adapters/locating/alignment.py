"""Align a passage with a chunk that shares runs of words with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.typing import Rows

DRIFT = 0.1  # characters that a noisy copy may gain or lose before a place, a character
SLACK = 10  # and besides, characters
NUMBER = re.compile(r"\d+")


class Folded:
    """The folded words of a text, joined by spaces.

    Args:
        words: The words.

    Attributes:
        text: The joined words.
        starts: The first character of each word, `(n_words,)`.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.text = " ".join(words)
        lengths = np.fromiter(map(len, words), dtype=np.int64, count=len(words)) + 1
        self.starts: Rows = np.cumsum(lengths) - lengths


@dataclass(frozen=True)
class Part:
    """The part of a passage that a chunk holds.

    Attributes:
        start: First character of the part in the folded passage.
        stop: The character after the last.
        similarity: Of the part to its copy in the chunk, 0..1; 1 if they are equal.
        complete: Whether the chunk holds all of the passage that fits between its borders.
    """

    start: int
    stop: int
    similarity: float
    complete: bool


def align(passage: Folded, chunk: Folded, places: Rows, *, min_similarity: float) -> Part:
    """Return the part of the passage that the chunk holds.

    The shared words fix where the passage would start and end in the chunk. If the chunk's text
    there is not similar enough, or has other numbers, the longest equal run of characters is
    returned, with `complete=False`.

    Args:
        passage: The passage.
        chunk: The chunk.
        places: Word positions of shared words in passage and chunk, `(n_shared, 2)`.
        min_similarity: Least similarity of a noisy copy, 0..1; 1 to compare for equality alone.

    Source:
        The similarity is the normalized Indel similarity of rapidfuzz, `2 m / (a + b)`, of two
        texts of `a` and `b` characters whose longest common subsequence has `m`.
    """
    n_passage, n_chunk = len(passage.text), len(chunk.text)
    starts = np.stack([passage.starts[places[:, 0]], chunk.starts[places[:, 1]]], axis=1)
    shared = _on_one_line(starts, SLACK + DRIFT * min(n_passage, n_chunk))
    head, tail = (int(place[1] - place[0]) for place in (shared[0], shared[-1]))
    start, stop = max(0, -head), min(n_passage, n_chunk - tail)
    held, copy = passage.text[start:stop], chunk.text[max(0, head) : stop + tail]
    if held == copy:
        return Part(start, stop, 1.0, True)
    if min_similarity < 1 and _numbers(held) <= _numbers(copy, edges=True):
        similarity = _similarity(held, copy, min_similarity)
        if similarity >= min_similarity:
            return Part(start, stop, similarity, True)
    return _equal_run(passage.text, chunk.text, shared)


def _on_one_line(places: Rows, slack: float) -> Rows:
    """Return those places, in order, that one copy explains: their shifts are nearly the same."""
    shifts = np.sort(places[:, 1] - places[:, 0])
    within = np.searchsorted(shifts, shifts + slack, side="right") - np.arange(len(shifts))
    least = shifts[np.argmax(within)]
    shift = places[:, 1] - places[:, 0]
    near: Rows = places[(shift >= least) & (shift <= least + slack)]
    return near


def _numbers(text: str, *, edges: bool = False) -> set[str]:
    """Return the numbers; those in the first and the last word, which may be cut, if asked for."""
    return set(NUMBER.findall(text if edges else " ".join(text.split(" ")[1:-1])))


def _similarity(one: str, other: str, least: float) -> float:
    from rapidfuzz.distance import Indel

    return float(Indel.normalized_similarity(one, other, score_cutoff=least))


def _equal_run(passage: str, chunk: str, places: Rows) -> Part:
    """Return the longest run of equal characters through one of the places."""
    shifts, counts = np.unique(places[:, 1] - places[:, 0], return_counts=True)
    shift = shifts[np.argmax(counts)]
    here, there = places[places[:, 1] - places[:, 0] == shift][0].tolist()
    before = _n_equal(passage[:here][::-1], chunk[:there][::-1])
    after = _n_equal(passage[here:], chunk[there:])
    return Part(here - before, here + after, 1.0, False)


def _n_equal(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
