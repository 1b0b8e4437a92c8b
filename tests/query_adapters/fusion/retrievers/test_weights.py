"""Tests of the ranking by learned weights, and of the names of retrievers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion.retrievers import RetrievedList, RetrieverWeights, Scale
from query_adapters.fusion.retrievers.weights import names_of

RANKS = Scale("rank", 1 / 61)
KEYS = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1, max_size=8)


def weights_of(*weights: float, scales: tuple[Scale, ...] | None = None) -> RetrieverWeights:
    names = tuple(f"r{n}" for n in range(len(weights)))
    return RetrieverWeights(
        names=names, weights=weights, scales=scales or (Scale("score", 2.0),) * len(weights)
    )


@st.composite
def results(draw: st.DrawFn) -> RetrievedList:
    """Return a result with distinct scores, in descending order."""
    keys = draw(KEYS)
    whole = st.integers(-50, 50)
    scores = draw(st.lists(whole, unique=True, min_size=len(keys), max_size=len(keys)))
    return RetrievedList(keys, sorted(scores, reverse=True))


def test_a_score_is_the_weighed_sum_of_the_values() -> None:
    lists = [RetrievedList("abc", [5, 4, 1]), RetrievedList("dca", [30, 20, 10])]
    weights = weights_of(1, 0.5, scales=(Scale("score", 2.0), Scale("score", 20.0)))
    # a: 4/2 + 0.5 * 0; b: 3/2; c: 0 + 0.5 * 10/20; d: 0.5 * 20/20
    assert weights.ranked(lists) == [("a", 2.0), ("b", 1.5), ("d", 0.5), ("c", 0.25)]


def test_equal_weights_of_ranks_are_reciprocal_rank_fusion() -> None:
    lists = [RetrievedList("abcd"), RetrievedList("dbe")]
    fused = {
        key: sum(1 / (61 + found.ids.index(key)) for found in lists if key in found.ids)
        for key in "abcde"
    }
    ranked = weights_of(1, 1, scales=(RANKS, RANKS)).ranked(lists)
    assert dict(ranked) == pytest.approx({key: 61 * score for key, score in fused.items()})
    assert [key for key, _ in ranked] == sorted(fused, key=lambda key: -fused[key])


@given(results())
def test_the_base_alone_keeps_its_order(base: RetrievedList) -> None:
    weights = weights_of(1, 0)
    assert weights.asked == (0,)
    assert [key for key, _ in weights.ranked([base])] == list(base.ids)


@given(results(), results())
def test_a_tiny_weight_ranks_the_base_first_in_its_order(
    base: RetrievedList, other: RetrievedList
) -> None:
    ranked = [key for key, _ in weights_of(1, 1e-9).ranked([base, other])]
    above_floor = list(base.ids[:-1])
    assert ranked[: len(above_floor)] == above_floor


@given(results(), results(), st.floats(0.01, 100), st.floats(-100, 100), st.floats(0.1, 5))
def test_the_unit_of_a_retriever_does_not_matter(
    base: RetrievedList, other: RetrievedList, factor: float, shift: float, weight: float
) -> None:
    moved = RetrievedList(other.ids, [factor * s + shift for s in other.scores or ()])
    pairs = ((other, Scale.of([other])), (moved, Scale.of([moved])))
    scores = [
        dict(weights_of(1, weight, scales=(Scale("score", 1.0), scale)).ranked([base, found]))
        for found, scale in pairs
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6, abs=1e-6)


@given(results(), results())
def test_the_order_of_the_other_retrievers_does_not_matter(
    one: RetrievedList, other: RetrievedList
) -> None:
    base = RetrievedList("abcd", [4, 3, 2, 1])
    forward = weights_of(1, 0.3, 0.7).ranked([base, one, other])
    backward = weights_of(1, 0.7, 0.3).ranked([base, other, one])
    assert dict(forward) == pytest.approx(dict(backward))


def test_only_retrievers_with_a_weight_are_asked() -> None:
    weights = weights_of(1, 0, 2)
    assert weights.asked == (0, 2)
    assert not weights.is_base_alone
    assert weights.of_asked(["x", "y", "z"]) == ["x", "z"]
    with pytest.raises(InvalidVectorsError, match="results of 2 retrievers, got 3"):
        weights.ranked([RetrievedList("a", [1])] * 3)
    with pytest.raises(ValueError, match="expected 3, as the weights were learned for r0, r1, r2"):
        weights.of_asked(["x", "y"])


def test_nothing_retrieved_is_nothing_ranked() -> None:
    assert weights_of(1, 1).ranked([RetrievedList([]), RetrievedList([])]) == []


@pytest.mark.parametrize("weights", [(0.5, 1), (1, -0.1), (1, np.nan), (1, np.inf), ()])
def test_invalid_weights_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(InvalidVectorsError, match="train again"):
        weights_of(*weights)


def test_names_are_those_of_the_classes_and_numbered() -> None:
    assert names_of([1, "a", 2, 3]) == ("int", "str", "int 2", "int 3")
    assert names_of([1, 2], ["dense", "words"]) == ("dense", "words")


@pytest.mark.parametrize(
    ("retrievers", "names", "error", "message"),
    [
        ([1], None, ValueError, "at least two, got 1"),
        ([1, 2], ["a"], ValueError, "2 distinct names"),
        ([1, 2], ["a", "a"], ValueError, "2 distinct names"),
        (5, None, TypeError, "expected a list of retrievers"),
        ([1, 2], "ab", TypeError, "a list of names"),
    ],
)
def test_wrong_retrievers_and_names_are_refused(
    retrievers: object, names: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        names_of(retrievers, names)  # type: ignore[arg-type]
