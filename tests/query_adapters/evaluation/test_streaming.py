"""Test evaluation of questions and documents that are read in blocks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import (
    DimensionMismatchError,
    InvalidDatasetError,
    InvalidVectorsError,
    UnknownMetricError,
)
from query_adapters.evaluation import evaluate_vectors, exact_search
from query_adapters.evaluation.block_search import VectorBlocks, search_blocks
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.streaming import QuestionBlock, evaluate_blocks
from query_adapters.typing import Similarity, Vectors

DIM = 4
METRICS = ["mrr@10", "recall@3", "ndcg@10"]
ADAPTER = LinearAdapter(np.diag([1, -1, 2, 0.5]), np.array([0.1, 0, 0, 0]))


def drawn(seed: int, n: int) -> Vectors:
    """Return vectors of small whole numbers, so that products are exact and many scores are equal.

    None is 0, which has no cosine.
    """
    vectors = np.random.default_rng(seed).integers(-2, 3, size=(n, DIM)).astype(np.float32)
    vectors[~vectors.any(axis=1)] = 1
    return vectors


def dataset() -> EmbeddedDataset:
    rng = np.random.default_rng(0)
    relevant = tuple(rng.choice(23, size=rng.integers(1, 4), replace=False) for _ in range(40))
    grades = tuple(rng.integers(1, 4, size=len(rows)).astype(np.float64) for rows in relevant)
    documents = rng.normal(size=(23, DIM)).astype(np.float32)
    queries = rng.normal(size=(40, DIM)).astype(np.float32)
    return EmbeddedDataset(queries, documents, relevant, grades)


def in_blocks(whole: EmbeddedDataset, size: int) -> Iterator[QuestionBlock]:
    for start in range(0, len(whole.queries), size):
        part = slice(start, start + size)
        yield QuestionBlock(whole.queries[part], whole.relevant[part], whole.grades[part])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    n=st.integers(1, 60),
    rows=st.integers(1, 61),
    k=st.integers(1, 12),
    similarity=st.sampled_from(["dot", "euclidean"]),
)
def test_blocks_are_searched_as_one_matrix_ties_included(
    seed: int, n: int, rows: int, k: int, similarity: Similarity
) -> None:
    queries, documents = drawn(seed, 7), drawn(seed + 1, n)
    found, counted = search_blocks(
        queries, VectorBlocks(documents, rows=rows), k=k, similarity=similarity
    )
    assert counted == n
    assert found.tolist() == exact_search(queries, documents, k=k, similarity=similarity).tolist()


@pytest.mark.parametrize("similarity", get_args(Similarity))
@pytest.mark.parametrize("size", [1, 7, 40])
def test_scores_equal_those_of_vectors_in_memory(size: int, similarity: Similarity) -> None:
    whole = dataset()
    found = evaluate_blocks(
        in_blocks(whole, size),
        VectorBlocks(whole.documents, rows=5),
        {"base": None, "adapted": ADAPTER},
        metrics=METRICS,
        similarity=similarity,
    )
    for name, adapter in {"base": None, "adapted": ADAPTER}.items():
        expected = evaluate_vectors(whole, adapter, metrics=METRICS, similarity=similarity)
        np.testing.assert_array_equal(found[name].first_relevant, expected.first_relevant)
        for metric in METRICS:
            np.testing.assert_allclose(found[name].per_query[metric], expected.per_query[metric])


def test_grades_left_out_are_1() -> None:
    block = QuestionBlock(drawn(0, 2), [np.array([0, 1]), np.array([2])])
    graded = QuestionBlock(block.vectors, block.relevant, [np.ones(2), np.ones(1)])
    documents = [drawn(1, 5)]
    plain, given = (evaluate_blocks([b], documents, {"base": None}) for b in (block, graded))
    for metric, values in plain["base"].per_query.items():
        np.testing.assert_array_equal(values, given["base"].per_query[metric])


def test_the_results_can_be_compared() -> None:
    whole = dataset()
    found = evaluate_blocks(
        in_blocks(whole, 9), [whole.documents], {"base": None, "adapted": ADAPTER}, metrics=METRICS
    )
    comparison = compare_systems(found, baseline="base")
    assert comparison.n_queries == 40
    expected = evaluate_vectors(whole, ADAPTER, metrics=METRICS).means["ndcg@10"]
    assert comparison.scores["ndcg@10"]["adapted"].mean.mean == pytest.approx(expected)


def test_blocks_of_a_file_are_read_as_they_are_needed(tmp_path: Path) -> None:
    path = tmp_path / "documents.npy"
    np.save(path, drawn(1, 50).astype(np.float16))
    blocks = VectorBlocks(np.load(path, mmap_mode="r"), rows=20)
    assert [block.shape for block in blocks] == [(20, DIM), (20, DIM), (10, DIM)]
    found, _ = search_blocks(drawn(0, 3), blocks, k=4, similarity="dot")
    assert found.tolist() == exact_search(drawn(0, 3), drawn(1, 50), k=4, similarity="dot").tolist()


QUESTION = QuestionBlock(drawn(0, 1), [np.array([0])])
NAN = np.full((2, DIM), np.nan, dtype=np.float32)


@pytest.mark.parametrize(
    ("questions", "documents", "error", "message"),
    [
        ([], [drawn(1, 2)], InvalidDatasetError, "at least one block, got none"),
        ([QUESTION], [], InvalidVectorsError, "expected blocks of vectors, got none"),
        ([QUESTION], iter([drawn(1, 2)]), InvalidVectorsError, "read more than once"),
        ([QUESTION], [drawn(1, 2), NAN], InvalidVectorsError, "documents from row 2 on"),
        ([QUESTION], [np.ones((2, 3), np.float32)], DimensionMismatchError, "expected 4 dim"),
        ([QUESTION], [np.ones(DIM, np.float32)], InvalidVectorsError, r"expected a block \(n, 4\)"),
        ([QuestionBlock(NAN[:1], [np.array([0])])], [drawn(1, 2)], InvalidVectorsError, "block 0"),
        ([QuestionBlock(drawn(0, 1), [])], [drawn(1, 2)], InvalidDatasetError, "rows of 0"),
        (
            [QuestionBlock(drawn(0, 1), [np.array([2])])],
            [drawn(1, 2)],
            InvalidDatasetError,
            "rows from 0 to 1, at least one; got",
        ),
        (
            [QuestionBlock(drawn(0, 1), [np.array([], np.int64)])],
            [drawn(1, 2)],
            InvalidDatasetError,
            "at least one",
        ),
    ],
)
def test_bad_input_is_named(
    questions: list[QuestionBlock], documents: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate_blocks(questions, documents, {"base": None})


def test_systems_and_metrics_are_checked_before_anything_is_read() -> None:
    def unread() -> Iterator[QuestionBlock]:
        raise AssertionError("read")
        yield

    with pytest.raises(InvalidDatasetError, match="systems"):
        evaluate_blocks(unread(), [drawn(1, 2)], {})
    with pytest.raises(UnknownMetricError):
        evaluate_blocks(unread(), [drawn(1, 2)], {"base": None}, metrics=["nonsense@3"])


def test_documents_that_change_between_two_passes_are_noticed() -> None:
    documents = [drawn(1, 3)]

    def growing() -> Iterator[QuestionBlock]:
        yield QUESTION
        documents.append(drawn(2, 1))
        yield QUESTION

    with pytest.raises(InvalidVectorsError, match="expected the 3 of the first pass, got 4"):
        evaluate_blocks(growing(), documents, {"base": None})
