"""Test that held-out data share nothing with the training data."""

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import (
    check_leakage,
    connected,
    document_groups,
    folds,
    normalise,
    query_groups,
    split_by_document,
    split_by_query,
)
from query_adapters.errors import InvalidDatasetError, LeakageError

Split = Callable[..., tuple[RetrievalDataset, RetrievalDataset]]
SPLITS = pytest.mark.parametrize("split", [split_by_query, split_by_document])
FORMS = ("ask about {}", "Ask about {}?", "  ASK — about: {}!", "ask_about {} ...")


@st.composite
def datasets(draw: st.DrawFn) -> RetrievalDataset:
    """Draw datasets with up to twelve wordings in four spellings, and one or two documents each."""
    asked = draw(st.lists(st.tuples(st.integers(0, 11), st.sampled_from(FORMS)), min_size=2))
    judged = st.sets(st.integers(0, 9), min_size=1, max_size=2)
    return RetrievalDataset(
        {f"q{i}": form.format(topic) for i, (topic, form) in enumerate(asked)},
        {f"d{i}": f"document {i}" for i in range(10)},
        {f"q{i}": {f"d{d}": 1.0 for d in draw(judged)} for i in range(len(asked))},
    )


def simple(n: int) -> RetrievalDataset:
    """Return a dataset of n questions, each about a different document."""
    return RetrievalDataset(
        {f"q{i}": f"question {i}" for i in range(n)},
        {f"d{i}": f"document {i}" for i in range(n)},
        {f"q{i}": {f"d{i}": 1.0} for i in range(n)},
    )


def brute_force_groups(keys: Sequence[set[int]]) -> list[set[int]]:
    """Return for each item the connected items, by as many steps as there are items."""
    joined = np.zeros((len(keys), len(keys)), dtype=bool)
    for i, j in product(range(len(keys)), repeat=2):
        joined[i, j] = bool(keys[i] & keys[j])
    reached = np.eye(len(keys), dtype=bool)
    for _ in keys:
        reached = reached | reached @ joined
    return [{*np.flatnonzero(row).tolist()} for row in reached]


def sides(
    split: Split, dataset: RetrievalDataset, held_out: float, seed: int
) -> tuple[RetrievalDataset, RetrievalDataset] | None:
    """Return both sides, or None if the questions are too connected for a split."""
    try:
        return split(dataset, held_out=held_out, seed=seed)
    except InvalidDatasetError:
        return None


@pytest.mark.parametrize(
    "other",
    ["how far is it", "  HOW FAR\tis it??", "How-far-is-it", "“how far… is it”", "how_far is it"],
)
def test_case_punctuation_and_spacing_do_not_tell_questions_apart(other: str) -> None:
    assert normalise(other) == normalise("How far is it?")


@pytest.mark.parametrize(
    ("one", "other"),
    [("how far is it", "how far is this"), ("what is 1.5", "what is 15"), ("?", "!")],
)
def test_other_words_tell_questions_apart_and_so_do_signs_where_there_are_no_words(
    one: str, other: str
) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.slow
@SPLITS
@given(dataset=datasets(), held_out=st.floats(0.05, 0.95), seed=st.integers(0, 2**32))
def test_a_split_deals_every_question_to_one_side_and_the_corpus_to_both(
    split: Split, dataset: RetrievalDataset, held_out: float, seed: int
) -> None:
    if parted := sides(split, dataset, held_out, seed):
        training, apart = parted
        assert {*training.queries} | {*apart.queries} == {*dataset.queries}
        assert not {*training.queries} & {*apart.queries}
        assert training.corpus == apart.corpus == dataset.corpus
        for side in parted:
            assert side == dataset.select(side.queries)


@pytest.mark.slow
@SPLITS
@given(dataset=datasets(), held_out=st.floats(0.05, 0.95), seed=st.integers(0, 2**32))
def test_near_duplicates_stay_on_one_side(
    split: Split, dataset: RetrievalDataset, held_out: float, seed: int
) -> None:
    if parted := sides(split, dataset, held_out, seed):
        training, apart = ({normalise(t) for t in side.queries.values()} for side in parted)
        assert not training & apart
        check_leakage(parted[0].queries, parted[1].queries)


@given(dataset=datasets(), held_out=st.floats(0.05, 0.95), seed=st.integers(0, 2**32))
def test_splitting_by_document_leaves_no_relevant_document_on_both_sides(
    dataset: RetrievalDataset, held_out: float, seed: int
) -> None:
    if parted := sides(split_by_document, dataset, held_out, seed):
        assert not {*parted[0].labelled_documents} & {*parted[1].labelled_documents}


@pytest.mark.slow
@SPLITS
@given(dataset=datasets(), held_out=st.floats(0.05, 0.95), seed=st.integers(0, 2**32))
def test_the_share_is_missed_by_no_more_than_half_of_the_largest_group(
    split: Split, dataset: RetrievalDataset, held_out: float, seed: int
) -> None:
    groups = query_groups(dataset) if split is split_by_query else document_groups(dataset)
    if parted := sides(split, dataset, held_out, seed):
        missed_by = abs(len(parted[1].queries) - held_out * len(dataset.queries))
        assert missed_by <= np.bincount(groups).max() / 2 + 1e-9


