"""Tests of traces as tools export them; where the tool is installed, it writes the file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from query_adapters.data.answers import text_id
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.traces import from_traces
from query_adapters.data.traces.openinference import otlp_spans, read

QUERY, TEXTS = "how far is the harbour?", ("Four miles.", "An hour.")
ATTRIBUTES: dict[str, str | float] = {
    "openinference.span.kind": "RETRIEVER",
    "input.value": QUERY,
    "retrieval.documents.0.document.id": "d1",
    "retrieval.documents.0.document.content": TEXTS[0],
    "retrieval.documents.0.document.score": 0.5,
    "retrieval.documents.0.document.metadata": '{"chunk": "c1"}',
    "retrieval.documents.1.document.content": TEXTS[1],
    "retrieval.documents.1.document.metadata": '{"chunk": "c2"}',
}
EXPECTED = {"d1": TEXTS[0], text_id(TEXTS[1]): TEXTS[1]}


def check(dataset: RetrievalDataset) -> None:
    """Check that the first document is relevant to the query, over both."""
    assert list(dataset.queries.values()) == [QUERY]
    assert dataset.corpus == EXPECTED
    assert [dict(grades) for grades in dataset.qrels.values()] == [{"d1": 1.0}]


@pytest.fixture
def spans() -> Sequence[ReadableSpan]:
    """Return a retrieval within a chain, recorded by OpenTelemetry."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer(__name__)
    with tracer.start_as_current_span("chain"), tracer.start_as_current_span("search") as span:
        span.set_attributes(ATTRIBUTES)
    return exporter.get_finished_spans()


def ids(span: ReadableSpan) -> tuple[str, str]:
    assert span.context is not None
    return f"{span.context.span_id:016x}", f"{span.context.trace_id:032x}"


@pytest.mark.parametrize("rated", [0, 1], ids=["retrieval", "chain"])
def test_spans_of_opentelemetry_are_read(
    rated: int, spans: Sequence[ReadableSpan], tmp_path: Path
) -> None:
    path = tmp_path / "spans.jsonl"
    path.write_text("\n".join(span.to_json(indent=None) for span in spans), encoding="utf-8")
    feedback = [{"span_id": ids(spans[rated])[0], "name": "thumb", "result": {"label": "up"}}]
    check(from_traces(path, feedback=feedback, top=1))


def test_an_otlp_export_is_read(spans: Sequence[ReadableSpan], tmp_path: Path) -> None:
    def written(value: Any) -> dict[str, Any]:
        return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}

    listed = [
        {
            "traceId": ids(span)[1],
            "spanId": ids(span)[0],
            "name": span.name,
            "attributes": [
                {"key": key, "value": written(value)}
                for key, value in (span.attributes or {}).items()
            ],
        }
        for span in spans
    ]
    path = tmp_path / "otlp.json"
    export = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": listed}]}]}
    path.write_text(json.dumps(export), encoding="utf-8")
    check(from_traces(path, feedback=[{"trace_id": ids(spans[0])[1], "score": 1}], top=1))


def test_a_query_that_looks_like_json_is_a_query_all_the_same() -> None:
    attributes = ATTRIBUTES | {"input.value": "{how far"}
    span, _ = read({"context": {"span_id": "s"}, "attributes": attributes}, "chunk")
    assert span.query == "{how far"
    assert [document.id for document in span.documents] == ["c1", "c2"]


def test_a_rating_without_a_value_is_none() -> None:
    traces = [{"context": {"span_id": "s"}, "attributes": ATTRIBUTES}]
    ratings = [{"span_id": "s", "name": "thumb", "result": {"score": score}} for score in (None, 1)]
    check(from_traces(traces, feedback=ratings, top=1))


def test_lists_and_objects_in_otlp_attributes_are_read() -> None:
    document = {"kvlistValue": {"values": [{"key": "document.id", "value": {"stringValue": "d1"}}]}}
    attributes = [
        {"key": "openinference.span.kind", "value": {"stringValue": "RETRIEVER"}},
        {"key": "input.value", "value": {"stringValue": '{"query_str": "how far?"}'}},
        {"key": "retrieval.documents", "value": {"arrayValue": {"values": [document]}}},
    ]
    scopes = [{"spans": [{"spanId": "s", "traceId": "t", "attributes": attributes}]}]
    (row,) = otlp_spans({"resourceSpans": [{"scopeSpans": scopes}]})
    span, _ = read(row, None)
    assert (span.id, span.trace_id, span.query) == ("s", "t", "how far?")
    assert [document.id for document in span.documents] == ["d1"]


