"""Tests of the test of a selection: its error rate, its power, and what it is invariant to."""

from itertools import product

import numpy as np
import pytest

from query_adapters.training import selection_test
from query_adapters.training.candidates import Candidate, OutOfFoldTable
from query_adapters.training.cross_fitting import cross_fitted_gains, splits_of
from query_adapters.training.folds import View
from query_adapters.training.selection_test import N_FLIPS, selection_p_value
from query_adapters.training.view_test import combined_p_value, skewness_corrected
from query_adapters.typing import Rows, Values

LEAST = 1 / (1 + N_FLIPS)


def table_of(own: Values, *, control: Values | float = 0.0) -> OutOfFoldTable:
    """Return the table of these own gains, `(n_candidates, n_views, n_queries)`."""
    names, n = ("seen", "unseen")[: own.shape[1]], own.shape[2]
    folds = np.zeros((1, n), dtype=np.int64)
    views = [View(name=name, fold_of=folds, weight=1 / len(names)) for name in names]
    candidates = [Candidate(0.0, 1 / (1 + place)) for place in range(len(own))]
    return OutOfFoldTable(
        candidates, views, np.stack([own, np.broadcast_to(control, own.shape)], axis=2)
    )


def p_value(
    table: OutOfFoldTable, groups: Rows, *, place: int = 0, n_flips: int = N_FLIPS, seed: int = 0
) -> float:
    return selection_p_value(
        table, place, groups=groups, held_out=groups, n_flips=n_flips, seed=seed
    )


def naive_statistic(table: OutOfFoldTable, groups: Rows, seed: int) -> float:
    """Return the mean statistic over the splits, from `OutOfFoldTable.best`, part by part."""
    found = []
    for fold_of in splits_of(groups, seed):
        sums: list[float] = []
        for fold in range(fold_of.max() + 1):
            chosen = table.best(np.flatnonzero(fold_of != fold))
            for group in np.unique(groups[fold_of == fold]):
                own, control = table.gains[chosen or 0, 0][:, groups == group].sum(axis=1)
                sums.append(0.0 if chosen is None else own - control)
        if not any(sums):
            found.append(0.0)
            continue
        values = np.array(sums) / np.sqrt(np.mean(np.square(sums)))
        corrected = skewness_corrected(values.sum(), (values**3).sum(), len(values))
        found.append(float(corrected))
    return float(np.mean(found))


def test_it_is_the_share_of_sign_patterns_in_which_the_selection_does_as_well() -> None:
    """Nine groups of two questions have 512 sign patterns, so p is known."""
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(9), 2)
    own = rng.normal(0.12, 0.3, size=(3, 1, 18))
    control = rng.normal(0, 0.05, size=own.shape)
    observed = naive_statistic(table_of(own, control=control), groups, 0)
    reached = [
        naive_statistic(table_of(own * signs, control=control * signs), groups, 0)
        >= observed - 1e-9
        for pattern in product([1, -1], repeat=9)
        for signs in [np.array(pattern)[groups]]
    ]
    found = p_value(table_of(own, control=control), groups)
    assert 0.02 < np.mean(reached) < 0.6
    assert found == pytest.approx(np.mean(reached), abs=0.05)


def error_rate(own: Values, groups: Rows, *, limit: float = 0.05) -> float:
    """Return how often a selection among gains of mean 0 passes, `(n_samples, ...)`."""
    found = [p_value(table_of(gains), groups, n_flips=199) for gains in own]
    return float((np.array(found) <= limit).mean())


