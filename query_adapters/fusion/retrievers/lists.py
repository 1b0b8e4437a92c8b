"""What a retriever returns for a question."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite

from query_adapters.errors import InvalidVectorsError


@dataclass(frozen=True)
class RetrievedList:
    """The documents that a retriever returned for a question, best first.

    Args:
        ids: Their ids; of a repeated id, the first counts.
        scores: Their scores; None, or None among them, if the retriever states none.

    Attributes:
        ids: Distinct ids.
        scores: A score for each; None if one is missing.

    Raises:
        InvalidVectorsError: If there are more or fewer scores than ids, or one is not finite.

    Example:
        >>> RetrievedList(["d2", "d1", "d2"], [0.9, 0.4, 0.3])
        RetrievedList(ids=('d2', 'd1'), scores=(0.9, 0.4))
    """

    ids: tuple[str, ...]
    scores: tuple[float, ...] | None

    def __init__(self, ids: Iterable[str], scores: Iterable[float | None] | None = None) -> None:
        listed = list(ids)
        given: list[float | None] = [None] * len(listed) if scores is None else list(scores)
        if len(given) != len(listed):
            raise InvalidVectorsError(
                f"expected a score for each of {len(listed)} documents, got {len(given)}; return "
                "a score for each, or none"
            )
        first = dict(zip(reversed(listed), reversed(given), strict=True))
        distinct = tuple(dict.fromkeys(listed))
        object.__setattr__(self, "ids", distinct)
        object.__setattr__(self, "scores", _checked(distinct, [first[key] for key in distinct]))


Ask = Callable[[str], RetrievedList]
"""Asks a retriever a question."""


def _checked(ids: tuple[str, ...], scores: list[float | None]) -> tuple[float, ...] | None:
    """Return the scores, or None if one is missing."""
    present = [float(score) for score in scores if score is not None]
    if len(present) < len(scores):
        return None
    for key, score in zip(ids, present, strict=True):
        if not isfinite(score):
            raise InvalidVectorsError(
                f"document {key!r}: expected a finite score, got {score}; correct the retriever, "
                "or let it return no scores, so that ranks count"
            )
    return tuple(present)
