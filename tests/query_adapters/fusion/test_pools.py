"""Tests of out-of-fold features: a question's own label never scores its documents."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter, QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.fusion import FEATURES, FusionModel, ScoringHead
from query_adapters.fusion.pools import PADDING, PoolMaker, Pools
from query_adapters.fusion.votes import Votes
from query_adapters.training.folds import View, make_views
from query_adapters.typing import Values, Vectors

LEXICAL, HUBNESS = FEATURES.index("lexical"), FEATURES.index("hubness")
VOTES = [FEATURES.index(name) for name in ("votes_5", "votes_10", "votes_20")]


def made(
    *, n_queries: int = 24, n_documents: int = 30, dim: int = 5, seed: int = 0, twins: bool = False
) -> EmbeddedDataset:
    """Return questions with one or two answers; with `twins`, each is asked twice alike."""
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n_queries, dim)).astype(np.float32)
    relevant = [
        rng.choice(n_documents, size=1 + row % 2, replace=False) for row in range(n_queries)
    ]
    groups = np.arange(n_queries)
    if twins:
        queries, relevant = np.repeat(queries, 2, axis=0), [r for r in relevant for _ in range(2)]
        groups = np.repeat(groups, 2)
    documents = rng.normal(size=(n_documents, dim)).astype(np.float32)
    return EmbeddedDataset(queries, documents, tuple(relevant), query_groups=groups)


def adapter_of(training: EmbeddedDataset) -> QueryAdapter:
    """Return an adapter that depends on the questions that it is trained on."""
    return LinearAdapter(np.eye(training.dim) + 0.1 * training.queries[:3].T @ training.queries[:3])


def maker_of(dataset: EmbeddedDataset, **changes: Any) -> PoolMaker:
    settings = {"adapter_of": adapter_of, "lexical": None, "similarity": "cosine"}
    return PoolMaker(dataset=dataset, **(settings | changes))


def view_of(dataset: EmbeddedDataset, name: str) -> View:
    views = make_views(dataset, n_folds=3, n_repeats=1, seed=0, seen_share=0.5)
    return next(view for view in views if view.name == name)


def words_for(dataset: EmbeddedDataset, seed: int = 5) -> Vectors:
    """Return lexical features of every document for every question, most of them 0."""
    rng = np.random.default_rng(seed)
    shape = (len(dataset.queries), len(dataset.documents))
    scores = np.where(rng.random(shape) < 0.2, rng.random(shape), 0)
    words: Vectors = scores.astype(np.float32)
    return words


def documents_of(pools: Pools, query: int) -> list[int]:
    return [row for row in pools.rows[query].tolist() if row != PADDING]


def with_features(pools: Pools, query: int) -> dict[int, Values]:
    """Return the features of each document in a question's pool."""
    return dict(zip(documents_of(pools, query), pools.features[query], strict=False))


@pytest.mark.parametrize("name", ["seen", "unseen"])
@pytest.mark.parametrize("twins", [False, True])
def test_a_question_gets_no_votes_from_its_own_label_or_its_duplicates(
    name: str, twins: bool
) -> None:
    dataset = made(twins=twins)
    own_answers = tuple(np.array([group]) for group in dataset.query_groups)
    dataset = replace(dataset, relevant=own_answers, grades=())
    pools = maker_of(dataset).pools(view_of(dataset, name))
    for query, group in enumerate(dataset.query_groups.tolist()):
        found = with_features(pools, query)
        assert found[group][VOTES].tolist() == [0, 0, 0]  # only its group asks for it
        assert sum(float(values[VOTES].sum()) for values in found.values()) > 0


