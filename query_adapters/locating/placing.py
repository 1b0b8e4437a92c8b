"""Decide which chunks hold a passage, given what each candidate chunk holds of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from query_adapters.locating.alignment import Part

COVERED = 0.8  # share of a passage that its chunks must hold together
COVERED_OF_FEW = 2 / 3  # of 6 to 10 words: one or two of them at a border are not looked up
FEW = range(6, 11)
LEAST_SHARE = 0.2  # of the passage or of the chunk, whichever is shorter, that a chunk must hold
BETTER = 0.02  # a similarity that is higher by this much tells the copy from a look-alike
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
        """How well the match is established, 0..1: its similarity if it is complete, else 0."""
        return self.similarity if self.complete else 0.0

    def beats(self, other: "Match") -> bool:
        """Return whether this match makes the other one a look-alike of the same part."""
        covers = self.start <= other.start and self.stop >= other.stop
        if not self.complete and not other.complete:
            return covers and self.share > other.share
        return covers and self.evidence > other.evidence + BETTER


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
        self.folded = " ".join(self.words)

    def add(self, match: Match) -> None:
        """Remember the match; beyond `MOST` of them only the best."""
        verbatim = self.text.strip() in match.text
        self.matches.append(replace(match, verbatim=True) if verbatim else match)
        if len(self.matches) > 2 * MOST:
            self.matches = sorted(self.matches, key=_rank)[:MOST]

    def holders(self) -> tuple[Match, ...]:
        """Return the matches that together hold the passage, best first; none if they hold less."""
        best = [match for match in self.matches if match.overlap >= LEAST_SHARE]
        best = [match for match in best if not any(other.beats(match) for other in best)]
        if len(self.words) <= SHORT and any(match.verbatim for match in best):
            best = [match for match in best if match.verbatim]  # "US" is not "us"
        needed = COVERED_OF_FEW if len(self.words) in FEW else COVERED
        return tuple(sorted(best, key=_rank)) if covered(best) >= needed else ()

    def are_too_many(self, holders: Iterable[Match], max_chunks: int) -> bool:
        """Return whether so many different chunks hold the whole that chance may have done it."""
        texts = {match.text for match in holders if match.share == 1}
        limit = min(SHORT_CHUNKS, max_chunks) if len(self.words) <= SHORT else max_chunks
        return len(texts) > limit

    def best(self) -> Match | None:
        """Return the match that holds most of the passage, or None."""
        return max(self.matches, key=lambda match: match.share * match.similarity, default=None)


def covered(matches: Iterable[Match]) -> float:
    """Return the share of the passage that the matches hold together, 0..1."""
    share, reached = 0.0, 0
    for match in sorted(matches, key=lambda match: match.start):
        new = max(0, match.stop - max(match.start, reached))
        share += match.share * new / (match.stop - match.start)
        reached = max(reached, match.stop)
    return share


def _rank(match: Match) -> tuple[bool, float, float]:
    return (not match.complete, -match.similarity, -match.share)
