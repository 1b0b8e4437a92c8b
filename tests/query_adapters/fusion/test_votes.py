"""Tests of votes: similar training questions vote for their answers, and unlike ones do not."""

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.fusion.votes import Votes
from query_adapters.typing import Rows, Values, Vectors

SQUARE = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=np.float32)  # their mean is 0


def rows(*answers: list[int]) -> list[Rows]:
    return [np.array(row, dtype=np.int64) for row in answers]


def drawn(seed: int, *, n: int = 6, dim: int = 4) -> Vectors:
    vectors: Vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return vectors


def naive(queries: Vectors, answers: list[Rows], n_documents: int, query: Vectors) -> Values:
    """Return the votes from their definition, one question, document and width at a time."""
    lengths = [float(np.sqrt((row * row).sum())) for row in queries.astype(float)]
    units = [row / length for row, length in zip(queries.astype(float), lengths, strict=True)]
    centre = sum(units) / len(units)
    asked = query.astype(float) / np.sqrt((query.astype(float) ** 2).sum()) - centre
    votes = np.zeros((3, n_documents))
    for question, documents in zip(units, answers, strict=True):
        moved = question - centre
        cosine = (moved @ asked) / np.sqrt((moved @ moved) * (asked @ asked))
        for place, width in enumerate((5, 10, 20)):
            for document in documents:
                votes[place, document] += exp(-width * (1 - cosine))
    return votes


def test_votes_by_hand() -> None:
    votes = Votes.of(SQUARE, rows([0], [1], [1, 2], [3]), 5)
    counted = votes(SQUARE[0])
    for place, width in enumerate((5, 10, 20)):
        right, opposite = exp(-width), exp(-2 * width)  # at 90° and at 180°
        expected = [1, right + opposite, opposite, right, 0]
        assert counted[place] == pytest.approx(expected, abs=1e-7)


@given(seed=st.integers(0, 999))
def test_votes_are_those_of_a_loop(seed: int) -> None:
    queries, answers = drawn(seed), rows([0, 3], [1], [3], [2, 0], [0], [4])
    query = drawn(seed + 1_000, n=1)[0]
    counted = Votes.of(queries, answers, 6)(query)
    np.testing.assert_allclose(counted, naive(queries, answers, 6, query), rtol=2e-4, atol=1e-6)
    assert counted[:, 5].tolist() == [0, 0, 0]


@given(seed=st.integers(0, 999), factor=st.floats(1e-3, 1e3))
def test_lengths_of_questions_do_not_matter(seed: int, factor: float) -> None:
    queries, answers = drawn(seed), rows([0], [1], [2], [0], [1], [2])
    lengths = np.random.default_rng(seed).uniform(0.1, 10, size=(6, 1)).astype(np.float32)
    expected = Votes.of(queries, answers, 3)(queries[2])
    scaled = Votes.of(lengths * queries, answers, 3)(np.float32(factor) * queries[2])
    np.testing.assert_allclose(scaled, expected, rtol=1e-3, atol=1e-6)


@given(seed=st.integers(0, 999))
def test_narrow_votes_are_never_more_than_wide_ones(seed: int) -> None:
    counted = Votes.of(drawn(seed), rows(*[[0], [1], [2]] * 2), 3)(drawn(seed + 1, n=1)[0])
    assert (np.diff(counted, axis=0) <= 1e-6).all()
    assert (counted >= 0).all()


def test_a_question_unlike_all_has_no_votes_even_if_all_cosines_are_close_to_1() -> None:
    away = np.array([0, 0, 40], dtype=np.float32)  # models whose vectors lie in a narrow cone
    asked = np.pad(SQUARE[:2], ((0, 0), (0, 1))) + away
    votes = Votes.of(asked, rows([0], [1]), 2)
    near, unlike = votes(asked[0]), votes(np.array([-1, -1, 40], dtype=np.float32))
    assert near[:, 0] == pytest.approx([1, 1, 1], abs=1e-3)
    assert unlike.max() < 0.01


def test_a_repeated_question_votes_as_often_as_it_is_there() -> None:
    queries = np.concatenate([SQUARE, SQUARE])
    counted = Votes.of(queries, rows([0], [1], [2], [3], [0], [1], [2], [3]), 4)(SQUARE[1])
    assert counted == pytest.approx(2 * Votes.of(SQUARE, rows([0], [1], [2], [3]), 4)(SQUARE[1]))


def test_questions_without_an_answer_give_no_votes() -> None:
    counted = Votes.of(SQUARE, rows([], [1], [], []), 2)(SQUARE[0])
    assert counted[:, 0].tolist() == [0, 0, 0]
    assert counted[:, 1] == pytest.approx([exp(-5), exp(-10), exp(-20)], abs=1e-7)
    assert Votes.of(SQUARE, rows([], [], [], []), 2)(SQUARE[0]).tolist() == [[0, 0]] * 3


def test_a_single_training_question_votes_alike_whatever_is_asked() -> None:
    alone = Votes.of(SQUARE[:1], rows([0]), 1)  # it is the centre itself: nothing to compare with
    assert alone(SQUARE[0]) == pytest.approx(alone(SQUARE[1]))
    assert np.isfinite(alone(SQUARE[0])).all()
