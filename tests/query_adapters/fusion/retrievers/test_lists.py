"""Tests of what a retriever returns."""

import pytest

from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion.retrievers import RetrievedList


def test_of_a_repeated_id_the_first_counts() -> None:
    found = RetrievedList(["b", "a", "b", "c", "a"], [5, 4, 3, 2, 1])
    assert (found.ids, found.scores) == (("b", "a", "c"), (5.0, 4.0, 2.0))


@pytest.mark.parametrize("scores", [None, [None, None], [0.5, None], [None, 0.5]])
def test_scores_are_none_if_one_is_missing(scores: list[float | None] | None) -> None:
    assert RetrievedList(["a", "b"], scores).scores is None


def test_a_missing_score_of_a_repetition_is_none_at_all() -> None:
    assert RetrievedList(["a", "b", "a"], [2, 1, None]).scores == (2.0, 1.0)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_not_finite_is_refused(score: float) -> None:
    with pytest.raises(InvalidVectorsError, match=r"document 'b': expected a finite score, got"):
        RetrievedList(["a", "b"], [1.0, score])


def test_another_number_of_scores_is_refused() -> None:
    with pytest.raises(InvalidVectorsError, match="each of 2 documents, got 1"):
        RetrievedList(["a", "b"], [1.0])


def test_an_empty_list_has_no_scores_to_miss() -> None:
    assert RetrievedList([]) == RetrievedList([], [])
