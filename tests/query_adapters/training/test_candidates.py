"""Tests of the out-of-fold table: scores of each candidate by view, and the best candidate."""

from collections.abc import Callable, Iterable, Sequence
from math import inf, sqrt
from statistics import mean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.training.candidates import (
    LINEAR_SHARPENING,
    MEMORY_SHARPENING,
    Candidate,
    OutOfFoldTable,
    ViewScore,
)
from query_adapters.training.folds import View
from query_adapters.training.memory import MemorySettings
from query_adapters.typing import Values

Score = tuple[float, float]  # mean, standard error


def table_of(own: Values, weights: dict[str, float]) -> OutOfFoldTable:
    """Return a table of these own gains, `(n_candidates, n_views, n_queries)`, without controls."""
    no_folds = np.zeros((1, own.shape[2]), dtype=np.int64)
    views = [View(name=k, fold_of=no_folds, weight=weight) for k, weight in weights.items()]
    candidates = [Candidate(0.15, 1 / (1 + place)) for place in range(len(own))]
    return OutOfFoldTable(candidates, views, np.stack([own, np.zeros_like(own)], axis=2))


def with_score(score: Score) -> Values:
    """Return two gains of this mean and standard error."""
    mean, error = score
    return np.array([mean - error, mean + error])


def best_of(
    *rows: tuple[Score, Score], weights: tuple[float, float] = (0.5, 0.5), veto: bool = True
) -> int | None:
    """Return the best of candidates with these scores in the seen and in the unseen view."""
    own = np.array([[with_score(score) for score in row] for row in rows])
    return table_of(own, dict(zip(("seen", "unseen"), weights, strict=True))).best(veto=veto)


FINE = ((0.05, 0.01), (0.05, 0.01))


@pytest.mark.parametrize(
    ("rows", "best"),
    [
        pytest.param([((0.0, 0.0), (0.0, 0.0))], None, id="the base itself"),
        pytest.param([((-0.03, 0.01), (-0.03, 0.01))], None, id="below the base"),
        pytest.param([((0.03, 0.01), (-0.03, 0.04))], None, id="even over both views"),
        pytest.param([((0.001, 0.5), (0.0, 0.5))], 0, id="hardly above the base"),
        pytest.param([((0.04, 0.01), (0.04, 0.01)), FINE, ((0.01, 0), (0.01, 0))], 1, id="highest"),
        pytest.param([FINE, FINE], 0, id="the first of equals"),
        pytest.param([FINE, ((0.9, 0.01), (-0.02, 0.01))], 0, id="worse in the unseen view"),
        pytest.param([FINE, ((-0.02, 0.01), (0.9, 0.01))], 0, id="worse in the seen view"),
        pytest.param([((0.9, 0.01), (-0.02, 0.01))], None, id="nobody is left"),
        pytest.param([FINE, ((0.9, 0.01), (-0.02, 0.03))], 1, id="too unsure to object"),
    ],
)
def test_the_best_by_hand(rows: list[tuple[Score, Score]], best: int | None) -> None:
    assert best_of(*rows) == best


def test_the_share_of_questions_decides_between_views() -> None:
    for_seen, for_unseen = ((0.2, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.1, 0.0))
    assert best_of(for_seen, for_unseen, weights=(0.5, 0.5)) == 0
    assert best_of(for_seen, for_unseen, weights=(0.3, 0.7)) == 1
    assert best_of(for_seen, for_unseen, weights=(1.0, 0.0)) == 0


def test_without_the_veto_a_loss_in_one_view_is_made_up_for_in_the_other() -> None:
    harmful = ((0.9, 0.01), (-0.02, 0.01))
    assert best_of(FINE, harmful) == 0
    assert best_of(FINE, harmful, veto=False) == 1


def test_the_best_on_some_questions_is_chosen_on_these_alone() -> None:
    own = np.array([[[0.4, 0.4, 0.0, 0.0]], [[0.0, 0.0, 0.1, 0.1]]])
    table = table_of(own, {"seen": 1.0})
    assert table.best() == 0
    assert table.best(np.array([2, 3])) == 1
    assert table.best(np.array([1])) == 0
    assert table_of(-own, {"seen": 1.0}).best(np.array([2])) is None


def error_of(values: Sequence[float]) -> float:
    return stdev(values) / sqrt(len(values))


