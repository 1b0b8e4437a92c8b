"""Decide which chunks hold a passage, given what each candidate chunk holds of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from query_adapters.locating.alignment import Folded, Part

COVERED = 0.8  # share of a passage that its chunks must hold together
COVERED_OF_FEW = 2 / 3  # of 6 to 10 words: one or two of them at a border are not looked up
FEW = range(6, 11)
LEAST_SHARE = 0.2  # of the passage or of the chunk, whichever is shorter, that a chunk must hold
TELLING = 40  # characters, below which equal text at the border of a chunk may be chance
EXPLAINED = 0.95  # share of a part that better matches hold
BETTER = 0.01  # a similarity that is higher by this much tells the copy from a look-alike
SHORT = 3  # words of an answer that chance puts into chunks
SHORT_CHUNKS = 2  # chunks that may hold a short answer; two, because chunks overlap
MOST = 200  # chunks that are remembered a passage


@dataclass(frozen=True, kw_only=True)
class Match:
    """A chunk that holds a passage or a part of it.

    Attributes:
        chunk: Id of the chunk.
        text: Its text.
        start: First character of the part in the folded passage.
        stop: The character after the last.
        similarity: Of the part to its copy in the chunk, 0..1; 1 if only case, punctuation and
            white space differ.
        share: Share of the passage's characters in the part, above 0 and at most 1.
        overlap: Share of the passage or of the chunk, whichever is shorter, in the part.
        complete: Whether the chunk holds all of the passage that fits between its borders.
        verbatim: Whether the passage stands in the chunk character by character.
    """

    chunk: str
    text: str = field(repr=False)
    start: int
    stop: int
    similarity: float
    share: float
    overlap: float
    complete: bool
    verbatim: bool

    @classmethod
    def of(cls, part: Part, *, chunk: str, text: str, sizes: tuple[int, int]) -> "Match":
        """Return the match of a part, given the characters of passage and chunk."""
        length = part.stop - part.start
        return cls(
            chunk=chunk,
            text=text,
            **vars(part),
            share=length / sizes[0],
            overlap=min(1.0, length / min(sizes)),
            verbatim=False,
        )

    @property
    def evidence(self) -> float:
        """How well the match is established, 0..1: its similarity, or less where it may be chance.

        Half of it for a few words that a border of the chunk cuts off, 0 if it is not complete.
        """
        if not self.complete:
            return 0.0
        few_words = self.share < 1 and self.stop - self.start < TELLING
        return self.similarity / 2 if few_words else self.similarity


@dataclass(eq=False)
class Passage:
    """A passage and the matches that were found so far.

    Args:
        text: The passage as it was given.
        words: Its folded words.
    """

    text: str
    words: Sequence[str]
    matches: list[Match] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folded = Folded(self.words)

    def add(self, match: Match) -> None:
        """Remember the match; beyond `MOST` of them only the best."""
        verbatim = self.text.strip() in match.text
        self.matches.append(replace(match, verbatim=True) if verbatim else match)
        if len(self.matches) > 2 * MOST:
            self.matches = sorted(self.matches, key=_rank)[:MOST]

    def holders(self) -> tuple[Match, ...]:
        """Return the matches that together hold the passage, best first; none if they hold less."""
        best = self._without_look_alikes()
        if len(self.words) <= SHORT and any(match.verbatim for match in best):
            best = [match for match in best if match.verbatim]  # "US" is not "us"
        needed = COVERED_OF_FEW if len(self.words) in FEW else COVERED
        labelled = sorted((match for match in best if match.overlap >= LEAST_SHARE), key=_rank)
        is_held = any(match.complete for match in labelled)
        if is_held and covered(best, 0, len(self.folded.text)) >= needed:
            return tuple(labelled)
        return ()

    def _without_look_alikes(self) -> list[Match]:
        """Return the matches whose part no better matches hold."""
        top = max((match.evidence for match in self.matches), default=0.0)
        return [
            match
            for match in self.matches
            if match.evidence >= top - BETTER > 0 or not _is_explained(match, self.matches)
        ]

    def are_too_many(self, holders: Iterable[Match], max_chunks: int) -> bool:
        """Return whether so many different chunks hold the whole that chance may have done it."""
        texts = {match.text for match in holders if match.share == 1}
        limit = min(SHORT_CHUNKS, max_chunks) if len(self.words) <= SHORT else max_chunks
        return len(texts) > limit

    def best(self) -> Match | None:
        """Return the match that holds most of the passage, or None."""
        return max(self.matches, key=lambda match: match.share * match.similarity, default=None)


def covered(matches: Iterable[Match], start: int, stop: int) -> float:
    """Return the share of the passage's characters from start to stop that the matches hold."""
    n_held, reached = 0, start
    for match in sorted(matches, key=lambda match: match.start):
        n_held += max(0, min(match.stop, stop) - max(match.start, reached))
        reached = max(reached, match.stop)
    return n_held / (stop - start)


def _is_explained(match: Match, matches: Iterable[Match]) -> bool:
    """Return whether better matches hold the same part, so that this one is a look-alike."""
    better = [other for other in matches if _is_better(other, match)]
    return covered(better, match.start, match.stop) >= EXPLAINED


def _is_better(one: Match, other: Match) -> bool:
    if not one.complete and not other.complete:
        return one.share > other.share
    return one.evidence > other.evidence + BETTER


def _rank(match: Match) -> tuple[float, bool]:
    return -match.share * match.similarity, not match.complete
