"""The learned retriever without a framework: which documents to score, and their scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.arrays import unit
from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion.features import FEATURES, HUBNESS, LEXICAL, VOTES
from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.hubness import Hubness
from query_adapters.fusion.similarities import similarities
from query_adapters.fusion.votes import Votes, summed
from query_adapters.lexical import LexicalIndex, LexicalMatch
from query_adapters.typing import Rows, Similarity, Values, Vectors

DEPTH = 100  # documents taken from the nearest ones, and from those with the best exact words
MAX_VOTED = 50  # documents taken from those with the most votes
VOTED = [FEATURES.index(name) for name in VOTES]  # columns of the votes
FEWEST_VOTES = 1e-4  # fewer count as none
TextsOf = Callable[[Sequence[str]], Sequence[str]]
"""Returns the texts of some ids, in their order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedDocument:
    """A document with its score.

    Attributes:
        id: Its id.
        score: `similarity + Σ w f`.
        similarity: To the adapted query.
        features: f, in the order of `FEATURES`.
        head: The weights w.
    """

    id: str
    score: float
    similarity: float = field(repr=False)
    features: Values = field(repr=False)
    head: ScoringHead = field(repr=False)

    @property
    def parts(self) -> dict[str, float]:
        """What the similarity and each feature with a weight add to the score, by name."""
        return self.head.parts(self.similarity, self.features)


