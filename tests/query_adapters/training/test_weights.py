"""Tests of weights of questions: in the objective, in selection and in what comes of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion.features import FEATURES
from query_adapters.fusion.pools import Pools
from query_adapters.fusion.weights import JudgedPools, fit_weights
from query_adapters.training import AdapterTrainer
from query_adapters.training.folds import make_views
from query_adapters.training.linear_score import COSINE
from query_adapters.training.out_of_fold import HeldOutFold
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.selection import Grid
from query_adapters.training.temperature import fitted_temperature
from query_adapters.typing import Values

PRIOR, SCORE = PriorMap.of(np.eye(8, dtype=np.float32)), COSINE
TRAINER = AdapterTrainer(whitenings=(0.0,), strengths=(0.3, 0.1), memories=(None,))


@pytest.fixture
def dataset(make_embedded: Callable[..., EmbeddedDataset]) -> EmbeddedDataset:
    return make_embedded(n_queries=60)


def weighted(dataset: EmbeddedDataset, weights: Any) -> EmbeddedDataset:
    return replace(dataset, weights=np.asarray(weights, dtype=float))


def repeated(dataset: EmbeddedDataset, times: Values) -> EmbeddedDataset:
    """Return the dataset with each question as often as its weight says."""
    return dataset.select(np.repeat(np.arange(len(dataset.queries)), times.astype(int)))


def fitted(grid: Grid, dataset: EmbeddedDataset) -> Values:
    """Return the weight of the map that minimises the objective."""
    adapter = grid.fit(dataset, grid.candidates[-1]).as_adapter(dataset.queries)
    return np.asarray(adapter.tensors()["weight"], dtype=float)


@pytest.mark.parametrize("equal", [1.0, 0.1, 7.0])
def test_equal_weights_change_no_bit(dataset: EmbeddedDataset, equal: float) -> None:
    plain = TRAINER.fit(dataset)
    found = TRAINER.fit(weighted(dataset, np.full(60, equal)))
    assert found.adapter.fingerprint == plain.adapter.fingerprint
    assert found.table == plain.table
    assert found.evidence == plain.evidence
    assert str(found.verdict) == str(plain.verdict)


def test_a_question_of_weight_2_is_fitted_as_if_it_were_given_twice(
    dataset: EmbeddedDataset,
) -> None:
    times = 1.0 + (np.arange(60) % 3 == 0)
    one, other = weighted(dataset, times), repeated(dataset, times)
    assert fitted_temperature(one, PRIOR, SCORE) == pytest.approx(
        fitted_temperature(other, PRIOR, SCORE), rel=0.05
    )
    grid = TRAINER.grid(one, None)
    np.testing.assert_allclose(fitted(grid, one), fitted(grid, other), atol=1e-3)
    apart = fitted(grid, dataset) - fitted(grid, one)
    assert np.abs(apart).max() > 0.01  # weights are not without effect


def test_a_question_of_weight_0_is_left_out(dataset: EmbeddedDataset) -> None:
    counts = np.arange(60) % 4 != 0
    found = TRAINER.fit(weighted(dataset, counts))
    expected = TRAINER.fit(dataset.select(np.flatnonzero(counts)))
    assert found.adapter.fingerprint == expected.adapter.fingerprint
    assert found.table == expected.table
    assert found.n_queries == 45


def test_gains_of_folds_are_means_by_weight(dataset: EmbeddedDataset) -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 5, size=60).astype(float)
    one = weighted(dataset, weights)
    grid = TRAINER.grid(one, None)
    views = make_views(one, n_folds=3, n_repeats=1, seed=0, seen_share=0.5)
    table = grid.score(one, views)
    for place, view in enumerate(views):
        for training, held_out in view.splits():
            fold = HeldOutFold(
                rows=held_out, data=dataset.select(held_out), metric="ndcg@10", similarity="cosine"
            )
            for row, adapter in enumerate(grid.adapters(one.select(training), [0, 1])):
                gains = fold.gains(adapter)[0] * weights[held_out] / weights.mean()
                np.testing.assert_allclose(table.gains[row, place, 0, held_out], gains)


def test_a_gain_on_questions_that_hardly_count_is_not_one(
    make_embedded: Callable[..., EmbeddedDataset],
) -> None:
    solved, noise = make_embedded(n_queries=80), make_embedded(n_queries=80, random_labels=True)
    both = EmbeddedDataset(
        np.concatenate([solved.queries, noise.queries[::-1]]),
        np.concatenate([solved.documents, -noise.documents]),
        (*solved.relevant, *(rows + 40 for rows in noise.relevant)),
    )
    halves = np.repeat([1.0, 0.0], 80)
    counted = [TRAINER.fit(weighted(both, w + 1e-3)) for w in (halves, 1 - halves)]
    assert [found.decision for found in counted] == ["adapter", "base"]


@pytest.mark.parametrize("weights", [[1.0], np.zeros(60), np.full(60, np.nan), -np.ones(60)])
def test_weights_that_are_none_are_refused(dataset: EmbeddedDataset, weights: Any) -> None:
    with pytest.raises(InvalidVectorsError, match="weights: expected"):
        weighted(dataset, weights)


def test_the_scoring_head_is_fitted_by_weight() -> None:
    rng = np.random.default_rng(0)
    relevant = [np.array([row % 6]) for row in range(30)]
    pools = Pools(
        rows=np.tile(np.arange(6), (30, 1)),
        similarities=rng.normal(size=(30, 6)),
        features=rng.uniform(size=(30, 6, len(FEATURES))),
    )
    times = rng.integers(1, 4, size=30)
    grades, rows = [np.ones(1)] * 30, np.repeat(np.arange(30), times)

    def head(rows: Any, counts: Values | None) -> Values:
        parts = [relevant[row] for row in rows], [grades[row] for row in rows]
        judged = JudgedPools.of(pools.select(rows), *parts, 1.0, counts)
        return fit_weights([judged], [True] * len(FEATURES))

    every = np.arange(30)
    one = head(every, times.astype(float))  # losses are added up, so weights need no mean of 1
    np.testing.assert_allclose(one, head(rows, None), atol=0.02)
    assert np.abs(one - head(every, None)).max() > 0.05
    np.testing.assert_array_equal(head(every, np.ones(30)), head(every, None))