def test_relabelling_a_question_changes_nothing_in_its_own_pool() -> None:
    dataset = made(twins=True)
    view, words = view_of(dataset, "seen"), words_for(dataset)
    relevant = list(dataset.relevant)
    relevant[0] = relevant[1] = np.array([29, 3, 11])
    relabelled = replace(dataset, relevant=tuple(relevant), grades=())
    before, after = (
        maker_of(data, lexical=lambda row: words[row]).pools(view) for data in (dataset, relabelled)
    )
    changed = [
        query
        for query in range(len(dataset.queries))
        if documents_of(before, query) != documents_of(after, query)
        or not np.array_equal(
            before.features[query][: len(documents_of(before, query))],
            after.features[query][: len(documents_of(after, query))],
        )
    ]
    same_fold = np.flatnonzero(view.fold_of[0] == view.fold_of[0][0])
    assert not set(changed) & set(same_fold.tolist())
    assert set(changed) == set(range(len(dataset.queries))) - set(same_fold.tolist())


def test_documents_of_held_out_groups_have_no_votes_in_the_unseen_view() -> None:
    dataset = made(n_queries=14)
    view = view_of(dataset, "unseen")
    pools = maker_of(dataset).pools(view)
    n_voted = 0
    for training, held_out in view.splits():
        known = {int(row) for query in training for row in dataset.relevant[query]}
        for query in held_out.tolist():
            assert not known & set(dataset.relevant[query].tolist())
            for document, values in with_features(pools, query).items():
                assert (values[VOTES].sum() > 0) == (document in known)
                n_voted += document in known
    assert n_voted > 50


def test_the_seen_view_gives_votes_to_answers_that_others_ask_for() -> None:
    dataset = made(n_queries=24, n_documents=6)
    pools = maker_of(dataset).pools(view_of(dataset, "seen"))
    own = [
        with_features(pools, query)[int(row)][VOTES].sum()
        for query, rows in enumerate(dataset.relevant)
        for row in rows
    ]
    assert np.mean(np.array(own) > 0) > 0.9


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("name", ["seen", "unseen"])
def test_features_are_those_of_a_loop_over_each_fold(similarity: Any, name: str) -> None:
    dataset = made()
    view, words = view_of(dataset, name), words_for(dataset)
    maker = maker_of(
        dataset, lexical=lambda row: words[row], similarity=similarity, depth=4
    )  # fmt: skip
    pools = maker.pools(view)
    for training, held_out in view.splits():
        part = dataset.select(training)
        adapter = adapter_of(part)
        votes = Votes.of(part.queries, list(part.relevant), len(dataset.documents))
        memories = adapter(part.queries).astype(float)
        for query in held_out.tolist():
            adapted = adapter(dataset.queries[query]).astype(float)
            counted, alone = votes(dataset.queries[query]), []
            for document in dataset.documents.astype(float):
                product = float(adapted @ document)
                lengths = float(np.linalg.norm(adapted) * np.linalg.norm(document))
                distance = float(np.linalg.norm(adapted - document))
                choices = {"dot": product, "cosine": product / lengths, "euclidean": -distance}
                alone.append(choices[similarity])
            order = np.argsort(-np.array(alone)).tolist()
            by_words = [row for row in np.argsort(-words[query]).tolist() if words[query][row] > 0]
            by_votes = np.flatnonzero(counted[1] > 1e-4).tolist()
            expected = sorted({*order[:4], *by_words[:4], *by_votes})
            assert documents_of(pools, query) == expected
            for place, row in enumerate(expected):
                document = dataset.documents[row].astype(float)
                cosines = memories @ document / np.linalg.norm(memories, axis=1)
                nearest = np.sort(cosines / np.linalg.norm(document))[-5:]
                features = pools.features[query, place]
                assert pools.similarities[query, place] == pytest.approx(alone[row], abs=1e-4)
                assert features[LEXICAL] == pytest.approx(words[query][row])
                assert features[VOTES] == pytest.approx(counted[:, row])
                assert features[HUBNESS] == pytest.approx(-nearest.mean(), abs=1e-5)


