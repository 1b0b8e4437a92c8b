"""Tests of feedback from the spans that an app writes anyway."""

from typing import Any

import pytest

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback import dataset_from_feedback, feedback_from_spans
from tests.query_adapters.data.traces import openinference


def retrieval(key: str, query: str, *documents: str) -> dict[str, Any]:
    return openinference.retrieval(key, query, {one: f"text of {one}" for one in documents})


def test_clicks_citations_and_ratings_are_told_apart_by_their_names() -> None:
    feedback = [
        {"name": "click", "score": 1, "span_id": "s", "document_position": 1},
        {"name": "click", "score": 0, "span_id": "s", "document_position": 0},
        {"name": "cited", "score": 1, "span_id": "s", "document_id": "a"},
        {"name": "stars", "score": 4, "span_id": "s", "document_id": "c"},
        {"name": "thumb", "score": 1, "trace_id": "trace of s"},
        {"name": "thumb", "score": 1, "span_id": "unknown"},
    ]
    found = feedback_from_spans([retrieval("s", "how far?", "a", "b", "c")], feedback=feedback)
    (one,) = found.lists
    assert (one.question, one.ids) == ("how far?", ("a", "b", "c"))
    assert [(event.kind, event.document, event.grade) for event in one.events] == [
        ("clicked", "b", None),
        ("cited", "a", None),
        ("rated", "c", 4.0),
        ("rated", None, 1.0),
    ]
    assert found.n_orphans == 1
    only_stars = feedback_from_spans(
        [retrieval("s", "how far?", "a", "b", "c")], feedback=feedback, ratings=["stars"]
    )
    assert [event.kind for event in only_stars.lists[0].events] == ["clicked", "cited", "rated"]


def test_a_dataset_is_made_of_them_and_a_position_beyond_the_list_is_refused() -> None:
    spans = [retrieval(f"s{n}", "how far?", "a", "b") for n in range(4)]
    clicks = [
        {"name": "click", "score": 1, "span_id": f"s{n}", "document_position": 1} for n in range(4)
    ]
    found = dataset_from_feedback(
        feedback_from_spans(spans, feedback=clicks), propensities=[1.0, 0.5]
    )
    assert [dict(row) for row in found.dataset.qrels.values()] == [{"b": 1.0}]
    odd = [{"name": "click", "score": 1, "span_id": "s0", "document_position": 7}]
    with pytest.raises(InvalidDatasetError, match="did not show: '#7'"):
        dataset_from_feedback(feedback_from_spans(spans, feedback=odd))


def test_traces_without_a_retrieval_are_refused() -> None:
    with pytest.raises(InvalidDatasetError, match="expected a retriever's"):
        feedback_from_spans([{"context": {"span_id": "s"}, "attributes": {}}])
