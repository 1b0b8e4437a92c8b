"""Tests of the comparison of heads: each question is scored by weights that it did not fit."""

from dataclasses import replace

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.data.splits import folds
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.search import exact_search
from query_adapters.fusion import FEATURES, ScoringHead
from query_adapters.fusion.pools import PoolMaker
from query_adapters.fusion.selection import CANDIDATES, HeadComparison, candidates
from query_adapters.fusion.weights import JudgedPools
from query_adapters.training.folds import View, make_views
from query_adapters.typing import Rows
from tests.query_adapters.fusion.planted import Planted, found_by_words

METRIC = "ndcg@10"
VOTES = ("votes_5", "votes_10", "votes_20")


def views_of(dataset: EmbeddedDataset) -> list[View]:
    return make_views(dataset, n_folds=3, n_repeats=1, seed=0, seen_share=0.25)


def compared(planted: Planted, *, turn: LinearAdapter | None = None) -> HeadComparison:
    """Return the comparison of heads beside one adapter, by default none, for all folds."""
    dataset, views = planted.dataset, views_of(planted.dataset)
    adapter = turn or LinearAdapter.identity(dataset.dim)
    maker = PoolMaker(
        dataset=dataset, adapter_of=lambda _: adapter, lexical=planted.lexical, similarity="cosine"
    )
    return HeadComparison(
        dataset=dataset,
        views=views,
        pools=[
            JudgedPools.of(maker.pools(view), dataset.relevant, dataset.grades, view.weight)
            for view in views
        ],
        reference=exact_search(dataset.queries, dataset.documents, k=10, similarity="cosine"),
        metric=METRIC,
    )


@pytest.fixture(scope="module")
def planted() -> Planted:
    """Return questions of which two each share an answer."""
    return found_by_words(n_queries=40, n_documents=20)


def test_candidates_are_the_adapter_alone_each_kind_of_feature_and_all() -> None:
    assert candidates(with_text=True) == [(), ("lexical",), VOTES, ("hubness",), FEATURES]
    assert candidates(with_text=False) == [(), VOTES, ("hubness",), (*VOTES, "hubness")]


def test_the_adapter_alone_gains_what_evaluation_says(planted: Planted) -> None:
    turn = LinearAdapter(np.random.default_rng(2).normal(size=(8, 8)))
    table = compared(planted, turn=turn).table([()], groups=np.arange(40), seed=0)
    base, turned = (
        evaluate_vectors(planted.dataset, adapter, metrics=[METRIC]).per_query[METRIC]
        for adapter in (None, turn)
    )
    assert table.gains.shape == (1, 2, 2, 40)
    for view in range(2):
        assert table.gains[0, view, 0] == pytest.approx(turned - base)
    assert np.abs(turned - base).max() > 0.1


def test_without_an_adapter_nothing_is_gained_alone(planted: Planted) -> None:
    table = compared(planted).table([()], groups=np.arange(40), seed=0)
    assert not table.gains.any()


def test_exact_words_gain_on_own_answers_and_not_on_those_of_other_questions(
    planted: Planted,
) -> None:
    table = compared(planted).table(list(CANDIDATES), groups=np.arange(40), seed=0)
    lexical = CANDIDATES.index(("lexical",))
    own, control = table.gains[lexical].mean(axis=(0, 2))
    assert own > 0.4
    assert abs(control) < 0.1
    assert own > table.gains[CANDIDATES.index(("hubness",)), :, 0].mean() + 0.3
    best = table.best()
    assert best is not None
    assert "lexical" in CANDIDATES[best]


def test_what_a_question_teaches_does_not_score_its_own_group(planted: Planted) -> None:
    comparison, groups = compared(planted), planted.dataset.document_groups
    names: list[tuple[str, ...]] = [("lexical",), FEATURES]
    misled = []
    for judged in comparison.pools:
        targets = judged.targets.copy()
        for query in np.flatnonzero(groups == groups[0]):  # its answer is a document without words
            pool = judged.pools
            targets[query] = 0
            targets[query, np.argmin(pool.features[query, :, 0] + pool.similarities[query])] = 1e3
        misled.append(replace(judged, targets=targets))
    before = comparison.table(names, groups=groups, seed=0).gains
    after = replace(comparison, pools=misled).table(names, groups=groups, seed=0).gains
    fold_of: Rows = folds(groups, n_folds=5, seed=0)
    own_fold = fold_of == fold_of[0]
    assert (groups[own_fold] == groups[0]).sum() == (groups == groups[0]).sum() == 2
    np.testing.assert_array_equal(after[..., own_fold], before[..., own_fold])
    assert np.abs(after - before)[..., ~own_fold].max() > 0.01


def test_fewer_groups_than_folds_are_compared_too() -> None:
    few = found_by_words(n_queries=6, n_documents=3)
    table = compared(few).table(list(CANDIDATES), groups=few.dataset.document_groups, seed=0)
    assert table.gains.shape == (5, 2, 2, 6)
    assert np.isfinite(table.gains).all()


def test_a_pool_with_fewer_documents_than_the_metric_counts_is_judged() -> None:
    few = found_by_words(n_queries=12, n_documents=4)
    table = compared(few).table([(), ("lexical",)], groups=np.arange(12), seed=0)
    assert np.isfinite(table.gains).all()
    head = ScoringHead({"lexical": 1.0})
    assert compared(few).pools[0].pools.ranking(head, k=10).shape == (12, 4)
