"""Test exact search against a full sort of all scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from query_adapters.errors import DimensionMismatchError, InvalidVectorsError
from query_adapters.evaluation import Similarity, exact_search, search
from query_adapters.evaluation.search import search_run, settled_run
from query_adapters.typing import Rows, Vectors

SIMILARITIES: tuple[Similarity, ...] = ("cosine", "dot", "euclidean")
DIM = 4


def sorted_search(
    queries: NDArray[np.floating], documents: NDArray[np.floating], k: int, similarity: Similarity
) -> Rows:
    """Return the top rows by a stable sort of all scores in double precision."""
    q, d = queries.astype(np.float64), documents.astype(np.float64)
    if similarity == "euclidean":
        scores = -np.linalg.norm(q[:, None] - d[None], axis=2)
    else:
        scores = (q[:, None] * d[None]).sum(axis=2)
    if similarity == "cosine":
        lengths = np.outer(np.linalg.norm(q, axis=1), np.linalg.norm(d, axis=1))
        scores = np.divide(scores, lengths, out=np.zeros_like(scores), where=lengths > 0)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def tied_vectors(n: int, *, seed: int) -> Vectors:
    """Return vectors with 0, 1 or 4 entries of ±1, whose norms and scores are exact."""
    rng = np.random.default_rng(seed)
    kept = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1]])[
        rng.integers(4, size=n)
    ]
    signed: NDArray[np.float32] = (kept * rng.choice([-1, 1], size=(n, DIM))).astype(np.float32)
    return signed


@settings(max_examples=100, deadline=None)
@given(
    n_queries=st.integers(1, 7),
    n_documents=st.integers(1, 40),
    k=st.integers(1, 50),
    similarity=st.sampled_from(SIMILARITIES),
    at_once=st.sampled_from([1, 50, 10**6]),
    seed=st.integers(0, 10**6),
)
def test_tied_scores_are_ordered_by_row_whatever_the_block(
    n_queries: int, n_documents: int, k: int, similarity: Similarity, at_once: int, seed: int
) -> None:
    queries = tied_vectors(n_queries, seed=seed)
    documents = tied_vectors(n_documents, seed=seed + 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(search, "SCORES_AT_ONCE", at_once)
        found = exact_search(queries, documents, k=k, similarity=similarity)
    np.testing.assert_array_equal(found, sorted_search(queries, documents, k, similarity))


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_vectors_of_any_length_are_ranked_as_a_full_sort_ranks_them(similarity: Similarity) -> None:
    rng = np.random.default_rng(0)
    queries = (3 * rng.normal(size=(30, DIM))).astype(np.float32)
    documents = (rng.normal(size=(60, DIM)) * rng.uniform(0.1, 9, size=(60, 1))).astype(np.float32)
    for k in (1, 10, 60):
        found = exact_search(queries, documents, k=k, similarity=similarity)
        np.testing.assert_array_equal(found, sorted_search(queries, documents, k, similarity))


def test_cosine_is_the_default_and_each_similarity_has_its_own_winner() -> None:
    query = np.array([[1.0, 0.0]], np.float32)
    documents = np.array([[0.2, 0.0], [9.0, 9.0], [1.0, 0.5]], np.float32)
    assert exact_search(query, documents, k=1).tolist() == [[0]]
    assert exact_search(query, documents, k=1, similarity="dot").tolist() == [[1]]
    assert exact_search(query, documents, k=1, similarity="euclidean").tolist() == [[2]]


def test_more_results_than_documents_gives_every_document_once() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert exact_search(vectors[:1], vectors, k=10).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("k", [2, 3])
def test_a_zero_query_ties_all_documents_and_a_zero_document_scores_0(k: int) -> None:
    queries = np.array([[0.0, 0.0], [1.0, 0.0]], np.float32)
    documents = np.array([[-1.0, 0.0], [0.0, 0.0], [2.0, 0.0]], np.float32)
    expected = [[0, 1, 2][:k], [2, 1, 0][:k]]
    assert exact_search(queries, documents, k=k).tolist() == expected


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_the_vectors_of_the_caller_are_left_as_they_were(similarity: Similarity) -> None:
    rng = np.random.default_rng(1)
    queries, documents = (rng.normal(size=(5, DIM)).astype(np.float32) for _ in range(2))
    before = queries.tobytes() + documents.tobytes()
    exact_search(queries, documents, k=3, similarity=similarity)
    assert queries.tobytes() + documents.tobytes() == before


def test_a_settled_run_is_the_sorted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SCORES_AT_ONCE", 500)
    rng = np.random.default_rng(7)
    queries, documents = rng.normal(size=(40, 6)), rng.normal(size=(90, 6))
    ids = [f"d{row}" for row in range(90)]
    asked = {f"q{row}": vector.tolist() for row, vector in enumerate(queries)}
    for k in (1, 10, 200):
        expected = sorted_search(queries, documents, k, "cosine")
        run = settled_run(asked, ids, documents, k=k)
        assert run == {f"q{row}": [ids[i] for i in found] for row, found in enumerate(expected)}


@pytest.mark.parametrize(
    ("documents", "question", "k", "settled"),
    [
        ([[1, 0], [1, 1], [2, 0]], [2, 1], 1, True),  # the tied documents rank below
        ([[1, 0], [1, 1], [2, 0]], [2, 1], 2, False),
        ([[1, 0], [1, 1e-11], [0, 1]], [0, 1], 1, True),
        ([[1, 0], [1, 1e-11], [0, 1]], [0, 1], 2, False),
        ([[1, 0], [1, 1e-11], [0, 1]], [0, 1], 3, False),
        ([[1, 0], [1, 1]], [0, 0], 1, False),
        ([[1, 0], [0, 0]], [1, 0], 1, False),
        ([[1, 0], [0, 1e-150]], [1, 0], 1, False),
        ([[1, 0], [0, 1e150]], [1, 0], 1, False),
        ([[1, 0], [0, np.nan]], [1, 0], 1, False),
        ([[1, 0], [0, 1]], [np.inf, 0], 1, False),
        ([[3, 4]], [1, 0], 5, True),
    ],
)
def test_a_question_that_hangs_on_rounding_or_order_is_not_settled(
    documents: list[list[float]], question: list[float], k: int, settled: bool
) -> None:
    ids = [f"d{row}" for row in range(len(documents))]
    run = settled_run({"q": question}, ids, np.array(documents, dtype=np.float64), k=k)
    assert ("q" in run) == settled


def test_questions_of_another_length_are_refused_before_they_are_searched_for() -> None:
    with pytest.raises(DimensionMismatchError, match="document vectors: expected 3 dimensions"):
        settled_run({"q": [1.0, 2.0, 3.0]}, ["d"], np.ones((1, 2)), k=1)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_question_without_a_vector_is_refused_and_gets_no_other_ones_ranking(
    number: float,
) -> None:
    documents = np.eye(2, dtype=np.float32)
    queries = {"good": documents[1], "bad": np.array([1, number], np.float32)}
    with pytest.raises(InvalidVectorsError, match=r"NaN or infinity in 1 of 2, .* 'bad'"):
        search_run(queries, ["a", "b"], documents, k=1)
    assert search_run({"good": documents[1]}, ["a", "b"], documents, k=1) == {"good": ["b"]}


@settings(max_examples=100, deadline=None)
@given(
    n_documents=st.integers(1, 40),
    k=st.integers(1, 50),
    similarity=st.sampled_from(SIMILARITIES),
    at_once=st.sampled_from([1, 50, 10**6]),
    seed=st.integers(0, 10**6),
)
def test_units_are_ranked_by_their_best_document(
    n_documents: int, k: int, similarity: Similarity, at_once: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    queries, documents = rng.normal(size=(5, DIM)), rng.normal(size=(n_documents, DIM))
    units = np.unique(rng.integers(8, size=n_documents), return_inverse=True)[1]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(search, "SCORES_AT_ONCE", at_once)
        found = exact_search(
            queries.astype(np.float32),
            documents.astype(np.float32),
            k=k,
            similarity=similarity,
            units=units,
        )
    ranked = units[sorted_search(queries, documents, n_documents, similarity)]
    expected = [list(dict.fromkeys(row.tolist()))[:k] for row in ranked]
    assert found.tolist() == expected
