"""Tests of out-of-fold scores, of the views, and of the choice of the candidate."""

from collections.abc import Sequence
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training.candidates import Candidate, CandidateScore, ViewScore, choose
from query_adapters.training.folds import View, make_views
from query_adapters.training.linear_map import LinearMap
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.selection import Grid
from query_adapters.training.solver import solve

DIM = 8
METRIC = "ndcg@10"


def dataset_of(relevant: list[list[int]], groups: list[int] | None = None) -> EmbeddedDataset:
    """Return random vectors with the given judgements and groups of near-duplicates."""
    rng = np.random.default_rng(0)
    n_documents = 1 + max(max(rows) for rows in relevant)
    return EmbeddedDataset(
        rng.normal(size=(len(relevant), DIM)).astype(np.float32),
        rng.normal(size=(n_documents, DIM)).astype(np.float32),
        tuple(np.array(rows) for rows in relevant),
        query_groups=np.array(groups or range(len(relevant))),
    )


def views_of(
    dataset: EmbeddedDataset,
    *,
    n_folds: int = 4,
    n_repeats: int = 1,
    seed: int = 0,
    seen_share: float = 0.5,
) -> list[View]:
    return make_views(
        dataset, n_folds=n_folds, n_repeats=n_repeats, seed=seed, seen_share=seen_share
    )


def names_and_weights(views: list[View]) -> dict[str, float]:
    return {view.name: view.weight for view in views}


@st.composite
def judged_datasets(draw: st.DrawFn) -> EmbeddedDataset:
    """Draw datasets whose questions share documents and near-duplicate groups."""
    n_queries = draw(st.integers(2, 15))
    rows = st.lists(st.integers(0, 12), min_size=1, max_size=3, unique=True)
    relevant = draw(st.lists(rows, min_size=n_queries, max_size=n_queries))
    groups = draw(st.lists(st.integers(0, 8), min_size=n_queries, max_size=n_queries))
    return dataset_of(relevant, groups)


@settings(max_examples=100, deadline=None)
@given(
    dataset=judged_datasets(),
    n_folds=st.integers(2, 5),
    n_repeats=st.integers(1, 3),
    seed=st.integers(0, 99),
    seen_share=st.floats(0, 1),
)
def test_views_deal_each_question_once_a_repetition_and_never_train_on_what_they_ask(
    dataset: EmbeddedDataset, n_folds: int, n_repeats: int, seed: int, seen_share: float
) -> None:
    views = views_of(
        dataset, n_folds=n_folds, n_repeats=n_repeats, seed=seed, seen_share=seen_share
    )
    groups = np.asarray(dataset.query_groups)
    everyone = np.arange(len(groups))
    for view in views:
        splits = list(view.splits())
        asked = np.concatenate([held_out for _, held_out in splits])
        np.testing.assert_array_equal(np.sort(asked), np.repeat(everyone, n_repeats))
        for training, held_out in splits:
            assert training.size
            assert held_out.size
            np.testing.assert_array_equal(np.union1d(training, held_out), everyone)
            assert not np.intersect1d(groups[training], groups[held_out]).size
            if view.name == "unseen":
                of_training = dataset.select(training).labelled
                assert not np.intersect1d(dataset.select(held_out).labelled, of_training).size
    if views:
        assert sum(view.weight for view in views) == pytest.approx(1)


def test_folds_are_about_equal_and_repetitions_deal_anew() -> None:
    (seen, unseen) = views_of(dataset_of([[row] for row in range(20)]), n_repeats=3)
    for view in (seen, unseen):
        assert view.fold_of.shape == (3, 20)
        assert all(np.bincount(fold_of).tolist() == [5, 5, 5, 5] for fold_of in view.fold_of)
        assert len({fold_of.tobytes() for fold_of in view.fold_of}) == 3