@pytest.mark.slow
def test_a_selection_among_candidates_without_a_gain_passes_as_rarely_as_it_should() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.2, size=(150, 1, 1, 60))
    own = shared + rng.normal(0, 0.3, size=(150, 12, 1, 60))
    assert error_rate(own, np.arange(60)) == pytest.approx(0.05, abs=0.045)
    twice = np.repeat(own[..., :30], 2, axis=-1)
    assert error_rate(twice, np.arange(60) // 2) == pytest.approx(0.05, abs=0.045)


@pytest.mark.slow
def test_both_views_together_pass_as_rarely_as_each() -> None:
    """Questions about one document have the same effect in the view of unseen documents."""
    rng, found, question = np.random.default_rng(2), [], np.arange(60)
    for _ in range(150):
        answer = rng.integers(20, size=60)
        noise = rng.normal(0, 0.3, size=(2, 3, 60))
        noise[1] += rng.normal(0, 0.3, size=20)[answer]
        table = table_of(noise.swapaxes(0, 1))
        seen = p_value(table, question, n_flips=199)
        unseen = p_value(table, answer, place=1, n_flips=199)
        found.append([seen, unseen, combined_p_value([seen, unseen], [0.5, 0.5])])
    assert (np.array(found) <= 0.05).mean(axis=0) == pytest.approx([0.05] * 3, abs=0.045)


def rare_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return many small gains and rare large losses, of mean 0."""
    gains, losses = rng.uniform(0, 0.12, shape), rng.uniform(0, 0.6, shape)
    kind = rng.random(shape)
    return np.where(kind < 0.1, -losses, (kind < 0.6) * gains)


def uncorrected(sums: Values, _cubes: Values, n: int) -> Values:
    """Return the t statistic of samples of n values with mean square 1."""
    return np.asarray(sums / np.sqrt(np.maximum(n**2 - sums**2, 1e-9)))


@pytest.mark.slow
def test_the_correction_for_skewness_is_needed_where_losses_are_rare_and_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = rare_losses(np.random.default_rng(0), (250, 60))[:, None, None]
    assert error_rate(own, np.arange(60)) < 0.065
    monkeypatch.setattr(selection_test, "skewness_corrected", uncorrected)
    assert error_rate(own, np.arange(60)) > 0.085


def test_a_clear_gain_has_the_least_p_value_and_a_clear_loss_has_none() -> None:
    own = 0.2 + np.random.default_rng(0).normal(0, 0.2, size=(4, 2, 80))
    groups = np.arange(80)
    assert p_value(table_of(own), groups) == pytest.approx(LEAST)
    assert p_value(table_of(own), groups, place=1) == pytest.approx(LEAST)
    assert p_value(table_of(-own), groups) == 1
    assert p_value(table_of(np.zeros_like(own)), groups) == 1


@pytest.mark.parametrize("n_flips", [19, 199])
def test_fewer_flips_have_a_larger_least_p_value(n_flips: int) -> None:
    own = np.full((2, 1, 60), 0.2)
    assert p_value(table_of(own), np.arange(60), n_flips=n_flips) == 1 / (1 + n_flips)


def test_questions_without_a_change_do_not_hide_those_that_gain() -> None:
    gained = np.abs(np.random.default_rng(0).normal(0.3, 0.1, size=40))
    own = np.concatenate([gained, np.zeros(400)])[None, None]
    assert p_value(table_of(own), np.arange(440)) == pytest.approx(LEAST)


def test_a_gain_on_other_answers_as_well_is_none() -> None:
    own = 0.2 + np.random.default_rng(0).normal(0, 0.2, size=(3, 1, 80))
    control = own + np.random.default_rng(1).normal(0, 0.2, size=own.shape)
    assert p_value(table_of(own, control=control), np.arange(80)) > 0.05


def test_a_single_group_shows_nothing() -> None:
    assert p_value(table_of(np.full((2, 1, 30), 0.3)), np.zeros(30, np.int64)) == 1


def test_copies_of_questions_in_one_group_add_nothing() -> None:
    own = 0.05 + np.random.default_rng(3).normal(0, 0.3, size=(1, 1, 50))
    copies, groups = np.repeat(own, 20, axis=2), np.repeat(np.arange(50), 20)
    alone = p_value(table_of(own), np.arange(50))
    assert p_value(table_of(copies), groups) == pytest.approx(alone, abs=0.06)
    assert p_value(table_of(copies), np.arange(1_000)) < alone / 10


def test_the_same_seed_gives_the_same_p_value_and_the_scale_does_not_matter() -> None:
    own = 0.03 + np.random.default_rng(3).normal(0, 0.3, size=(5, 2, 60))
    groups = np.arange(60)
    first = p_value(table_of(own), groups, seed=4)
    assert p_value(table_of(own), groups, seed=4) == first
    assert p_value(table_of(8 * own), groups, seed=4) == first
    others = [p_value(table_of(own), groups, seed=seed) for seed in (5, 6)]
    assert len({first, *others}) > 1


def test_what_is_never_chosen_does_not_count() -> None:
    own = np.random.default_rng(0).normal(0.1, 0.1, size=(2, 1, 40))
    own[1] -= 0.5
    table = table_of(own)
    chosen = cross_fitted_gains(table, np.arange(40), seed=0)[0, 0]
    assert chosen == pytest.approx(own[0, 0])
    assert p_value(table, np.arange(40)) == p_value(table_of(own[:1]), np.arange(40))