def weighted(
    of_view: Callable[[Sequence[float]], float], views: Iterable[Sequence[float]], weights: Any
) -> float:
    return float(sum(w * of_view(list(gains)) for w, gains in zip(weights, views, strict=True)))


def is_close(behind: Values, weights: Sequence[float]) -> bool:
    return weighted(mean, behind, weights) <= 0.5 * weighted(error_of, behind, weights) + 1e-12


def test_of_gains_that_differ_by_chance_the_one_that_varies_least_is_chosen() -> None:
    varied, steady = [0.9, -0.3, 0.7, -0.1], [0.3, 0.2, 0.3, 0.2]  # means 0.30 and 0.25
    clearly_less = [0.06, 0.05, 0.06, 0.05]
    own = np.array([[varied], [steady], [clearly_less]])
    assert table_of(own, {"seen": 1.0}).best() == 1
    assert table_of(own[[0, 2]], {"seen": 1.0}).best() == 0  # 0.245 behind, half an error is 0.14


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_views=st.integers(1, 2),
    n=st.integers(2, 9),
    share=st.floats(0, 1),
    veto=st.booleans(),
)
def test_the_best_is_that_of_a_search_candidate_by_candidate(
    seed: int, n_views: int, n: int, share: float, veto: bool
) -> None:
    own = np.random.default_rng(seed).normal(0.2, 1, size=(6, n_views, n))
    weights = [1.0] if n_views == 1 else [share, 1 - share]
    table = table_of(own, dict(zip(("seen", "unseen"), weights, strict=False)))
    eligible = [
        place
        for place, of_views in enumerate(own.tolist())
        if weighted(mean, of_views, weights) > 0
        and not (veto and any(mean(gains) < -error_of(gains) for gains in of_views))
    ]
    best = None
    if eligible:
        greatest = own[max(eligible, key=lambda place: weighted(mean, own[place], weights))]
        close = [place for place in eligible if is_close(greatest - own[place], weights)]
        best = min(close, key=lambda place: weighted(stdev, own[place], weights))
    assert table.best(veto=veto) == best


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_a_row_holds_the_scores_of_its_own_gains(seed: int, share: float) -> None:
    own = np.random.default_rng(seed).normal(size=(3, 2, 7))
    table = table_of(own, {"unseen": 1 - share, "seen": share})
    assert [row.candidate for row in table.rows] == list(table.candidates)
    for row, (unseen, seen) in zip(table.rows, own, strict=True):
        assert row.seen == ViewScore.of(seen)
        assert row.unseen == ViewScore.of(unseen)
        overall = ViewScore.of(share * seen + (1 - share) * unseen)
        assert row.overall.mean == pytest.approx(overall.mean)
        assert row.overall.error == pytest.approx(overall.error)
        assert row.is_admissible == (
            not row.seen.is_worse_than_base | row.unseen.is_worse_than_base
        )


def test_a_view_that_was_not_measured_has_no_score_and_does_not_object() -> None:
    (row,) = table_of(np.full((1, 1, 4), 0.1), {"seen": 1.0}).rows
    assert row.unseen is None
    assert row.seen == row.overall
    assert row.is_admissible


def test_the_error_of_a_view_is_the_standard_error_of_its_mean() -> None:
    assert ViewScore.of(np.array([0.0, 0.5, 1.0])) == ViewScore(mean=0.5, error=0.5 / np.sqrt(3))
    assert ViewScore.of(np.array([0.3])) == ViewScore(mean=0.3, error=0.0)


@pytest.mark.parametrize(
    ("mean", "error", "is_worse"),
    [(-0.02, 0.01, True), (-0.01, 0.01, False), (0.02, 0.01, False), (-0.01, 0.0, True)],
)
def test_worse_than_the_base_is_by_more_than_a_standard_error(
    mean: float, error: float, is_worse: bool
) -> None:
    assert ViewScore(mean=mean, error=error).is_worse_than_base == is_worse


def test_a_memory_learns_from_more_of_the_questions_than_a_linear_map() -> None:
    linear = Candidate(0.0, inf)
    memory = Candidate(0.0, 1.0, MemorySettings(ease=1.0, sharpness=5.0))
    assert (linear.sharpening, memory.sharpening) == (LINEAR_SHARPENING, MEMORY_SHARPENING)
    assert memory.sharpening < 1 < linear.sharpening
