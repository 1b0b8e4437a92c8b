"""Tests of judged rankings of rows: they are those of a loop, also where a ranking is shorter."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.evaluation.judging import judge_rows

NONE = -1


def test_a_place_without_a_document_is_no_answer_of_the_question_before() -> None:
    ranking = np.array([[0, 1, 2], [0, NONE, NONE]])
    relevant, grades = [np.array([2]), np.array([1])], [np.ones(1), np.ones(1)]
    assert judge_rows(ranking, relevant, grades).gains.tolist() == [[0, 0, 1], [0, 0, 0]]


@given(seed=st.integers(0, 999))
def test_grades_by_rank_are_those_of_a_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranking = np.stack([rng.permutation(6)[:4] for _ in range(5)])
    ranking[np.arange(4) >= rng.integers(0, 5, size=(5, 1))] = NONE
    relevant = [rng.permutation(6)[: rng.integers(1, 4)] for _ in range(5)]
    grades = [rng.integers(1, 4, size=len(rows)).astype(float) for rows in relevant]
    by_query = [
        dict(zip(rows.tolist(), graded.tolist(), strict=True))
        for rows, graded in zip(relevant, grades, strict=True)
    ]
    judged = judge_rows(ranking, relevant, grades)
    expected = [
        [known.get(row, 0.0) for row in rows]
        for rows, known in zip(ranking.tolist(), by_query, strict=True)
    ]
    assert judged.gains.tolist() == expected
    assert judged.n_relevant.tolist() == [len(rows) for rows in relevant]
