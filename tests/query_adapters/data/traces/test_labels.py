"""Tests of the rule that makes judgements of feedback on traces."""

import math
from typing import Any

import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.traces import from_traces
from query_adapters.errors import DatasetWarning, InvalidDatasetError
from tests.query_adapters.data.traces import openinference

TEXTS = {"d1": "Four miles.", "d2": "An hour.", "d3": "By boat.", "d4": "On foot."}


def retrieval(key: str, query: str, *documents: str, **fields: Any) -> dict[str, Any]:
    return openinference.retrieval(key, query, {one: TEXTS[one] for one in documents}, **fields)


def rating(value: object, **target: object) -> dict[str, Any]:
    return {"name": "helpful", "score": value, **target}


def grades(dataset: RetrievalDataset) -> dict[str, dict[str, float]]:
    return {dataset.queries[query]: dict(found) for query, found in dataset.qrels.items()}


def test_feedback_on_a_retrieval_counts_for_its_first_documents_less_at_each_rank() -> None:
    traces = [retrieval("s", "how far?", "d1", "d2", "d3", "d4")]
    dataset = from_traces(traces, feedback=[rating(1, span_id="s")])
    assert grades(dataset) == {"how far?": {"d1": 1.0, "d2": 1 / math.log2(3), "d3": 0.5}}
    assert dataset.corpus == TEXTS
    one = from_traces(traces, feedback=[rating(1, span_id="s")], top=1)
    assert grades(one) == {"how far?": {"d1": 1.0}}


def test_feedback_on_a_document_replaces_that_on_its_retrieval() -> None:
    traces = [retrieval("s", "how far?", "d1", "d2", "d3", "d4")]
    ratings = [
        rating(1, span_id="s"),
        rating("irrelevant", span_id="s", document_position=0),
        rating(True, span_id="s", document_id="d4"),
    ]
    found = grades(from_traces(traces, feedback=ratings))
    assert found == {"how far?": {"d2": 1 / math.log2(3), "d3": 0.5, "d4": 1.0}}


def test_the_nearest_rated_span_around_a_retrieval_decides_before_the_trace() -> None:
    outer = {"context": {"span_id": "outer", "trace_id": "t"}, "parent_id": None}
    inner = {"context": {"span_id": "inner", "trace_id": "t"}, "parent_id": "outer"}
    traces = [outer, inner, retrieval("s", "how far?", "d1", parent_id="inner")]
    bad = rating(0, trace_id="trace of s")
    assert grades(from_traces(traces, feedback=[bad, rating(1, span_id="outer")]))
    with pytest.raises(InvalidDatasetError, match="no document has feedback above"):
        from_traces(traces, feedback=[rating(0, span_id="inner"), rating(1, span_id="outer")])
    good = rating(1, trace_id="trace of s")
    assert grades(from_traces(traces, feedback=[good])) == {"how far?": {"d1": 1.0}}


def test_spans_that_name_each_other_as_parents_end_the_search() -> None:
    traces = [
        retrieval("a", "how far?", "d1", parent_id="b"),
        retrieval("b", "how long?", "d2", parent_id="a"),
    ]
    with pytest.raises(InvalidDatasetError, match="2 retrievals and 1 ratings"):
        from_traces(traces, feedback=[rating(1, span_id="elsewhere")])


def test_equal_queries_add_up_and_several_values_of_one_target_are_averaged() -> None:
    traces = [retrieval(key, query, "d1") for key, query in (("a", "How far?"), ("b", "how far"))]
    ratings = [rating(1, span_id="a"), rating(1, span_id="b")]
    assert grades(from_traces(traces, feedback=ratings)) == {"How far?": {"d1": 2.0}}
    spoilt = [*ratings, rating(0, span_id="b")]
    assert grades(from_traces(traces, feedback=spoilt)) == {"How far?": {"d1": 1.0}}


def test_stars_need_their_own_threshold_and_rare_pairs_can_be_left_out() -> None:
    traces = [retrieval("a", "how far?", "d1", "d2"), retrieval("b", "how long?", "d2")]
    ratings = [rating(5, span_id="a"), rating(3, span_id="b")]
    found = from_traces(traces, feedback=ratings, threshold=3, min_weight=1)
    assert grades(found) == {"how far?": {"d1": 1.0}}


def test_kinds_of_feedback_are_told_apart_by_name() -> None:
    traces = [
        retrieval("s", "how far?", "d1", annotations=[rating(1), rating(0) | {"name": "toxic"}])
    ]
    with pytest.raises(InvalidDatasetError, match="several kinds: 'helpful', 'toxic'"):
        from_traces(traces)
    assert grades(from_traces(traces, names=["helpful"])) == {"how far?": {"d1": 1.0}}
    with pytest.raises(InvalidDatasetError, match="no feedback is called 'polite'"):
        from_traces(traces, names=["polite"])


def test_with_a_corpus_documents_are_found_by_id_or_by_their_whole_text() -> None:
    traces = [retrieval("s", "how far?", "d1", "d2", "d3")]
    corpus = {"d1": "Four miles, by now.", "chunk": "An hour.", "other": "Nothing."}
    with pytest.warns(DatasetWarning, match="1 of 3 judgements"):
        dataset = from_traces(traces, corpus, feedback=[rating(1, span_id="s")])
    assert grades(dataset) == {"how far?": {"d1": 1.0, "chunk": 1 / math.log2(3)}}
    assert dataset.corpus == corpus
    with pytest.raises(InvalidDatasetError, match="none of 3 relevant documents is in the corpus"):
        from_traces(traces, {"other": "Nothing."}, feedback=[rating(1, span_id="s")])


def test_a_rating_that_means_nothing_and_a_depth_below_1_are_refused() -> None:
    traces = [retrieval("s", "how far?", "d1")]
    with pytest.raises(InvalidDatasetError, match="feedback 'helpful': expected grades"):
        from_traces(traces, feedback=[rating("so so", span_id="s")])
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        from_traces(traces, feedback=[rating(1, span_id="s")], top=0)
