"""Out-of-fold features: what each training question's documents score without the question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.arrays import unit
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.fusion.features import FEATURES, HUBNESS, LEXICAL
from query_adapters.fusion.head import Head
from query_adapters.fusion.hubness import Hubness
from query_adapters.fusion.model import DEPTH, FEWEST_VOTES, MAX_VOTED, VOTED
from query_adapters.fusion.similarities import similarity_blocks
from query_adapters.fusion.votes import Votes, answering, summed
from query_adapters.training.folds import View
from query_adapters.typing import Rows, Similarity, Values, Vectors

QUERIES_AT_ONCE = 64
PADDING = -1
AdapterOf = Callable[[EmbeddedDataset], QueryAdapter]
"""Returns the adapter that is trained on these questions."""
LexicalScores = Callable[[int], Vectors]
"""Returns the lexical feature of every document for one question, `(n_documents,)`."""


@dataclass(frozen=True, eq=False)
class Pools:
    """The documents that are scored for each question, with their features.

    Attributes:
        rows: Documents of each question, padded with -1, `(n_queries, width)`.
        similarities: To the adapted query, or scores of the first of several retrievers,
            `(n_queries, width)`.
        features: In the order of `FEATURES`, or scores of the other retrievers,
            `(n_queries, width, n_features)`.
        units: The unit of each document, padded with -1, `(n_queries, width)`, if labels are on
            units with several vectors; None if each document is one.
    """

    rows: Rows
    similarities: Values
    features: Values
    units: Rows | None = None

    @property
    def labelled(self) -> Rows:
        """What a label on each document names: its unit, or its row, `(n_queries, width)`."""
        return self.rows if self.units is None else self.units

    def ranking(self, head: Head, *, k: int) -> Rows:
        """Return the k best documents, `(n_queries, k)`; where there are fewer, -1.

        With units, the k best units, each by its best document.
        """
        scores = np.where(self.rows == PADDING, -np.inf, head(self.similarities, self.features))
        order = np.argsort(-scores, axis=1, kind="stable")
        if self.units is None:
            return np.take_along_axis(self.rows, order[:, :k], axis=1)
        return _each_once(np.take_along_axis(self.units, order, axis=1))[:, :k]

    def select(self, queries: Rows) -> "Pools":
        """Return the pools of these questions."""
        units = None if self.units is None else self.units[queries]
        return Pools(self.rows[queries], self.similarities[queries], self.features[queries], units)

    @classmethod
    def of(cls, pools: Sequence["_Pool"], units: Rows | None = None) -> Self:
        """Return the pools of all questions, padded to one width.

        Args:
            pools: Those of each question.
            units: The unit of each document that is searched, `(n_documents,)`.
        """
        width = max(len(pool.rows) for pool in pools)
        rows = np.full((len(pools), width), PADDING)
        scores = np.zeros((len(pools), width))
        features = np.zeros((len(pools), width, len(FEATURES)))
        for place, pool in enumerate(pools):
            n = len(pool.rows)
            rows[place, :n], scores[place, :n] = pool.rows, pool.similarities
            features[place, :n] = pool.features
        return cls(rows, scores, features, None if units is None else _padded(rows, units))


@dataclass(frozen=True, eq=False)
class _Pool:
    """The documents of one question."""

    rows: Rows
    similarities: Values
    features: Values


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolMaker:
    """Makes the out-of-fold pools of a view.

    Attributes:
        dataset: Training questions over the documents that are searched.
        adapter_of: Trains an adapter on a part of them.
        lexical: Lexical feature of every document for a question; None without exact words.
        similarity: What the store ranks by.
        depth: As in `FusionModel`.
    """

    dataset: EmbeddedDataset
    adapter_of: AdapterOf
    lexical: LexicalScores | None
    similarity: Similarity
    depth: int = DEPTH

    def pools(self, view: View) -> Pools:
        """Return the pools of all questions, each by what the other folds teach."""
        pools: dict[int, _Pool] = {}
        for training, held_out in view.splits():
            fold = _Fold(self, self.dataset.select(training))
            pools |= dict(zip(held_out.tolist(), fold.pools(held_out), strict=True))
        each = [pools[query] for query in range(len(self.dataset.queries))]
        return Pools.of(each, self.dataset.units)


class _Fold:
    """The features that one training part gives.

    Args:
        maker: The settings.
        training: Training questions without the held-out ones.
    """

    def __init__(self, maker: PoolMaker, training: EmbeddedDataset) -> None:
        self._maker, self._labelled = maker, training.labelled
        self._adapter = maker.adapter_of(training)
        adapted = self._adapter(training.queries)
        found = answering(training, adapted, maker.similarity)
        self._voted = np.unique(np.concatenate(found))
        answers = [np.searchsorted(self._voted, rows) for rows in found]
        self._votes = Votes.of(training.queries, answers, len(self._voted))
        self._place_of_voted = np.searchsorted(self._labelled, self._units_of(self._voted))
        self._hubness = Hubness.of(adapted)

    def pools(self, held_out: Rows) -> list[_Pool]:
        """Return the pools of the held-out questions."""
        dataset, similarity = self._maker.dataset, self._maker.similarity
        adapted = self._adapter(dataset.queries[held_out])
        blocks = similarity_blocks(adapted, dataset.documents, similarity, size=QUERIES_AT_ONCE)
        scores = (row for block in blocks for row in block)
        pools = [self._pool(*one) for one in zip(held_out.tolist(), scores, strict=True)]
        self._add_hubness(pools)
        return pools

    def _pool(self, query: int, scores: Vectors) -> _Pool:
        maker = self._maker
        lexical = None if maker.lexical is None else maker.lexical(query)
        votes = self._votes(maker.dataset.queries[query])
        rows = [
            _highest(scores, maker.depth),
            self._voted[_highest(votes[1], MAX_VOTED, above=FEWEST_VOTES)],
        ]
        if lexical is not None:
            rows.append(_highest(lexical, maker.depth, above=0))
        pooled = np.unique(np.concatenate(rows))
        features = np.zeros((len(pooled), len(FEATURES)))
        if lexical is not None:
            features[:, FEATURES.index(LEXICAL)] = lexical[pooled]
        features[:, VOTED] = self._votes_of(pooled, votes).T
        return _Pool(pooled, scores[pooled].astype(np.float64), features)

    def _votes_of(self, rows: Rows, counted: Values) -> Values:
        """Return the votes for the units of the documents, `(n_widths, len(rows))`."""
        together = summed(counted, self._place_of_voted, len(self._labelled))
        units = self._units_of(rows)
        place = np.minimum(np.searchsorted(self._labelled, units), len(self._labelled) - 1)
        return np.where(self._labelled[place] == units, together[:, place], 0.0)

    def _units_of(self, rows: Rows) -> Rows:
        units = self._maker.dataset.units
        return rows if units is None else units[rows]

    def _add_hubness(self, pools: Sequence[_Pool]) -> None:
        rows, inverse = np.unique(
            np.concatenate([pool.rows for pool in pools]), return_inverse=True
        )
        hubness = self._hubness(unit(self._maker.dataset.documents[rows]))[inverse]
        start = 0
        for pool in pools:
            end = start + len(pool.rows)
            pool.features[:, FEATURES.index(HUBNESS)] = hubness[start:end]
            start = end


def _padded(rows: Rows, units: Rows) -> Rows:
    """Return the units of padded rows, padded alike."""
    return np.where(rows == PADDING, PADDING, units[rows])


def _each_once(ranked: Rows) -> Rows:
    """Return each number of a row once, at its best place, followed by -1."""
    found = np.full(ranked.shape, PADDING)
    for row, numbers in zip(found, ranked.tolist(), strict=True):
        once = [number for number in dict.fromkeys(numbers) if number != PADDING]
        row[: len(once)] = once
    return found


def _highest(scores: Vectors | Values, k: int, *, above: float = -np.inf) -> Rows:
    """Return the positions of the k highest scores, in any order; only those above the limit."""
    k = min(k, len(scores))
    found = np.argpartition(scores, len(scores) - k)[len(scores) - k :]
    return found[scores[found] > above]
