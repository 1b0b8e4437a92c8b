"""Impressions and clicks of a log, counted by question, document and rank."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from query_adapters.feedback.records import ShownList
from query_adapters.typing import Rows, Values


@dataclass(frozen=True, eq=False)
class ClickTable:
    """How often each pair of a question and a document was shown and clicked at each rank.

    A cell is a pair at one rank; a pair that was shown at several ranks has several cells. Several
    clicks on one document of one list count once.

    Attributes:
        questions: Keys of the questions, `(n_questions,)`.
        documents: Document of each pair, `(n_pairs,)`.
        question_of: Row of each pair's question, ascending, `(n_pairs,)`.
        pair_of: Row of each cell's pair, ascending, `(n_cells,)`.
        ranks: Rank of each cell, from 0, `(n_cells,)`.
        shown: Weighted number of lists that showed the pair there, above 0, `(n_cells,)`.
        clicked: Weighted number of those in which it was clicked, `(n_cells,)`.
    """

    questions: tuple[str, ...]
    documents: tuple[str, ...]
    question_of: Rows
    pair_of: Rows
    ranks: Rows
    shown: Values
    clicked: Values

    @classmethod
    def of(cls, lists: Sequence[ShownList], weights: Sequence[float]) -> "ClickTable":
        """Return the counts of the lists, each with its weight."""
        cells: dict[tuple[str, str, int], list[float]] = {}
        for one, weight in zip(lists, weights, strict=True):
            clicked = {event.document for event in one.events if event.kind == "clicked"}
            for rank, document in enumerate(one.ids):
                cell = cells.setdefault((one.key, document, rank), [0.0, 0.0])
                cell[0] += weight
                cell[1] += weight * (document in clicked)
        ordered = sorted(cells)
        pairs = sorted({(key, document) for key, document, _ in ordered})
        questions = sorted({key for key, _ in pairs})
        row_of_pair = {pair: row for row, pair in enumerate(pairs)}
        row_of_question = {key: row for row, key in enumerate(questions)}
        counts = np.array([cells[cell] for cell in ordered]).reshape(-1, 2)
        return cls(
            questions=tuple(questions),
            documents=tuple(document for _, document in pairs),
            question_of=_rows(row_of_question[key] for key, _ in pairs),
            pair_of=_rows(row_of_pair[key, document] for key, document, _ in ordered),
            ranks=_rows(rank for _, _, rank in ordered),
            shown=counts[:, 0],
            clicked=counts[:, 1],
        )

    @property
    def depth(self) -> int:
        """Number of ranks at which something was shown."""
        return int(self.ranks.max()) + 1

    @property
    def best_ranks(self) -> Rows:
        """The best rank at which each pair was shown, from 0, `(n_pairs,)`."""
        best = np.full(len(self.documents), np.iinfo(np.int64).max)
        np.minimum.at(best, self.pair_of, self.ranks)
        return best

    def by_pair(self, values: Values) -> Values:
        """Return the sum of one value a cell over the cells of each pair, `(n_pairs,)`."""
        return _sums(self.pair_of, values, len(self.documents))

    def by_question(self, values: Values) -> Values:
        """Return the sum of one value a pair over the pairs of each question, `(n_questions,)`."""
        return _sums(self.question_of, values, len(self.questions))

    def by_rank(self, values: Values) -> Values:
        """Return the sum of one value a cell over the cells of each rank, `(depth,)`."""
        return _sums(self.ranks, values, self.depth)


def _sums(groups: Rows, values: Values, n: int) -> Values:
    return np.bincount(groups, weights=values, minlength=n).astype(np.float64)


def _rows(values: Iterable[int]) -> Rows:
    return np.fromiter(values, dtype=np.int64)
