"""Tests of how far live questions have moved from the training questions."""

import numpy as np
import pytest

from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.monitoring import question_drift
from query_adapters.typing import Values

RNG = np.random.default_rng(0)
TOPICS = RNG.normal(size=(12, 16))


def asked(n: int, *, topics: slice = slice(None), seed: int = 1) -> Values:
    """Return the vectors of questions about random topics."""
    rng = np.random.default_rng(seed)
    about = TOPICS[topics]
    return about[rng.integers(len(about), size=n)] + 0.5 * rng.normal(size=(n, 16))


OLD, NEW = slice(0, 6), slice(6, 12)
TRAINING = asked(300, topics=OLD)


def test_values_are_those_by_hand() -> None:
    angles = np.radians([0, 10, 30, 60, 100, 150, 210, 280, 360 - 30, 5])
    training = np.column_stack([np.cos(angles), np.sin(angles)])
    live = np.tile([[0.0, 2.0]], (10, 1))  # 90 degrees: 10 from the nearest, which is 100
    drift = question_drift(training, live)
    apart = np.radians([5, 5, 20, 30, 40, 50, 60, 50, 30, 5])  # to the nearest other one
    assert drift.expected_similarity == pytest.approx(np.cos(apart).mean())
    assert drift.mean_similarity == pytest.approx(np.cos(np.radians(10)))
    assert drift.threshold == pytest.approx(np.quantile(np.cos(apart), 0.1))
    assert (drift.near_share, drift.expected_near_share) == (1.0, 0.9)
    assert drift.error == pytest.approx((0.9 * 0.1 / 10) ** 0.5)
    assert (drift.n_training, drift.n_live) == (10, 10)


def test_questions_of_the_same_kind_have_not_drifted_in_nearly_all_weeks() -> None:
    weeks = [question_drift(TRAINING, asked(200, topics=OLD, seed=seed)) for seed in range(15)]
    assert sum(week.has_drifted for week in weeks) <= 1
    assert np.mean([week.near_share for week in weeks]) == pytest.approx(0.9, abs=0.05)
    assert str(weeks[0]).startswith("Live questions are like the training questions. Of 200, ")


def test_questions_about_something_else_have_drifted() -> None:
    both = np.concatenate([asked(150, topics=OLD, seed=3), asked(50, topics=NEW, seed=3)])
    drift = question_drift(TRAINING, both)
    assert drift.has_drifted
    assert drift.mean_similarity < drift.expected_similarity
    assert str(drift).startswith("Live questions have moved away from the training questions")


def test_the_length_of_vectors_does_not_count() -> None:
    live = asked(50, topics=OLD, seed=5)
    one, other = question_drift(TRAINING, live), question_drift(3 * TRAINING, 0.1 * live)
    assert other.near_share == one.near_share
    assert other.mean_similarity == pytest.approx(one.mean_similarity)


def test_the_seen_share_counts_questions_with_an_answer_that_has_training_questions() -> None:
    answers = [["a", "x"], ["x"], [], ["b"]] * 5
    drift = question_drift(TRAINING, asked(20, topics=OLD), answers=answers, seen=["a", "b"])
    assert drift.seen_share == 0.5
    assert "50% have a seen answer" in str(drift)
    with pytest.raises(ValueError, match="one entry for each of 20 questions, got 1"):
        question_drift(TRAINING, asked(20), answers=[["a"]])


def test_vectors_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(DimensionMismatchError, match="live questions: expected 16 dimensions"):
        question_drift(TRAINING, np.ones((20, 8)))
    with pytest.raises(InvalidVectorsError, match="expected vectors of 10 questions or more"):
        question_drift(TRAINING, asked(9))
    with pytest.raises(InvalidVectorsError, match="live questions: expected finite numbers"):
        question_drift(TRAINING, np.full((20, 16), np.nan))
