"""Tests of the fit of the weights: the minimum of a convex loss, whatever the features' units."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad, minimize

from query_adapters.fusion import FEATURES, ScoringHead
from query_adapters.fusion.pools import PADDING, Pools
from query_adapters.fusion.weights import LEAST, RIDGE, JudgedPools, _cross_entropy, fit_head
from query_adapters.typing import Rows, Values

LEXICAL, HUBNESS = FEATURES.index("lexical"), FEATURES.index("hubness")


def made(
    seed: int = 0,
    *,
    n_queries: int = 40,
    width: int = 8,
    helps: float = 1.0,
    weight: float = 1.0,
    padded: bool = True,
) -> JudgedPools:
    """Return pools of documents; the relevant ones have a higher similarity and lexical score."""
    rng = np.random.default_rng(seed)
    rows = np.stack([rng.choice(100, size=width, replace=False) for _ in range(n_queries)])
    similarities = 0.3 + 0.2 * rng.normal(size=rows.shape)
    features = rng.normal(size=(*rows.shape, len(FEATURES))) * [0.3, 1, 0.5, 0.2, 0.1]
    relevant = [row[: 1 + query % 2] for query, row in enumerate(rows)]
    for query, documents in enumerate(relevant):
        similarities[query, : len(documents)] += 0.2
        features[query, : len(documents), LEXICAL] += 0.3 * helps
    if padded:
        rows[::3, -2:] = PADDING
        similarities[::3, -2:], features[::3, -2:] = 0, 0
    grades = [rng.integers(1, 3, size=len(documents)).astype(float) for documents in relevant]
    return JudgedPools.of(Pools(rows, similarities, features), relevant, grades, weight)


def with_features(view: JudgedPools, features: Values) -> JudgedPools:
    return replace(view, pools=replace(view.pools, features=features))


def loss_of(view: JudgedPools, weights: Values) -> float:
    """Return the loss of one view from its definition, one question at a time."""
    total = 0.0
    for query, targets in enumerate(view.targets):
        kept = view.pools.rows[query] != PADDING
        alone, features = view.pools.similarities[query][kept], view.pools.features[query][kept]
        scores = weights[0] * alone + features @ weights[1:]
        masses = np.exp(scores) / np.exp(scores).sum()
        total -= sum(t * np.log(m) for t, m in zip(targets[kept], masses, strict=True) if t > 0)
    return float(total)


def scales_of(views: list[JudgedPools]) -> Values:
    """Return the mean range of similarity and features over the pools, one pool at a time."""
    by_view = []
    for view in views:
        ranges = []
        for query, rows in enumerate(view.pools.rows):
            kept = rows != PADDING
            alone, features = view.pools.similarities[query][kept], view.pools.features[query][kept]
            values = np.column_stack([alone, features])
            ranges.append(values.max(axis=0) - values.min(axis=0))
        by_view.append(np.mean(ranges, axis=0))
    scales: Values = np.mean(by_view, axis=0)
    return scales


def objective_of(views: list[JudgedPools]) -> Callable[[Any], float]:
    """Return the documented objective in units of the ranges, without shared code."""
    scales = scales_of(views)

    def objective(units: Values) -> float:
        losses = [view.weight * loss_of(view, units / scales) for view in views]
        return float(sum(losses) + RIDGE * (units[1:] ** 2).sum())

    return objective


def in_units(head: ScoringHead, views: list[JudgedPools], first: float) -> Values:
    """Return the weights in units of the ranges, given that of the similarity."""
    scales = scales_of(views)
    units: Values = np.array([first, *(head.weights * first / scales[0] * scales[1:])])
    return units


def test_targets_are_the_shares_of_the_grades_in_the_pool() -> None:
    pools = Pools(
        np.array([[5, 2, 9, PADDING], [1, 4, 6, 8]]), np.zeros((2, 4)), np.zeros((2, 4, 5))
    )
    relevant = [np.array([9, 5, 77]), np.array([3])]  # 77 and 3 are not in the pools
    view = JudgedPools.of(pools, relevant, [np.array([1.0, 3.0, 5.0]), np.array([1.0])], 0.5)
    assert view.targets.tolist() == [[0.75, 0, 0.25, 0], [0, 0, 0, 0]]
    assert view.weight == 0.5
    assert view.select(np.array([1, 0])).targets.tolist() == view.targets[::-1].tolist()


def test_ranges_leave_padding_out() -> None:
    rows = np.array([[5, 2, PADDING], [1, 4, 6]])
    similarities, features = np.array([[5.0, 7.0, 0.0], [1, 2, 5]]), np.full((2, 3, 5), 3.0)
    features[0, 2] = 0
    ranges = JudgedPools(Pools(rows, similarities, features), np.zeros((2, 3)), 1.0).ranges
    assert ranges.tolist() == [(2 + 4) / 2, 0, 0, 0, 0, 0]


@given(seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_loss_is_that_of_a_loop_and_its_gradient_that_of_differences(seed: int) -> None:
    view = made(seed, n_queries=6)
    start = np.random.default_rng(seed).uniform(0, 3, size=6)

    def loss(weights: Values) -> float:
        return _cross_entropy(view.inputs @ weights, view)[0]

    def gradient(weights: Values) -> Values:
        slope = _cross_entropy(view.inputs @ weights, view)[1]
        found: Values = np.einsum("qd,qdf->f", slope, view.inputs)
        return found

    assert loss(start) == pytest.approx(loss_of(view, start))
    assert check_grad(loss, gradient, start) < 1e-4


def test_large_scores_neither_overflow_nor_count_padding() -> None:
    view = made(n_queries=6)
    loss, slope = _cross_entropy(1e6 * (view.inputs @ np.ones(6)), view)
    assert np.isfinite(loss)
    assert np.isfinite(slope).all()
    assert not slope[view.is_padding].any()


@given(seed=st.integers(0, 99), share=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_the_objective_is_convex_along_every_segment(seed: int, share: float) -> None:
    views = [made(seed, n_queries=6), made(seed + 1, n_queries=6, weight=0.3)]
    objective, rng = objective_of(views), np.random.default_rng(seed)
    one, other = rng.uniform(0, 8, size=6), rng.uniform(0, 8, size=6)
    between = objective(share * one + (1 - share) * other)
    assert between <= share * objective(one) + (1 - share) * objective(other) + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_head_is_the_minimum_that_a_general_solver_finds(seed: int) -> None:
    views = [made(seed, weight=0.7), made(seed + 10, helps=0.2, weight=0.3)]
    objective = objective_of(views)
    found = minimize(
        objective, np.full(6, 1.0), method="SLSQP", bounds=[(LEAST, None)] + [(0, None)] * 5,
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    assert found.success
    head = fit_head(views, FEATURES)
    units = in_units(head, views, found.x[0])
    np.testing.assert_allclose(units, found.x, atol=5e-3)
    assert objective(units) <= found.fun + 1e-4
    assert head.by_name["lexical"] > 0


def test_one_feature_has_the_weight_that_a_grid_finds() -> None:
    views = [made(4, n_queries=12)]
    objective, head = objective_of(views), fit_head(views, ["lexical"])
    best, step = np.array([5.0, 5.0, 0, 0, 0, 0]), 1.0
    for _ in range(3):  # finer and finer around the best point
        moves = [np.array([x, y, 0, 0, 0, 0]) for x in range(-5, 6) for y in range(-5, 6)]
        points = [best + step * move for move in moves]
        best, step = min((p for p in points if p[0] > 0 and p[1] >= 0), key=objective), step / 4
    found = in_units(head, views, float(best[0]))
    np.testing.assert_allclose(found, best, atol=0.1)
    assert best[1] > 0.5


@pytest.mark.parametrize("names", [(), ("lexical",), ("hubness", "votes_10"), FEATURES])
def test_features_that_are_left_out_keep_weight_0(names: tuple[str, ...]) -> None:
    head = fit_head([made()], names)
    assert all(weight == 0 for name, weight in head.by_name.items() if name not in names)
    assert all(weight >= 0 for weight in head.by_name.values())
    assert (head.by_name["lexical"] > 0) == ("lexical" in names)


@given(
    seed=st.integers(0, 99),
    factors=st.lists(st.floats(1e-3, 1e3), min_size=6, max_size=6),
)
@settings(max_examples=15, deadline=None)
def test_units_of_features_rescale_their_weights_and_change_no_ranking(
    seed: int, factors: list[float]
) -> None:
    view, (first, *others) = made(seed), factors
    pools = replace(
        view.pools,
        similarities=first * view.pools.similarities,
        features=view.pools.features * others,
    )
    plain, scaled = fit_head([view], FEATURES), fit_head([replace(view, pools=pools)], FEATURES)
    back = scaled.weights * others / first
    np.testing.assert_allclose(back, plain.weights, atol=5e-3 * (1 + plain.weights.max()))
    same = pools.ranking(scaled, k=5) == view.pools.ranking(plain, k=5)
    assert same.mean() > 0.98  # scores that equal to the last digits may change places


def test_a_power_of_two_changes_no_bit_of_a_ranking() -> None:
    view = made(2)
    factors = np.array([8.0, 0.25, 2.0, 1.0, 1024.0])
    scaled = with_features(view, view.pools.features * factors)
    plain, other = fit_head([view], FEATURES), fit_head([scaled], FEATURES)
    assert (other.weights * factors).tolist() == plain.weights.tolist()
    expected = view.pools.ranking(plain, k=8).tolist()
    assert scaled.pools.ranking(other, k=8).tolist() == expected


def test_a_feature_that_is_the_same_for_all_documents_gets_no_weight() -> None:
    view = made(padded=False)
    features = view.pools.features.copy()
    features[:, :, HUBNESS] = -0.7
    head = fit_head([with_features(view, features)], FEATURES)
    assert head.by_name["hubness"] < 1e-9


def test_a_feature_that_misleads_gets_weight_0() -> None:
    view = made()
    features = view.pools.features.copy()
    features[:, :, LEXICAL] *= -1
    assert fit_head([with_features(view, features)], FEATURES).by_name["lexical"] == 0


@pytest.mark.parametrize("has_answers", [False, True])
def test_only_questions_with_a_relevant_document_in_their_pool_matter(has_answers: bool) -> None:
    view, rng = made(5, padded=False), np.random.default_rng(0)
    if not has_answers:
        targets = view.targets.copy()
        targets[::4] = 0
        view = replace(view, targets=targets)
    features = view.pools.features.copy()
    for query in range(0, len(features), 4):  # other features of the same range
        for column in range(features.shape[2]):
            features[query, :, column] = rng.permutation(features[query, :, column])
    moved = fit_head([with_features(view, features)], FEATURES).weights
    change = np.abs(moved - fit_head([view], FEATURES).weights).max()
    assert (change > 1e-2) == has_answers
    assert has_answers or change < 1e-9


def test_questions_without_any_relevant_document_leave_the_adapter_alone() -> None:
    view = made()
    head = fit_head([replace(view, targets=np.zeros_like(view.targets))], FEATURES)
    assert head.is_zero


def test_the_fewer_questions_the_more_weights_are_pulled_to_the_similarity_alone() -> None:
    view = made(7)
    weights = [
        fit_head([view.select(np.tile(np.arange(40), times))], FEATURES).by_name["lexical"]
        for times in (1, 4, 16, 64)
    ]
    assert 0 < weights[0] < weights[1] < weights[2] < weights[3]


def test_the_weight_of_a_view_is_how_often_its_questions_count() -> None:
    helping, misleading = made(1, helps=1), made(2, helps=-1)
    found = [
        fit_head([replace(helping, weight=share), replace(misleading, weight=1 - share)], FEATURES)
        for share in (0.0, 0.5, 1.0)
    ]
    lexical = [head.by_name["lexical"] for head in found]
    assert lexical[0] == 0
    assert lexical[0] <= lexical[1] < lexical[2]


def test_the_order_of_questions_does_not_matter() -> None:
    turned: Rows = np.arange(40)[::-1]
    one, other = fit_head([made(3)], FEATURES), fit_head([made(3).select(turned)], FEATURES)
    assert other.weights == pytest.approx(one.weights, abs=1e-3)