def test_training_scores_a_question_as_the_retriever_without_it_serves_it() -> None:
    dataset, head = made(n_documents=60), ScoringHead([0, 0.5, 0.3, 0.2, 0.4])
    view = view_of(dataset, "seen")
    pools = maker_of(dataset, depth=7).pools(view)
    scores = head(pools.similarities, pools.features)
    ids = [str(row) for row in range(60)]
    for training, held_out in view.splits():
        part = dataset.select(training)
        model = FusionModel(
            adapter=adapter_of(part),
            head=head,
            queries=part.queries,
            answers=tuple(tuple(ids[row] for row in rows) for rows in part.relevant),
            depth=7,
        )
        for query in held_out.tolist():
            prepared = model.prepared("", dataset.queries[query])
            pool = documents_of(pools, query)
            assert {int(key) for key in prepared.ids} <= set(pool)
            served = model.ranked(
                prepared,
                [ids[row] for row in pool],
                dataset.documents[pool],
                texts_of=lambda keys: [""] * len(keys),
            )
            expected = dict(zip(pool, scores[query].tolist(), strict=False))
            assert {int(row.id): row.score for row in served} == pytest.approx(expected, abs=1e-4)


def test_without_words_the_lexical_feature_is_0_and_documents_without_them_are_not_pooled() -> None:
    dataset = made()
    view, words = view_of(dataset, "seen"), words_for(dataset)
    without = maker_of(dataset, depth=2).pools(view)
    assert not without.features[:, :, LEXICAL].any()
    pools = maker_of(dataset, lexical=lambda row: words[row], depth=2).pools(view)
    added = 0
    for query in range(len(dataset.queries)):
        more = set(documents_of(pools, query)) - set(documents_of(without, query))
        assert all(words[query][row] > 0 for row in more)
        added += len(more)
    assert added > 10


def test_pools_are_padded_to_one_width_and_padding_is_never_ranked() -> None:
    dataset = made(n_documents=200, n_queries=30)
    words = words_for(dataset)
    words[::2] = 0  # these pools are smaller
    pools = maker_of(dataset, lexical=lambda row: words[row], depth=8).pools(
        view_of(dataset, "seen")
    )
    sizes = [len(documents_of(pools, query)) for query in range(30)]
    assert pools.rows.shape == (30, max(sizes)) == pools.similarities.shape
    assert pools.features.shape == (30, max(sizes), len(FEATURES))
    assert min(sizes) < max(sizes)
    ranking = pools.ranking(ScoringHead([1, 1, 1, 1, 50]), k=max(sizes))  # all scores below 0
    for query, size in enumerate(sizes):
        assert sorted(ranking[query, :size].tolist()) == documents_of(pools, query)
        assert set(ranking[query, size:].tolist()) <= {PADDING}


def test_the_ranking_is_by_score_and_equal_scores_stay_in_order() -> None:
    rows = np.array([[4, 6, 9, 11], [2, 3, PADDING, PADDING]])
    features = np.zeros((2, 4, 5))
    features[0, 2, LEXICAL], features[1, 1, LEXICAL] = 1, 1
    pools = Pools(rows, np.array([[0.5, 0.5, 0.1, 0.2], [-3.0, -4.0, 0, 0]]), features)
    assert pools.ranking(ScoringHead({}), k=3).tolist() == [[4, 6, 11], [2, 3, PADDING]]
    head = ScoringHead({"lexical": 2.0})
    assert pools.ranking(head, k=3).tolist() == [[9, 4, 6], [3, 2, PADDING]]
    assert pools.select(np.array([1])).ranking(head, k=1).tolist() == [[3]]


def test_hubness_is_of_the_adapted_questions_of_the_other_folds() -> None:
    dataset = made()
    turned = LinearAdapter(-np.eye(dataset.dim))
    view = view_of(dataset, "seen")
    plain = maker_of(dataset, adapter_of=lambda _: LinearAdapter.identity(5)).pools(view)
    other = maker_of(dataset, adapter_of=lambda _: turned).pools(view)
    row = documents_of(plain, 0)[0]
    held_out = view.fold_of[0] == view.fold_of[0][0]
    units = dataset.queries[~held_out]
    units = units / np.linalg.norm(units, axis=1, keepdims=True)
    cosines = np.sort(units @ dataset.documents[row] / np.linalg.norm(dataset.documents[row]))
    assert with_features(plain, 0)[row][HUBNESS] == pytest.approx(-cosines[-5:].mean(), abs=1e-5)
    assert with_features(other, 0)[row][HUBNESS] == pytest.approx(cosines[:5].mean(), abs=1e-5)
