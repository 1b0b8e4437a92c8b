"""Tests of the views and of the out-of-fold gains of every candidate."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.training.candidates import Candidate, ViewScore
from query_adapters.training.folds import View, make_views
from query_adapters.training.inputs import QueryInputs
from query_adapters.training.linear_score import COSINE
from query_adapters.training.memory import MemorySettings
from query_adapters.training.objective import SoftmaxObjective
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.regularization_path import Prior
from query_adapters.training.selection import Grid
from query_adapters.training.solver import solve
from query_adapters.typing import Rows, Values, Vectors

DIM = 8
METRIC = "ndcg@10"
TEMPERATURE = 10.0
MEMORY = MemorySettings(ease=3.0, sharpness=4.0)


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


def grid(*candidates: Candidate, dim: int = DIM, with_bias: bool = False) -> Grid:
    """Return a grid of these candidates whose priors are all the identity."""
    prior = Prior(PriorMap.of(np.eye(dim, dtype=np.float32)), TEMPERATURE)
    priors = {candidate.whitening: prior for candidate in candidates}
    return Grid(priors=priors, candidates=candidates, metric=METRIC, with_bias=with_bias)


def rotation_of(seed: int) -> Values:
    """Return a random rotation."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))[0]


def planted_dataset(n: int = 60, *, noise: float = 0.5) -> EmbeddedDataset:
    """Return questions whose documents are the questions under one rotation, plus noise."""
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(n, DIM))
    documents = queries @ rotation_of(0).T + noise * rng.normal(size=(n, DIM))
    return EmbeddedDataset(
        queries.astype(np.float32), documents.astype(np.float32), tuple(np.arange(n)[:, None])
    )


def memorable_dataset(*, seed: int, n: int = 40) -> EmbeddedDataset:
    """Return a dataset with random labels, which can be memorized but do not generalize."""
    rng = np.random.default_rng(seed)
    queries, documents = rng.normal(size=(2, n, 2 * DIM)).astype(np.float32)
    return EmbeddedDataset(queries, documents, tuple(rng.permutation(n)[:, None]))


def gains(dataset: EmbeddedDataset, adapter: QueryAdapter, rows: Rows | None = None) -> Values:
    """Return adapter minus base on these questions."""
    some = dataset if rows is None else dataset.select(rows)
    adapted = evaluate_vectors(some, adapter, metrics=[METRIC]).per_query[METRIC]
    base = evaluate_vectors(some, metrics=[METRIC]).per_query[METRIC]
    return np.asarray(adapted - base)


def fitted(dataset: EmbeddedDataset, strength: float) -> LinearAdapter:
    """Return the minimum of the objective around the identity, without a bias."""
    identity = np.eye(DIM, dtype=np.float32)
    objective = SoftmaxObjective(
        dataset,
        inputs=QueryInputs.of(dataset, COSINE, with_bias=False, memory=None),
        prior=PriorMap.of(identity),
        temperature=Candidate(0.0, strength).sharpening * TEMPERATURE,
        strength=strength,
    )
    found = solve(objective, np.zeros(objective.shape)).astype(np.float32)
    return LinearAdapter(identity + objective.subspace.expand(found))


@pytest.mark.parametrize("memory", [None, MEMORY])
def test_what_is_learned_by_heart_counts_for_nothing_out_of_fold(
    memory: MemorySettings | None,
) -> None:
    by_heart, out_of_fold = [], []
    memoriser = grid(Candidate(0.0, 0.001, memory), dim=2 * DIM, with_bias=True)
    for seed in range(5):
        dataset = memorable_dataset(seed=seed)
        (row,) = memoriser.score(dataset, views_of(dataset)).rows
        adapter = memoriser.fit(dataset, row.candidate).as_adapter(dataset.queries)
        by_heart.append(gains(dataset, adapter).mean())
        out_of_fold.append(row.overall.mean)
    assert min(by_heart) > 0.3
    assert np.mean(out_of_fold) < 0.03


def test_out_of_fold_gains_are_those_of_maps_fitted_without_the_fold() -> None:
    dataset = planted_dataset()
    views = views_of(dataset, n_repeats=2, seen_share=0.3)
    table = grid(Candidate(0.0, 0.1)).score(dataset, views)
    expected = np.zeros((2, len(dataset.queries)))
    for place, view in enumerate(views):
        for training, held_out in view.splits():
            adapter = fitted(dataset.select(training), 0.1)
            expected[place, held_out] += gains(dataset, adapter, held_out) / 2
    own = table.gains[0, :, 0]
    assert np.abs(own - expected).mean() < 0.01  # the path stops a little earlier than a fit
    (row,) = table.rows
    assert row.seen is not None
    assert row.unseen is not None
    assert (row.seen.mean, row.unseen.mean) == pytest.approx(own.mean(axis=1))
    assert row.overall.mean == pytest.approx(0.3 * row.seen.mean + 0.7 * row.unseen.mean)
    assert row.overall.mean > 0.2


