"""Tests of what OpenTelemetry is told of a retrieval, with its SDK."""

import gc
import json
import weakref
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from query_adapters.adapters import LinearAdapter
from query_adapters.experiments import in_session
from query_adapters.feedback import feedback_from_spans
from query_adapters.monitoring.watching import RetrievalWatch

QUESTION = "how far is the harbour?"
Found = list[tuple[str, dict[str, Any], float | None]]
FOUND: Found = [("b", {}, 0.9), ("a", {}, 0.4)]


class Served:
    """Stands for an adapted embedding model."""

    adapter = LinearAdapter.identity(2)


def points(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], float, int]]]:
    """Return attributes, sum and count of each metric's points; a counter's count is 0."""
    data = reader.get_metrics_data()
    assert data is not None
    metrics = data.resource_metrics[0].scope_metrics[0].metrics
    return {
        metric.name: [
            (
                dict(point.attributes or {}),
                getattr(point, "sum", getattr(point, "value", 0.0)),
                getattr(point, "count", 0),
            )
            for point in metric.data.data_points
        ]
        for metric in metrics
    }


def test_queries_are_counted_by_system_and_adapter_with_their_latency_and_best_score() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    watch = RetrievalWatch(metrics=True, meter_provider=provider, model=Served())
    for score in (0.9, 0.5):
        found: Found = [("b", {}, score), ("a", {}, 0.4)]
        watch.retrieved(QUESTION, found, seconds=0.25, retriever="R")
    watch.retrieved(QUESTION, [("a", {}, None)], seconds=0.25, retriever="R")
    watch.failed("KeyError", seconds=1.0, retriever="R")
    assert watch.flush(5)
    labels = {
        "query_adapters.system": "R",
        "query_adapters.adapter": Served.adapter.fingerprint,
    }
    failed = {**labels, "error.type": "KeyError"}
    assert points(reader) == {
        "query_adapters.queries": [(labels, 3, 0), (failed, 1, 0)],
        "query_adapters.query.duration": [(labels, 0.75, 3), (failed, 1.0, 1)],
        "query_adapters.query.top_score": [(labels, pytest.approx(1.4), 2)],
    }


def test_handlers_share_the_instruments_of_a_provider(caplog: pytest.LogCaptureFixture) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    for watch in [RetrievalWatch(metrics=True, meter_provider=provider) for _ in range(2)]:
        watch.retrieved(QUESTION, FOUND, seconds=0.25, retriever="R")
        assert watch.flush(5)
    counted = points(reader)["query_adapters.queries"]
    assert counted == [({"query_adapters.system": "R"}, 2, 0)]
    assert not caplog.records  # the SDK warns of an instrument that is created twice
    provider.shutdown()  # until then, the SDK keeps it for the end of the process
    ended = weakref.ref(provider)
    del provider, reader
    gc.collect()
    assert ended() is None


def test_a_failed_retrieval_that_cannot_be_noted_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def nobody() -> str:
        raise LookupError("no request")

    watch = RetrievalWatch(metrics=True, meter_provider=MeterProvider(), session=nobody)
    for _ in range(2):
        watch.failed("KeyError", seconds=1.0, retriever="R")
    (said,) = [one.getMessage() for one in caplog.records]
    assert "LookupError: no request" in said


class TestSpans:
    @pytest.fixture
    def exporter(self) -> InMemorySpanExporter:
        return InMemorySpanExporter()

    @pytest.fixture
    def tracer(self, exporter: InMemorySpanExporter) -> Any:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        return provider.get_tracer("app")

    def test_a_span_of_the_app_becomes_one_that_feedback_is_read_from(
        self, tracer: Any, exporter: InMemorySpanExporter
    ) -> None:
        watch = RetrievalWatch(spans=True)
        with tracer.start_as_current_span("request"), in_session("user 1"):
            watch.retrieved(QUESTION, FOUND, seconds=0.25, retriever="R")
        (span,) = exporter.get_finished_spans()
        assert span.attributes is not None
        assert span.attributes["session.id"] == "user 1"
        assert span.attributes["query_adapters.system"] == "R"
        row = json.loads(span.to_json())
        clicks = [{"span_id": row["context"]["span_id"], "name": "click", "score": 1}]
        clicks[0]["document_id"] = "a"
        (one,) = feedback_from_spans([row], feedback=clicks).lists
        assert (one.question, one.ids) == (QUESTION, ("b", "a"))
        assert [event.document for event in one.events] == ["a"]

    def test_a_span_of_an_instrumentation_keeps_its_kind_and_input(
        self, tracer: Any, exporter: InMemorySpanExporter
    ) -> None:
        watch = RetrievalWatch(spans=True, system="faq")
        written = {"openinference.span.kind": "CHAIN", "input.value": "the whole prompt"}
        with tracer.start_as_current_span("chain", attributes=written):
            watch.retrieved(QUESTION, FOUND, seconds=0.25, retriever="R")
        (span,) = exporter.get_finished_spans()
        assert dict(span.attributes or {}) == {**written, "query_adapters.system": "faq"}

    def test_outside_a_span_nothing_happens(self, exporter: InMemorySpanExporter) -> None:
        RetrievalWatch(spans=True).retrieved(QUESTION, FOUND, seconds=0.25, retriever="R")
        assert exporter.get_finished_spans() == ()