@dataclass(frozen=True, kw_only=True, eq=False)
class FusionQuery:
    """A question, prepared for scoring.

    Attributes:
        vector: The adapted query, which the store is searched with, `(dim,)`.
        match: Its exact words in the lexical index; None if they have no weight.
        votes: Votes for each document, or unit, that a training question is about,
            `(n_voted, n_widths)`; None if they have no weight.
        ids: Documents to score beside the nearest ones, from exact words and votes.
    """

    vector: Vectors
    match: LexicalMatch | None
    votes: Values | None
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class FusionModel:
    """An adapter with a scoring head, and what its features are computed from.

    Attributes:
        adapter: The map on query vectors.
        head: Weights of the features.
        queries: Vectors of the training questions by the base model, `(n_questions, dim)`.
        answers: Ids of their relevant documents; of a unit, its vector that is nearest to the
            question.
        lexical: Index of exact words; None if they have no weight.
        similarity: What the store ranks by.
        depth: How many of the nearest documents, and of those with the best exact words, are
            scored.
        units: Ids of the documents of each unit with a training question, which share its votes;
            empty if each document is a unit.

    Raises:
        InvalidVectorsError: If an answer is in none of the units, or a document in two.
    """

    adapter: QueryAdapter
    head: ScoringHead
    queries: Vectors
    answers: tuple[tuple[str, ...], ...]
    lexical: LexicalIndex | None = None
    similarity: Similarity = "cosine"
    depth: int = DEPTH
    units: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        if not self.units:
            return
        listed = [key for keys in self.units for key in keys]
        if len(set(listed)) < len(listed) or not set(self._voted_ids) <= set(listed):
            raise InvalidVectorsError(
                "units: expected every answer in one of the units, and each document in one, got "
                f"{len(self._voted_ids)} answers and {len(listed)} documents; train again"
            )

    def prepared(self, question: str, vector: Vectors) -> FusionQuery:
        """Return the question, adapted, with the documents to score beside the nearest ones.

        Args:
            question: Its text.
            vector: Its vector by the base model, `(dim,)`.
        """
        match = None
        if self.head.needs_text and self.lexical is not None:
            match = self.lexical.match(question)
        votes = self._votes(vector) if self.head.has_votes else None
        most_voted = [] if votes is None else self._most_voted(votes[1])
        found = [] if match is None else match.top(self.depth)[0]
        return FusionQuery(
            vector=self.adapter(vector),
            match=match,
            votes=None if votes is None else self._by_unit(votes).T,
            ids=tuple(dict.fromkeys([*found, *most_voted])),
        )

    def ranked(
        self, query: FusionQuery, ids: Sequence[str], vectors: Vectors, *, texts_of: TextsOf
    ) -> list[RankedDocument]:
        """Return the documents in descending order of their scores; equal ones keep their order.

        Args:
            query: The question.
            ids: The documents to score, each once: the nearest ones and `query.ids`.
            vectors: Their stored vectors, `(len(ids), dim)`.
            texts_of: Called with the ids that the lexical index lacks, such as documents that
                were added later, to score their texts.
        """
        if not ids:
            return []
        scores_alone = similarities(query.vector[None], vectors, self.similarity)[0]
        features = self._features(query, ids, vectors, texts_of)
        scores = self.head(scores_alone.astype(np.float64), features)
        order = np.argsort(-scores, kind="stable")
        best = zip(
            order.tolist(),
            scores[order].tolist(),
            scores_alone[order].tolist(),
            features[order],
            strict=True,
        )
        return [
            RankedDocument(id=ids[row], score=score, similarity=alone, features=own, head=self.head)
            for row, score, alone, own in best
        ]

    def _features(
        self, query: FusionQuery, ids: Sequence[str], vectors: Vectors, texts_of: TextsOf
    ) -> Values:
        """Return the features with a weight, 0 for the others, `(len(ids), n_features)`."""
        features = np.zeros((len(ids), len(FEATURES)))
        if query.match is not None:
            features[:, FEATURES.index(LEXICAL)] = lexical_feature(query.match, ids, texts_of)
        if query.votes is not None:
            places = np.array([self._unit_of.get(key, -1) for key in ids])
            features[:, VOTED] = np.where(places[:, None] >= 0, query.votes[places], 0)
        if self.head.by_name[HUBNESS] > 0:
            features[:, FEATURES.index(HUBNESS)] = self._hubness(unit(vectors))
        return features

    def _most_voted(self, votes: Values) -> list[str]:
        """Return the ids with the most votes, from the votes for each document with an answer."""
        best = np.argsort(-votes, kind="stable")[:MAX_VOTED]
        return [self._voted_ids[place] for place in best[votes[best] > FEWEST_VOTES].tolist()]

    @cached_property
    def _voted_ids(self) -> list[str]:
        """Ids of the documents that a training question is about."""
        return list(dict.fromkeys(key for keys in self.answers for key in keys))

    @cached_property
    def _place_of(self) -> dict[str, int]:
        """Position of each of them."""
        return {key: place for place, key in enumerate(self._voted_ids)}

    @cached_property
    def _unit_of(self) -> dict[str, int]:
        """Unit of each document whose unit a training question is about."""
        if not self.units:
            return self._place_of
        return {key: unit for unit, keys in enumerate(self.units) for key in keys}

    def _by_unit(self, votes: Values) -> Values:
        """Return the votes for units, from those for documents, `(n_widths, n_units)`."""
        if not self.units:
            return votes
        return summed(votes, self._units_voted_for, len(self.units))

    @cached_property
    def _units_voted_for(self) -> Rows:
        """Unit of each document with votes."""
        return np.array([self._unit_of[key] for key in self._voted_ids], np.int64)

    @cached_property
    def _votes(self) -> Votes:
        place = self._place_of
        answers = [
            np.array([place[key] for key in dict.fromkeys(keys)], np.int64) for keys in self.answers
        ]
        return Votes.of(self.queries, answers, len(place))

    @cached_property
    def _hubness(self) -> Hubness:
        return Hubness.of(self.adapter(self.queries))


def lexical_feature(match: LexicalMatch, ids: Sequence[str], texts_of: TextsOf) -> Values:
    """Return BM25 of the documents over the highest of any document, `(len(ids),)` in 0..1.

    Args:
        match: The question's exact words.
        ids: The documents.
        texts_of: Called with the ids that the lexical index lacks.
    """
    scores = match.of(ids).astype(np.float64)
    new = np.flatnonzero(np.isnan(scores))
    if len(new):
        scores[new] = match.of_texts(texts_of([ids[row] for row in new.tolist()]))
    highest = max(match.highest, float(scores.max()))
    return scores / highest if highest > 0 else scores
