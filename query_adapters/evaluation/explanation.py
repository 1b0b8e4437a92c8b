"""What a learned retriever weighs and how it ranks one question, for reports."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PartWeight:
    """The weight of one part of a score.

    Attributes:
        part: Name of the part, such as "exact words".
        weight: The weight, in units of the similarity.
        meaning: What the weight says, in words.
    """

    part: str
    weight: float
    meaning: str


@dataclass(frozen=True, kw_only=True)
class ExplainedDocument:
    """A retrieved document with its score, part by part.

    Attributes:
        id: Its id.
        text: Its text.
        is_relevant: Whether it is judged relevant.
        rank_before: Rank by the base model among all documents, from 1.
        rank: Rank by the learned retriever, from 1.
        score: Score of the learned retriever.
        parts: What each part with a weight adds to the score, by name.
    """

    id: str
    text: str
    is_relevant: bool
    rank_before: int
    rank: int
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ExplainedQuestion:
    """How one question is ranked.

    Attributes:
        question: Its text.
        documents: The best documents, the base's best one and the relevant ones, by rank.
    """

    question: str
    documents: tuple[ExplainedDocument, ...]

    @property
    def overtaken(self) -> dict[str, float]:
        """By how much the best document leads the base's best one, by part; empty if it is it."""
        best = self.documents[0]
        before = next((one for one in self.documents if one.rank_before == 1), best)
        if before is best:
            return {}
        return {part: value - before.parts[part] for part, value in best.parts.items()}


@dataclass(frozen=True, kw_only=True)
class RetrieverExplanation:
    """What a learned retriever weighs, with one question as an example.

    Attributes:
        weights: Weights of the parts; the similarity, which is the unit, first.
        example: A question, explained; None without one.
        verdict: Text of the verdict of training; empty if unknown.
    """

    weights: tuple[PartWeight, ...]
    example: ExplainedQuestion | None = None
    verdict: str = ""
