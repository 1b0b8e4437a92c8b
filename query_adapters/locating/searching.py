"""Search blocks of chunks for passages."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from query_adapters.locating.alignment import Folded, align
from query_adapters.locating.folding import fold
from query_adapters.locating.placing import SHORT, Match, Passage
from query_adapters.locating.shingles import PassageIndex


def distinct_passages(texts: Iterable[str]) -> dict[str, Passage]:
    """Return the passages by text; long texts that differ in layout alone have one passage."""
    known: dict[tuple[str, ...], Passage] = {}
    passages = {}
    for text in dict.fromkeys(texts):
        words = tuple(fold(text))
        key = (*words, text) if len(words) <= SHORT else words
        passages[text] = known.setdefault(key, Passage(text, words))
    return passages


def search(
    passages: Sequence[Passage],
    blocks: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    min_similarity: float,
) -> None:
    """Add to each passage the chunks that hold a part of it.

    Args:
        passages: The passages.
        blocks: Ids and texts of chunks, read once.
        min_similarity: Least similarity of a noisy copy, 0..1.
    """
    sought = [passage for passage in dict.fromkeys(passages) if passage.words]
    index = PassageIndex([passage.words for passage in sought])
    for ids, texts in blocks:
        words = [fold(text) for text in texts]
        for row, candidates in groupby(index.candidates(words), key=lambda found: found.chunk):
            chunk = Folded(words[row])
            for found in candidates:
                passage = sought[found.passage]
                part = align(passage.folded, chunk, found.places, min_similarity=min_similarity)
                sizes = len(passage.folded.text), len(chunk.text)
                passage.add(Match.of(part, chunk=ids[row], text=texts[row], sizes=sizes))
