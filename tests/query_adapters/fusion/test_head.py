"""Tests of the scoring head: a score is the similarity plus the weighed features, nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.errors import InvalidVectorsError
from query_adapters.fusion import DESCRIPTIONS, FEATURES, ScoringHead

NUMBERS = st.floats(-1e3, 1e3, width=32)
WEIGHTS = st.lists(st.floats(0, 1e3), min_size=5, max_size=5)


def test_the_features_are_those_that_weights_are_stored_for() -> None:
    assert FEATURES == ("lexical", "votes_5", "votes_10", "votes_20", "hubness")
    assert list(DESCRIPTIONS) == list(FEATURES)


def test_a_score_by_hand() -> None:
    head = ScoringHead([0.5, 0.0, 2.0, 0.0, 1.0])
    features = np.array([[1.0, 9.0, 0.25, 9.0, -0.5], [0.0, 9.0, 0.0, 9.0, -0.25]])
    assert head(np.array([0.125, 0.5]), features).tolist() == [0.625, 0.25]


def test_questions_at_once_are_questions_one_by_one() -> None:
    rng = np.random.default_rng(0)
    head = ScoringHead(rng.random(5))
    alone, features = rng.normal(size=(3, 7)), rng.normal(size=(3, 7, 5))
    for row in range(3):
        expected = head(alone[row], features[row])
        np.testing.assert_allclose(head(alone, features)[row], expected, rtol=1e-12)


@given(weights=WEIGHTS, similarity=NUMBERS, features=st.lists(NUMBERS, min_size=5, max_size=5))
def test_the_parts_add_up_to_the_score(
    weights: list[float], similarity: float, features: list[float]
) -> None:
    head = ScoringHead(weights)
    score = float(head(np.array([similarity]), np.array([features]))[0])
    parts = head.parts(similarity, np.array(features))
    assert sum(parts.values()) == pytest.approx(score, rel=1e-9, abs=1e-6)
    used = [name for name, weight in zip(FEATURES, weights, strict=True) if weight > 0]
    assert list(parts) == ["similarity", *used]


@given(weights=WEIGHTS, factor=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_scores_scale_with_the_similarity_and_the_features(
    weights: list[float], factor: float, seed: int
) -> None:
    rng, head = np.random.default_rng(seed), ScoringHead(weights)
    alone, features = rng.normal(size=4), rng.normal(size=(4, 5))
    scaled = head(factor * alone, factor * features)
    expected = factor * head(alone, features)
    np.testing.assert_allclose(scaled, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_weights_by_name_leave_the_others_at_0() -> None:
    head = ScoringHead({"hubness": 2.0, "votes_10": 0.5})
    assert head.weights.tolist() == [0, 0, 0.5, 0, 2]
    assert head.by_name == {
        "lexical": 0, "votes_5": 0, "votes_10": 0.5, "votes_20": 0, "hubness": 2
    }  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "needs_text", "has_votes", "is_zero"),
    [
        ({}, False, False, True),
        ({"lexical": 1e-9}, True, False, False),
        ({"votes_5": 0.1}, False, True, False),
        ({"votes_20": 0.1}, False, True, False),
        ({"hubness": 0.1}, False, False, False),
        ({"lexical": 1, "votes_10": 1}, True, True, False),
    ],
)
def test_what_is_needed_for_scoring_follows_from_the_weights(
    weights: dict[str, float], needs_text: bool, has_votes: bool, is_zero: bool
) -> None:
    head = ScoringHead(weights)
    assert (head.needs_text, head.has_votes, head.is_zero) == (needs_text, has_votes, is_zero)


@pytest.mark.parametrize(
    "weights",
    [
        [-1e-9, 0, 0, 0, 0],
        [0, 0, np.nan, 0, 0],
        [0, 0, 0, 0, np.inf],
        [0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [[0, 0, 0, 0, 0]],
        [],
    ],
)
def test_other_weights_than_five_finite_ones_from_0_are_refused(weights: list[float]) -> None:
    with pytest.raises(InvalidVectorsError, match="expected 5 finite weights from 0, one for each"):
        ScoringHead(weights)


@given(weights=WEIGHTS)
def test_a_record_gives_the_head_back(weights: list[float]) -> None:
    record = ScoringHead(weights).to_record()
    assert ScoringHead.from_record(record).weights.tolist() == weights


def test_weights_of_unknown_features_are_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidVectorsError, match="got colour, shape as well; update"):
        ScoringHead.from_record({"lexical": 1.0, "shape": 0.0, "colour": 1.0})


def test_weights_cannot_be_changed_from_outside() -> None:
    given = np.ones(5)
    head = ScoringHead(given)
    given[0] = 7
    assert head.weights.tolist() == [1, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        head.weights[0] = 7