def test_the_seed_decides_the_folds() -> None:
    dataset = dataset_of([[row] for row in range(20)])
    first, again, other = (views_of(dataset, seed=seed)[0].fold_of for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_weights_are_the_shares_of_questions_expected() -> None:
    dataset = dataset_of([[row] for row in range(8)])
    assert names_and_weights(views_of(dataset, seen_share=0.7)) == pytest.approx(
        {"seen": 0.7, "unseen": 0.3}
    )


def test_where_only_seen_documents_are_expected_the_other_view_is_not_measured() -> None:
    dataset = dataset_of([[row] for row in range(8)])
    assert names_and_weights(views_of(dataset, seen_share=1)) == {"seen": 1.0}


@pytest.mark.parametrize("seen_share", [0.0, 0.5, 1.0])
def test_questions_about_one_document_leave_all_the_weight_to_the_seen_view(
    seen_share: float,
) -> None:
    views = views_of(dataset_of([[0]] * 6), seen_share=seen_share)
    assert names_and_weights(views) == {"seen": 1.0}


@pytest.mark.parametrize(
    "dataset", [dataset_of([[0]]), dataset_of([[0], [1], [2]], groups=[5, 5, 5])]
)
def test_one_question_however_worded_leaves_nothing_to_measure(dataset: EmbeddedDataset) -> None:
    assert views_of(dataset) == []


def test_fewer_groups_than_folds_give_as_many_folds_as_groups() -> None:
    (seen, unseen) = views_of(dataset_of([[0], [0], [1]]), n_folds=4)
    assert sorted(seen.fold_of[0].tolist()) == [0, 1, 2]
    assert unseen.fold_of[0, 0] == unseen.fold_of[0, 1] != unseen.fold_of[0, 2]


# The table


def grid(
    *, strengths: tuple[float, ...] = (1.0, 0.1, 0.01), whitenings: tuple[float, ...] = (0.0,)
) -> Grid:
    """Return a grid of candidates whose priors are all the identity."""
    maps = {p: LinearMap.of(np.eye(DIM, dtype=np.float32)) for p in whitenings}
    return Grid(priors=maps, strengths=strengths, metric=METRIC, with_bias=False)


def planted_dataset(n: int = 60, *, noise: float = 0.5) -> EmbeddedDataset:
    """Return questions whose documents are the questions under one rotation, plus noise."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0]
    queries = rng.normal(size=(n, DIM))
    documents = queries @ rotation.T + noise * rng.normal(size=(n, DIM))
    return EmbeddedDataset(
        queries.astype(np.float32), documents.astype(np.float32), tuple(np.arange(n)[:, None])
    )


def memorable_dataset(*, seed: int, n: int = 40) -> EmbeddedDataset:
    """Return a dataset with random labels, which can be memorized but do not generalize."""
    rng = np.random.default_rng(seed)
    queries, documents = rng.normal(size=(2, n, 2 * DIM)).astype(np.float32)
    return EmbeddedDataset(queries, documents, tuple(rng.permutation(n)[:, None]))


def gain(dataset: EmbeddedDataset, linear: LinearMap, rows: np.ndarray | None = None) -> float:
    some = dataset if rows is None else dataset.select(rows)
    adapted = evaluate_vectors(some, LinearAdapter(linear.weight), metrics=[METRIC])
    return adapted.means[METRIC] - evaluate_vectors(some, metrics=[METRIC]).means[METRIC]


def test_what_is_learned_by_heart_counts_for_nothing_out_of_fold() -> None:
    by_heart, out_of_fold = [], []
    prior = LinearMap.of(np.eye(2 * DIM, dtype=np.float32))
    memoriser = Grid(priors={0.0: prior}, strengths=(0.001,), metric=METRIC, with_bias=False)
    for seed in range(5):
        dataset = memorable_dataset(seed=seed)
        row = memoriser.score(dataset, views_of(dataset))[1]
        by_heart.append(gain(dataset, memoriser.fit(dataset, row.candidate).map))
        out_of_fold.append(row.overall.mean)
    assert min(by_heart) > 0.3
    assert np.mean(out_of_fold) < 0.03


def test_out_of_fold_differences_are_those_of_models_fitted_without_the_fold() -> None:
    dataset = planted_dataset()
    views = views_of(dataset, n_repeats=2)
    row = grid(strengths=(0.1,)).score(dataset, views)[1]
    identity = LinearMap.of(np.eye(DIM, dtype=np.float32))
    means = {}
    for view in views:
        gains = [
            len(held_out) * gain(dataset, solve(objective, identity), held_out)
            for training, held_out in view.splits()
            for objective in [
                SoftmaxObjective(dataset.select(training), prior=identity, strength=0.1)
            ]
        ]
        means[view.name] = sum(gains) / (2 * len(dataset.queries))
    assert row.seen is not None
    assert row.unseen is not None
    assert row.seen.mean == pytest.approx(means["seen"], abs=0.01)
    assert row.unseen.mean == pytest.approx(means["unseen"], abs=0.01)
    assert row.overall.mean == pytest.approx((row.seen.mean + row.unseen.mean) / 2)
    assert row.overall.mean > 0.2


def test_the_identity_differs_from_the_base_by_exactly_nothing() -> None:
    dataset = planted_dataset()
    row = grid().score(dataset, views_of(dataset))[0]
    assert row.candidate == Candidate(0.0, inf)
    assert row.overall == row.seen == row.unseen == ViewScore(mean=0.0, error=0.0)


def test_the_first_prior_walks_the_path_and_others_are_tried_where_it_was_best() -> None:
    dataset = planted_dataset()
    table = grid(whitenings=(0.2, 0.0)).score(dataset, views_of(dataset))
    of_first, of_other = ([r for r in table if r.candidate.whitening == p] for p in (0.2, 0.0))
    assert [row.candidate.strength for row in of_first] == [inf, 1.0, 0.1, 0.01][: len(of_first)]
    best = max(of_first, key=lambda row: row.overall.mean)
    assert [row.candidate.strength for row in of_other] == [best.candidate.strength]
    assert of_other[0].overall.mean == pytest.approx(best.overall.mean, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_the_path_is_left_where_scores_fall_and_not_before(seed: int) -> None:
    strengths = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(40, DIM)).astype(np.float32)
    queries = documents + 0.2 * rng.normal(size=(40, DIM)).astype(np.float32)
    dataset = EmbeddedDataset(queries, documents, tuple(rng.permutation(40)[:, None]))
    means, errors = zip(
        *(
            (row.overall.mean, row.overall.error)
            for row in grid(strengths=strengths).score(dataset, views_of(dataset))
        ),
        strict=True,
    )

    def is_over(n: int) -> bool:
        best = max(means[:n])
        stale = n - 1 - means.index(best)
        return stale >= 2 or means[n - 1] < best - errors[n - 1]

    assert not any(is_over(n) for n in range(1, len(means)))
    assert is_over(len(means)) or len(means) == 1 + len(strengths)


def test_a_path_of_falling_scores_ends_early() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, DIM)).astype(np.float32)
    perfect = EmbeddedDataset(vectors, vectors, tuple(np.arange(30)[:, None]))
    assert (
        len(grid(strengths=tuple(0.5**n for n in range(20))).score(perfect, views_of(perfect))) < 6
    )


def test_an_infinite_strength_is_the_prior_itself() -> None:
    prior = LinearMap.of(np.diag(np.arange(1, DIM + 1)).astype(np.float32))
    single = Grid(priors={0.5: prior}, strengths=(0.1,), metric=METRIC, with_bias=False)
    fit = single.fit(planted_dataset(), Candidate(0.5, inf))
    assert fit.memory is None
    np.testing.assert_array_equal(fit.map.weight, prior.weight)
    np.testing.assert_array_equal(fit.map.bias, prior.bias)


def test_a_candidate_is_fitted_to_the_minimum_at_its_own_strength() -> None:
    dataset, identity = planted_dataset(), LinearMap.of(np.eye(DIM, dtype=np.float32))
    at = grid().fit(dataset, Candidate(0.0, 0.1)).map
    expected = solve(SoftmaxObjective(dataset, prior=identity, strength=0.1), identity)
    np.testing.assert_allclose(at.weight, expected.weight, atol=5e-3)


def test_the_error_of_a_view_is_the_standard_error_of_its_mean() -> None:
    assert ViewScore.of(np.array([0.0, 0.5, 1.0])) == ViewScore(mean=0.5, error=0.5 / np.sqrt(3))
    assert ViewScore.of(np.array([0.3])) == ViewScore(mean=0.3, error=0.0)


# The choice

Score = tuple[float, float]


def row(
    overall: Score,
    *,
    seen: Score | None = (0.1, 0.01),
    unseen: Score | None = (0.1, 0.01),
    whitening: float = 0.15,
    strength: float = 1.0,
) -> CandidateScore:
    """Return a row of the table with these means and standard errors."""
    seen_score, unseen_score = (
        None if score is None else ViewScore(mean=score[0], error=score[1])
        for score in (seen, unseen)
    )
    return CandidateScore(
        candidate=Candidate(whitening, strength),
        seen=seen_score,
        unseen=unseen_score,
        overall=ViewScore(mean=overall[0], error=overall[1]),
        differences=np.array([overall[0]]),
        controls=np.zeros(1),
    )


FINE = row((0.05, 0.01))


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        pytest.param([], None, id="nothing was measured"),
        pytest.param([row((0.02, 0.03))], None, id="within a standard error of the base"),
        pytest.param([row((0.03, 0.03))], None, id="at a standard error of the base"),
        pytest.param([row((-0.03, 0.01))], None, id="below the base"),
        pytest.param([row((0.04, 0.01)), FINE, row((0.01, 0.0))], 1, id="the highest mean"),
        pytest.param([FINE, row((0.09, 0.01), seen=(-0.02, 0.01))], 0, id="seen view objects"),
        pytest.param([FINE, row((0.09, 0.01), unseen=(-0.02, 0.01))], 0, id="unseen view objects"),
        pytest.param([row((0.09, 0.01), unseen=(-0.02, 0.01))], None, id="nobody is left"),
        pytest.param([FINE, row((0.09, 0.01), seen=(-0.01, 0.02))], 1, id="too unsure to object"),
        pytest.param([row((0.05, 0.01), unseen=None)], 0, id="a view not measured is silent"),
        pytest.param(
            [FINE, row((0.058, 0.01), whitening=0.3)], 0, id="other prior, within an error"
        ),
        pytest.param(
            [FINE, row((0.070, 0.01), whitening=0.3)], 1, id="other prior, clearly better"
        ),
        pytest.param(
            [FINE, row((0.09, 0.01), whitening=0.3, seen=(-0.1, 0.01))], 0, id="other prior, vetoed"
        ),
        pytest.param(
            [row((0.05, 0.01), seen=(-0.1, 0.01)), row((0.03, 0.01), whitening=0.3)],
            1,
            id="first prior vetoed, another beats the base",
        ),
        pytest.param(
            [FINE, row((0.07, 0.01), whitening=0.3), row((0.09, 0.01), whitening=0.0)],
            2,
            id="the best of several others",
        ),
    ],
)
def test_the_choice_by_hand(table: list[CandidateScore], chosen: int | None) -> None:
    expected = None if chosen is None else table[chosen]
    assert choose(table) is expected


def strong(
    strength: float, gains: Sequence[float], *, whitening: float = 0.15, seen: float | None = None
) -> CandidateScore:
    overall = ViewScore(mean=float(np.mean(gains)), error=0.001)
    return CandidateScore(
        candidate=Candidate(whitening, strength),
        seen=None if seen is None else ViewScore(mean=seen, error=0.05),
        unseen=None,
        overall=overall,
        differences=np.array(gains),
        controls=np.zeros(len(gains)),
    )


@pytest.mark.parametrize(
    ("table", "chosen"),
    [
        pytest.param(
            [strong(3.0, [0.05, 0.24]), strong(1.0, [0.2, 0.18]), strong(0.3, [0.1, 0.3])],
            1,
            id="the greatest within a standard error of the paired difference",
        ),
        pytest.param(
            [strong(3.0, [0.1, 0.21]), strong(1.0, [0.2, 0.3])], 1, id="all others clearly worse"
        ),
        pytest.param([strong(0.3, [0.2, 0.2]), strong(1.0, [0.2, 0.2])], 1, id="of equals"),
        pytest.param(
            [strong(3.0, [0.2, 0.2], whitening=0.3), strong(1.0, [0.2, 0.21])],
            1,
            id="only those on the same prior count",
        ),
        pytest.param(
            [strong(1.0, [0.2, 0.2], seen=0.24), strong(0.3, [0.2, 0.21], seen=0.3)],
            1,
            id="none that is worse in one view",
        ),
        pytest.param(
            [strong(1.0, [0.2, 0.2], seen=0.26), strong(0.3, [0.2, 0.21], seen=0.3)],
            0,
            id="within an error in that view",
        ),
    ],
)
def test_strengths_as_good_as_the_best_give_way_to_the_greatest(
    table: list[CandidateScore], chosen: int
) -> None:
    assert choose(table) is table[chosen]
