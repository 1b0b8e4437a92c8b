"""Tests of the common scale, with values computed by hand."""

import numpy as np
import pytest

from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion.retrievers import RetrievedList, Scale


def test_scores_are_less_their_floor_over_the_mean_range() -> None:
    lists = [RetrievedList("abc", [9, 6, 5]), RetrievedList("bd", [3, 1]), RetrievedList([])]
    scale = Scale.of(lists)
    assert scale == Scale("score", (4 + 2) / 2)
    assert scale(lists[0]).tolist() == pytest.approx([4 / 3, 1 / 3, 0])
    assert scale(lists[1]).tolist() == pytest.approx([2 / 3, 0])
    assert scale(lists[2]).shape == (0,)


def test_scores_that_ascend_are_distances() -> None:
    lists = [RetrievedList("abc", [1, 2, 5]), RetrievedList("a", [7])]
    scale = Scale.of(lists)
    assert scale == Scale("distance", (4 + 0) / 2)
    assert scale(lists[0]).tolist() == [2, 1.5, 0]


@pytest.mark.parametrize(
    "lists",
    [
        [RetrievedList("abc")],
        [RetrievedList("ab", [2, 1]), RetrievedList("ab")],
        [RetrievedList("abc", [2, 1, 3])],
        [RetrievedList("ab", [2, 1]), RetrievedList("ab", [1, 2])],
        [RetrievedList("ab", [1, 1]), RetrievedList("c", [5])],
        [RetrievedList([])],
    ],
    ids=["no scores", "some scores", "unordered", "both orders", "one value", "nothing"],
)
def test_ranks_count_where_scores_say_nothing(lists: list[RetrievedList]) -> None:
    scale = Scale.of(lists)
    assert scale.by == "rank"
    assert scale(RetrievedList("abc")).tolist() == pytest.approx([1, 61 / 62, 61 / 63])


def test_rounding_does_not_make_scores_unordered() -> None:
    assert Scale.of([RetrievedList("abc", [1, 0.5, 0.5 + 1e-8])]).by == "score"


def test_needed_scores_that_are_missing_are_refused() -> None:
    with pytest.raises(InvalidVectorsError, match="expected scores, as for the training"):
        Scale("score", 1.0)(RetrievedList("ab"))


@pytest.mark.parametrize(
    ("by", "span"), [("votes", 1.0), ("score", 0.0), ("rank", np.nan), ("score", np.inf)]
)
def test_an_invalid_scale_is_refused(by: str, span: float) -> None:
    with pytest.raises(InvalidVectorsError, match="train again"):
        Scale(by, span)  # type: ignore[arg-type]