@SPLITS
@pytest.mark.parametrize(("held_out", "expected"), [(0.3, 30), (0.5, 50), (0.011, 1), (0.99, 99)])
def test_questions_that_share_nothing_are_split_at_the_share(
    split: Split, held_out: float, expected: int
) -> None:
    training, apart = split(simple(100), held_out=held_out)
    assert (len(training.queries), len(apart.queries)) == (100 - expected, expected)


@SPLITS
def test_one_seed_gives_one_split_and_another_seed_another(split: Split) -> None:
    dataset = simple(50)
    assert split(dataset, seed=3) == split(dataset, seed=3)
    assert split(dataset, seed=3) != split(dataset, seed=4)


@SPLITS
@pytest.mark.parametrize("held_out", [0, 1, -0.1, 30, float("nan")])
def test_a_share_that_is_none_is_refused(split: Split, held_out: float) -> None:
    with pytest.raises(ValueError, match="held_out: expected a share between 0 and 1"):
        split(simple(10), held_out=held_out)


def test_what_cannot_be_parted_is_refused_with_its_groups() -> None:
    tied = RetrievalDataset(
        {"q1": "how far?", "q2": "How far", "q3": "how long?"},
        {"d": "Four miles."},
        {"q1": {"d": 1}, "q2": {"d": 1}, "q3": {"d": 1}},
    )
    with pytest.raises(InvalidDatasetError, match="50% of 3 questions: they form 1 groups"):
        split_by_document(tied, held_out=0.5)
    with pytest.raises(InvalidDatasetError, match="10% of 3 questions: they form 2 groups"):
        split_by_query(tied, held_out=0.1)


def test_a_chain_of_shared_documents_is_one_group() -> None:
    dataset = RetrievalDataset(
        {"q1": "a", "q2": "b", "q3": "c", "q4": "A!", "q5": "e"},
        {"d1": "1", "d2": "2", "d3": "3", "d4": "4"},
        {
            "q1": {"d1": 1},
            "q2": {"d1": 1, "d2": 1},
            "q3": {"d2": 1},
            "q4": {"d3": 1},
            "q5": {"d4": 1},
        },
    )
    together = document_groups(dataset)
    assert len({*together[:4]}) == 1
    assert together[4] not in together[:4]
    assert len({*query_groups(dataset)}) == 4


@given(keys=st.lists(st.sets(st.integers(0, 12), max_size=3), max_size=15))
def test_connected_items_are_those_that_merging_by_hand_joins(keys: list[set[int]]) -> None:
    groups = connected(keys)
    found = {frozenset(np.flatnonzero(groups == g).tolist()) for g in np.unique(groups)}
    assert found == {frozenset(group) for group in brute_force_groups(keys)}
    assert sorted({*groups.tolist()}) == list(range(len(found)))


def test_a_long_chain_is_one_group_however_it_is_given() -> None:
    links = [list(pair) for pair in pairwise(range(5_000))]
    assert connected(links).max() == 0
    assert connected(links[::-1]).max() == 0
    assert connected(links[::2]).max() == 2_499


@given(
    groups=st.lists(st.integers(0, 30), min_size=5, max_size=60),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 2**32),
)
def test_folds_keep_groups_whole_and_differ_by_no_more_than_the_largest_group(
    groups: list[int], n_folds: int, seed: int
) -> None:
    if len({*groups}) < n_folds:
        with pytest.raises(ValueError, match=f"at least {n_folds} groups"):
            folds(np.array(groups), n_folds=n_folds, seed=seed)
        return
    fold_of = folds(np.array(groups), n_folds=n_folds, seed=seed)
    assert len({*zip(groups, fold_of.tolist(), strict=True)}) == len({*groups})
    sizes = np.bincount(fold_of, minlength=n_folds)
    assert len(sizes) == n_folds
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= np.unique(groups, return_counts=True)[1].max()


def test_folds_are_the_same_for_one_seed_and_others_for_another() -> None:
    groups = np.arange(40)
    first, again, other = (folds(groups, n_folds=4, seed=seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_training_question_among_the_validation_ones_is_refused_with_counts() -> None:
    training = {"t1": "How far is it?", "t2": "how long?"}
    validation = {"v1": "how come?", "v2": "how far is it", "v3": "HOW LONG"}
    with pytest.raises(
        LeakageError,
        match=r"2 of 3 validation .* 'how far is it' \(v2\).* query_adapters\.data\.split_by_query",
    ):
        check_leakage(training, validation)


def test_an_id_in_both_sets_is_no_leak() -> None:
    check_leakage({"1": "how far?"}, {"1": "how long?"})


@SPLITS
def test_a_dataset_of_llama_index_is_split_as_the_cores_own(split: Any) -> None:
    queries = {f"q{i}": f"question number {i}" for i in range(10)}
    corpus = {f"d{i}": f"text {i}" for i in range(10)}
    relevant = {f"q{i}": [f"d{i}"] for i in range(10)}
    theirs = SimpleNamespace(queries=queries, corpus=corpus, relevant_docs=relevant)
    ours = RetrievalDataset.from_relevant_docs(queries, corpus, relevant)
    assert split(theirs) == split(ours)
    with pytest.raises(TypeError, match="expected a RetrievalDataset"):
        split(queries)
