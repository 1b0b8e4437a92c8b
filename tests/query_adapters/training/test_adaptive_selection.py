"""Tests of the number of fold assignments: more only while the decision is close."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.adaptive_selection import CLOSE, N_MORE, SelectionOptions
from query_adapters.training.candidates import Candidate, OutOfFoldTable
from query_adapters.training.decision import QuestionGroups, select_candidate
from query_adapters.training.folds import View, make_views
from query_adapters.training.guard import ALPHA, answer_groups
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior, RegularizationPath
from query_adapters.training.selection import Grid
from query_adapters.typing import Guard
from tests.query_adapters.training.test_guard_modes import DIM, problem

OPTIONS = SelectionOptions(
    n_folds=3, n_repeats=1, seen_share=0.5, guard="strict", seed=0, show_progress=False
)
CANDIDATES = (Candidate(0.0, inf), Candidate(0.0, 0.3), Candidate(0.0, 0.1))


@dataclass(frozen=True, kw_only=True, eq=False)
class CountingGrid(Grid):
    """A grid that notes the number of fold assignments of each table.

    Attributes:
        asked: Fold assignments per view, table by table.
        fitted: Training questions of each path that was fitted.
    """

    asked: list[int] = field(default_factory=list)
    fitted: list[int] = field(default_factory=list)

    def path(self, dataset: EmbeddedDataset, *args: Any) -> RegularizationPath:
        self.fitted.append(len(dataset.queries))
        return super().path(dataset, *args)

    def score(
        self, dataset: EmbeddedDataset, views: Sequence[View], **options: Any
    ) -> OutOfFoldTable:
        self.asked.append(len(views[0].fold_of))
        return super().score(dataset, views, **options)


def grid() -> CountingGrid:
    prior = Prior(PriorMap.of(np.eye(DIM, dtype=np.float32)), 5.0)
    return CountingGrid(
        priors={0.0: prior}, candidates=CANDIDATES, metric="ndcg@10", with_bias=True
    )


def table_of(dataset: EmbeddedDataset, *, n_repeats: int, seed: int = 0) -> OutOfFoldTable:
    """Return the table with this number of fold assignments."""
    views = make_views(dataset, n_folds=3, n_repeats=n_repeats, seed=seed, seen_share=0.5)
    return grid().score(dataset, views)


def p_value_of(dataset: EmbeddedDataset, table: OutOfFoldTable) -> float:
    groups = QuestionGroups(
        wording=dataset.query_groups,
        answer=answer_groups(dataset.relevant),
        linked=dataset.document_groups,
    )
    evidence = select_candidate(table, groups, guard="strict", seed=0).evidence
    assert evidence is not None
    return evidence.p_value


CLEAR, UNSURE = problem(signal=2.0), problem(signal=0.3, seed=1)


def is_close(p_value: float) -> bool:
    return CLOSE[0] < p_value < CLOSE[1]


def test_the_limit_of_the_test_is_close_on_both_sides() -> None:
    assert CLOSE[0] < ALPHA / 5
    assert CLOSE[1] > 5 * ALPHA


def test_assignments_are_added_where_the_first_leave_the_decision_open() -> None:
    found = set()
    for signal in (0.0, 0.3):
        for seed in range(3):
            dataset, counted = problem(signal=signal, n_documents=30, seed=seed), grid()
            close = is_close(p_value_of(dataset, table_of(dataset, n_repeats=1)))
            table, selection = OPTIONS.select(counted, dataset)
            assert counted.asked == ([1, 1 + N_MORE] if close else [1])
            expected = table_of(dataset, n_repeats=counted.asked[-1])
            assert table is not None
            np.testing.assert_array_equal(table.gains, expected.gains)
            assert selection.evidence is not None
            assert selection.evidence.p_value == p_value_of(dataset, expected)
            found.add(close)
    assert found == {True, False}


def test_the_first_assignments_are_not_fitted_again() -> None:
    once, added = grid(), grid()
    OPTIONS.select(once, CLEAR)
    OPTIONS.select(added, UNSURE)
    assert (once.asked, added.asked) == ([1], [1, 1 + N_MORE])
    assert len(added.fitted) == (1 + N_MORE) * len(once.fitted)


def test_the_first_assignments_are_among_those_that_decide() -> None:
    first, more = (
        make_views(UNSURE, n_folds=3, n_repeats=n_repeats, seed=4, seen_share=0.5)
        for n_repeats in (1, 1 + N_MORE)
    )
    for few, many in zip(first, more, strict=True):
        np.testing.assert_array_equal(few.fold_of[0], many.fold_of[0])


def test_repetitions_that_are_asked_for_are_the_least() -> None:
    assert is_close(p_value_of(UNSURE, table_of(UNSURE, n_repeats=2)))
    clear, unsure = grid(), grid()
    replace(OPTIONS, n_repeats=2).select(clear, CLEAR)
    replace(OPTIONS, n_repeats=2).select(unsure, UNSURE)
    assert (clear.asked, unsure.asked) == ([2], [2, 2 + N_MORE])


@pytest.mark.parametrize("guard", ["expected", "off"])
def test_guards_without_a_limit_to_be_close_to_decide_at_once(guard: Guard) -> None:
    assert is_close(p_value_of(UNSURE, table_of(UNSURE, n_repeats=1)))
    counted = grid()
    replace(OPTIONS, guard=guard).select(counted, UNSURE)
    assert counted.asked == [1]


def test_the_same_seed_gives_the_same_table_and_another_one_another() -> None:
    (first, selected), (again, selected_again) = (OPTIONS.select(grid(), UNSURE) for _ in range(2))
    other, _ = replace(OPTIONS, seed=1).select(grid(), UNSURE)
    assert first is not None
    assert again is not None
    assert other is not None
    np.testing.assert_array_equal(first.gains, again.gains)
    assert selected.evidence == selected_again.evidence
    assert (first.gains != other.gains).any()


def test_a_single_question_has_no_table() -> None:
    counted = grid()
    table, selection = OPTIONS.select(counted, UNSURE.select(np.array([3])))
    assert (table, selection.best, selection.evidence, counted.asked) == (None, None, None, [])