def test_tables_of_phoenix_are_read_with_annotations_by_their_index() -> None:
    pandas = pytest.importorskip("pandas")
    documents = [
        {"document.id": "d1", "document.content": TEXTS[0], "document.score": 0.5},
        {"document.content": TEXTS[1]},
    ]
    table = pandas.DataFrame(
        {
            "name": ["search"],
            "span_kind": ["RETRIEVER"],
            "parent_id": [None],
            "context.trace_id": ["t"],
            "attributes.input.value": [QUERY],
            "attributes.retrieval.documents": [documents],
        },
        index=pandas.Index(["s"], name="context.span_id"),
    )
    places = [("s", 0), ("s", 1)]
    index = pandas.MultiIndex.from_tuples(places, names=["context.span_id", "document_position"])
    feedback = pandas.DataFrame(
        {"annotation_name": ["relevance"] * 2, "label": ["relevant", "irrelevant"]}, index=index
    )
    check(from_traces(table, feedback=feedback))


def test_spans_of_phoenix_are_read_with_nested_attributes(tmp_path: Path) -> None:
    documents = [
        {"document": {"id": "d1", "content": TEXTS[0]}},
        {"document": {"content": TEXTS[1]}},
    ]
    span = {
        "id": "U3Bhbjox",
        "name": "search",
        "context": {"trace_id": "t", "span_id": "s"},
        "span_kind": "RETRIEVER",
        "parent_id": None,
        "attributes": {"input": {"value": QUERY}, "retrieval": {"documents": documents}},
    }
    annotation = {"id": "a", "span_id": "s", "name": "user", "annotator_kind": "HUMAN"}
    path = tmp_path / "spans.json"
    path.write_text(json.dumps({"data": [span], "next_cursor": None}), encoding="utf-8")
    feedback = {"data": [annotation | {"result": {"label": "thumbs-up", "score": 1}}]}
    (tmp_path / "annotations.json").write_text(json.dumps(feedback), encoding="utf-8")
    check(from_traces(path, feedback=tmp_path / "annotations.json", top=1))


class Search(BaseRetriever):
    """A retriever of LangChain that always returns two documents."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [
            Document(TEXTS[0], id="d1", metadata={"chunk": "c1"}),
            Document(TEXTS[1], metadata={"chunk": "c2"}),
        ]


def test_runs_of_langsmith_are_read_as_langchain_records_them(tmp_path: Path) -> None:
    collector = RunCollectorCallbackHandler()
    (Search() | RunnableLambda(len)).invoke(QUERY, config={"callbacks": [collector]})
    (root,) = collector.traced_runs
    runs = [run.model_dump(mode="json") for run in (root, *root.child_runs)]
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(map(json.dumps, runs)), encoding="utf-8")
    feedback = [{"run_id": str(root.id), "trace_id": str(root.id), "key": "user", "score": 1}]
    check(from_traces(path, feedback=feedback, top=1))
    runs[0]["feedback_stats"] = {"user": {"n": 2, "avg": 0.75}}
    check(from_traces(runs, top=1))
    keyed = from_traces(runs, id_key="chunk")
    assert list(keyed.corpus) == ["c1", "c2"]


@pytest.mark.parametrize("is_nested", [True, False], ids=["trace", "observations"])
def test_traces_of_langfuse_are_read(is_nested: bool) -> None:
    output = [
        {"page_content": TEXTS[0], "id": "d1", "metadata": {}},
        {"page_content": TEXTS[1], "metadata": {}},
    ]
    observations = [
        {"id": "o1", "traceId": "t", "type": "SPAN", "name": "chain", "input": "hello"},
        {
            "id": "o2",
            "traceId": "t",
            "type": "RETRIEVER",
            "name": "VectorStoreRetriever",
            "parentObservationId": "o1",
            "input": {"query": QUERY},
            "output": output if is_nested else json.dumps(output),
        },
    ]
    scores = [{"id": "s", "traceId": "t", "observationId": None, "name": "user", "value": 1}]
    if is_nested:
        trace = {"id": "t", "name": "chat", "observations": observations, "scores": scores}
        check(from_traces([trace], top=1))
    else:
        check(from_traces(observations, feedback=scores, top=1))