def test_gains_of_several_fold_assignments_are_averaged() -> None:
    dataset, candidate = planted_dataset(), grid(Candidate(0.0, 0.3))
    views = views_of(dataset, n_repeats=3)
    each = [
        candidate.score(dataset, [replace(view, fold_of=view.fold_of[[at]]) for view in views])
        for at in range(3)
    ]
    together = candidate.score(dataset, views).gains
    np.testing.assert_allclose(together, np.mean([one.gains for one in each], axis=0), atol=1e-12)
    assert (each[0].gains != each[1].gains).any()


def test_the_identity_differs_from_the_base_by_exactly_nothing() -> None:
    dataset = planted_dataset()
    table = grid(Candidate(0.0, inf)).score(dataset, views_of(dataset))
    assert not table.gains.any()
    (row,) = table.rows
    assert row.overall == row.seen == row.unseen == ViewScore(mean=0.0, error=0.0)


def test_gains_are_over_the_reference() -> None:
    dataset, start = planted_dataset(), LinearAdapter(rotation_of(0))
    prior = Prior(PriorMap.of(start.weight), TEMPERATURE)
    over_start = replace(grid(Candidate(0.0, inf)), priors={0.0: prior}, reference=start)
    assert not over_start.score(dataset, views_of(dataset)).gains.any()
    (row,) = replace(over_start, reference=None).score(dataset, views_of(dataset)).rows
    assert row.overall.mean == pytest.approx(gains(dataset, start).mean(), abs=0.1)
    assert row.overall.mean > 0.5


def test_every_candidate_is_scored_whatever_else_is_in_the_grid() -> None:
    """Warm starts change the time that fits take, not their results."""
    dataset = planted_dataset()
    views = views_of(dataset)
    settings = [(p, memory) for p in (0.2, 0.0) for memory in (None, MEMORY)]
    candidates = [
        Candidate(0.2, inf),
        *(Candidate(p, strength, memory) for p, memory in settings for strength in (1.0, 0.1)),
        Candidate(0.0, inf),
    ]
    table = grid(*candidates).score(dataset, views)
    assert [row.candidate for row in table.rows] == candidates
    for place, candidate in enumerate(candidates):
        alone = grid(candidate).score(dataset, views)
        assert np.abs(table.gains[place] - alone.gains[0]).mean() < 0.01
    linear, memory = (table.gains[candidates.index(Candidate(0.2, 0.1, m))] for m in (None, MEMORY))
    assert np.abs(linear - memory).mean() > 0.02


def test_each_exponent_has_its_own_prior() -> None:
    dataset = planted_dataset()
    turned = Prior(PriorMap.of(rotation_of(0).astype(np.float32)), TEMPERATURE)
    both = grid(Candidate(0.0, inf), Candidate(0.5, inf))
    both = replace(both, priors={**both.priors, 0.5: turned})
    identity, rotation = both.score(dataset, views_of(dataset)).rows
    assert identity.overall.mean == 0
    assert rotation.overall.mean > 0.5


# The fit


def weight_and_bias(adapter: QueryAdapter) -> tuple[Vectors, Vectors]:
    assert isinstance(adapter, LinearAdapter)
    none = np.zeros(1, np.float32)
    return adapter.weight, none if adapter.bias is None else adapter.bias


def test_an_infinite_strength_is_the_prior_itself() -> None:
    prior = PriorMap.of(np.diag(np.arange(1, DIM + 1)).astype(np.float32))
    single = replace(grid(Candidate(0.5, inf)), priors={0.5: Prior(prior, TEMPERATURE)})
    dataset = planted_dataset()
    adapter = single.fit(dataset, Candidate(0.5, inf)).as_adapter(dataset.queries)
    weight, bias = weight_and_bias(adapter)
    np.testing.assert_array_equal(weight, prior.weight)
    assert not bias.any()


def test_a_candidate_is_fitted_to_the_minimum_at_its_own_strength() -> None:
    dataset = planted_dataset()
    for strength in (0.3, 0.03):
        candidate = Candidate(0.0, strength)
        fit = grid(candidate).fit(dataset, candidate).as_adapter(dataset.queries)
        expected = fitted(dataset, strength).weight
        np.testing.assert_allclose(weight_and_bias(fit)[0], expected, atol=5e-3)
