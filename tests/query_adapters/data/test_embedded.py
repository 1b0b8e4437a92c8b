"""Test that rows follow the order of the dataset and that checks cost at most one question."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset
from query_adapters.embedders.cache import EmbeddingCache
from query_adapters.errors import DimensionMismatchError, InvalidVectorsError


@pytest.fixture
def dataset() -> RetrievalDataset:
    return RetrievalDataset(
        {"q2": "how long?", "q1": "how far?", "q3": "How far"},
        {"d3": "Nothing.", "d1": "Four miles.", "d2": "An hour."},
        {"q1": {"d1": 1}, "q2": {"d2": 3, "d3": 0.5}, "q3": {"d1": 2}},
    )


def parts(**changes: Any) -> dict[str, Any]:
    """Return arguments of a valid `EmbeddedDataset` with three questions and four documents."""
    rng = np.random.default_rng(0)
    valid = {
        "queries": rng.normal(size=(3, 2)),
        "documents": rng.normal(size=(4, 2)),
        "relevant": ([0], [1, 3], [3]),
        "grades": ([1.0], [2.0, 1.0], [1.0]),
        "query_groups": [5, 7, 5],
    }
    return valid | changes


def test_rows_grades_and_groups_stand_in_the_order_of_the_dataset(
    dataset: RetrievalDataset, make_embedder: Callable[..., Any]
) -> None:
    embedder = make_embedder()
    embedded = embed_dataset(dataset, embedder)
    questions = [embedder.vector("query", text) for text in dataset.queries.values()]
    documents = [embedder.vector("document", text) for text in dataset.corpus.values()]
    assert embedded.queries.tolist() == np.array(questions).tolist()
    assert embedded.documents.tolist() == np.array(documents).tolist()
    assert [rows.tolist() for rows in embedded.relevant] == [[2, 0], [1], [1]]
    assert [grades.tolist() for grades in embedded.grades] == [[3, 0.5], [1], [2]]
    assert embedded.dim == 8
    long, far, far_again = embedded.query_groups.tolist()
    assert far == far_again != long


def test_every_text_is_embedded_once_and_the_first_question_alone(
    dataset: RetrievalDataset, make_embedder: Callable[..., Any]
) -> None:
    embedder = make_embedder()
    embed_dataset(dataset, embedder)
    assert embedder.calls == [
        ("query", ("how long?",)),
        ("query", ("how far?", "How far")),
        ("document", ("Nothing.", "Four miles.", "An hour.")),
    ]


def test_a_single_question_is_a_dataset_too(
    dataset: RetrievalDataset, make_embedder: Callable[..., Any]
) -> None:
    assert embed_dataset(dataset.select(["q1"]), make_embedder()).queries.shape == (1, 8)


def test_stored_vectors_stand_for_their_documents_and_are_not_embedded(
    dataset: RetrievalDataset, make_embedder: Callable[..., Any]
) -> None:
    embedder = make_embedder()
    stored: dict[str, ArrayLike] = {"d2": [2.0] * 8, "d3": np.full(8, 3.0)}
    embedded = embed_dataset(dataset, embedder, stored=stored)
    assert embedder.embedded("document") == ["Four miles."]
    assert embedded.documents[[0, 2]].tolist() == [[3.0] * 8, [2.0] * 8]
    assert embedded.documents[1].tolist() == embedder.vector("document", "Four miles.").tolist()


def test_with_all_documents_stored_none_is_embedded(
    dataset: RetrievalDataset, make_embedder: Callable[..., Any]
) -> None:
    embedder = make_embedder()
    embed_dataset(dataset, embedder, stored={key: np.ones(8) for key in dataset.corpus})
    assert embedder.embedded("document") == []


def test_a_cache_makes_the_second_time_free(
    dataset: RetrievalDataset, make_embedder: Callable[..., Any], tmp_path: Path
) -> None:
    first, second = make_embedder(), make_embedder()
    cache = EmbeddingCache(tmp_path / "cache.sqlite")
    one, other = (embed_dataset(dataset, e, cache=cache) for e in (first, second))
    assert second.calls == []
    assert one.queries.tobytes() == other.queries.tobytes()
    assert one.documents.tobytes() == other.documents.tobytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 9}, "vectors of the embedding model: expected 9 dimensions, got 8"),
        ({"stored": {"d2": [1.0] * 8, "d1": [1.0] * 9}}, "document 'd1': expected 8 .* got 9"),
    ],
)
def test_a_wrong_dimension_costs_one_question(
    settings: dict[str, Any],
    message: str,
    dataset: RetrievalDataset,
    make_embedder: Callable[..., Any],
) -> None:
    embedder = make_embedder()
    with pytest.raises(DimensionMismatchError, match=message):
        embed_dataset(dataset, embedder, **settings)
    assert embedder.calls == [("query", ("how long?",))]


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("stored", [{}, {"d1": [1.0] * 8}])
def test_a_model_that_changes_its_dimension_on_the_way_is_refused(
    after: int,
    stored: dict[str, list[float]],
    dataset: RetrievalDataset,
    make_embedder: Callable[..., Any],
) -> None:
    embedder = make_embedder(after=after, then="dim")
    with pytest.raises(DimensionMismatchError, match="expected 8 dimensions, got 9"):
        embed_dataset(dataset, embedder, stored=stored)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": np.ones(2)}, r"queries: expected shape \(n, dim\), got \(2,\)"),
        ({"queries": np.ones((0, 2))}, r"queries: expected shape \(n, dim\), got \(0, 2\)"),
        ({"documents": np.ones((4, 0))}, r"documents: expected shape \(n, dim\), got \(4, 0\)"),
        ({"queries": [[0, 1], [1, 0], [1, np.inf]]}, "queries: expected finite .* in row 2"),
        ({"documents": [[0, np.nan]] * 4}, "documents: expected finite .* in row 0"),
        ({"relevant": ([0], [1, 3])}, "each of 3 queries, got 2, 3 and 3"),
        ({"grades": ([1.0], [2.0, 1.0])}, "each of 3 queries, got 3, 2 and 3"),
        ({"relevant": ([0], [], [3]), "grades": ([1.0], [], [1.0])}, "query 1: expected"),
        (
            {"relevant": ([0], [1, 4], [3])},
            "query 1: expected distinct relevant rows below 4, .*got rows",
        ),
        ({"relevant": ([0], [1, -1], [3])}, "query 1: expected"),
        ({"relevant": ([0], [3, 3], [3])}, "query 1: expected"),
        ({"grades": ([1.0], [2.0], [1.0])}, "query 1: expected"),
        ({"grades": ([1.0], [2.0, 0.0], [1.0])}, "query 1: expected"),
        ({"grades": ([1.0], [2.0, 1.0], [np.nan])}, "query 2: expected"),
        ({"query_groups": [0, 1]}, "each of 3 queries, got 3, 3 and 2"),
    ],
)
def test_vectors_and_judgements_that_do_not_fit_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidVectorsError, match=message):
        EmbeddedDataset(**parts(**changes))


def test_questions_and_documents_of_different_lengths_are_refused() -> None:
    with pytest.raises(DimensionMismatchError, match="expected 2 dimensions, got 3") as caught:
        EmbeddedDataset(**parts(documents=np.ones((4, 3))))
    assert (caught.value.expected, caught.value.actual) == (2, 3)


def test_left_out_grades_are_1_and_left_out_groups_all_differ() -> None:
    embedded = EmbeddedDataset(**parts(grades=(), query_groups=np.empty(0, np.int64)))
    assert [grades.tolist() for grades in embedded.grades] == [[1], [1, 1], [1]]
    assert embedded.query_groups.tolist() == [0, 1, 2]


def test_vectors_are_float32_and_read_only_while_the_caller_s_array_stays_writable() -> None:
    given = np.ones((3, 2), dtype=np.float32)
    embedded = EmbeddedDataset(**parts(queries=given))
    assert embedded.documents.dtype == np.float32
    for matrix in (embedded.queries, embedded.documents):
        with pytest.raises(ValueError, match="read-only"):
            matrix[0, 0] = 7
    given[0, 0] = 7


def test_selected_questions_bring_everything_of_theirs_and_all_documents() -> None:
    whole = EmbeddedDataset(**parts())
    some = whole.select(np.array([2, 1]))
    assert some.queries.tolist() == whole.queries[[2, 1]].tolist()
    assert some.documents.tolist() == whole.documents.tolist()
    assert [rows.tolist() for rows in some.relevant] == [[3], [1, 3]]
    assert [grades.tolist() for grades in some.grades] == [[1], [2, 1]]
    assert some.query_groups.tolist() == [5, 7]
    assert (whole.labelled.tolist(), some.labelled.tolist()) == ([0, 1, 3], [1, 3])


def test_document_groups_join_questions_by_document_and_by_wording() -> None:
    joined = EmbeddedDataset(**parts(relevant=([0], [1, 3], [2]))).document_groups
    assert joined[0] == joined[2] != joined[1]
    assert len({*EmbeddedDataset(**parts()).document_groups.tolist()}) == 1
