"""What is told to OpenTelemetry of each retrieval: metrics, and attributes of spans."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from query_adapters._extras import require_extra
from query_adapters._version import installed_version
from query_adapters.processes.forks import PerProcess

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

Labels = tuple[tuple[str, str], ...]
SCOPE = "query_adapters"
SYSTEM, ADAPTER = "query_adapters.system", "query_adapters.adapter"
KIND, ERROR = "openinference.span.kind", "error.type"
SCORES = tuple(n / 20 for n in range(21))  # bounds of the histogram: cosines
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

_GLOBAL: "list[QueryMetrics]" = []  # at most one, of the global provider
_METRICS: "WeakKeyDictionary[MeterProvider, list[QueryMetrics]]" = WeakKeyDictionary()
_MAKING = PerProcess(Lock)


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What a retriever was asked and returned.

    Attributes:
        question: The question.
        ids: Ids of the documents, best first.
        scores: Their scores; empty if they are not known.
        seconds: How long it took.
        system: Name of the system.
        teams: Team of each document by id, where two rankings were interleaved; else empty.
        adapter: Fingerprint of the adapter, "base" for none; None if it is not known.
        session: Key of the user or session; None if it is not known.
    """

    question: str
    ids: Sequence[str]
    scores: Sequence[float]
    seconds: float
    system: str
    teams: Mapping[str, str | None] = field(default_factory=dict)
    adapter: str | None = None
    session: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The attributes by which metrics are told apart."""
        own = {SYSTEM: self.system}
        return own if self.adapter is None else {**own, ADAPTER: self.adapter}


class QueryMetrics:
    """Counts queries, and collects their latency and their best score, by system and adapter.

    The metrics are `query_adapters.queries`, `query_adapters.query.duration` in seconds and
    `query_adapters.query.top_score`.

    Args:
        provider: OpenTelemetry's MeterProvider; None for the global one.

    Raises:
        MissingExtraError: If the extra `telemetry` is not installed.
    """

    def __init__(self, provider: "MeterProvider | None" = None) -> None:
        require_extra("telemetry")
        from opentelemetry.metrics import get_meter

        meter = get_meter(SCOPE, installed_version(), provider)
        self._counted: Counter[Labels] = Counter()
        self._lock = PerProcess(Lock)
        meter.create_observable_counter(  # read as often as metrics are exported, not per query
            "query_adapters.queries",
            [self._read],
            unit="{query}",
            description="Queries to retrievers.",
        )
        self._duration = meter.create_histogram(
            "query_adapters.query.duration",
            unit="s",
            description="Time from a question to its documents.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._score = meter.create_histogram(
            "query_adapters.query.top_score",
            unit="1",
            description="Score of the best document.",
            explicit_bucket_boundaries_advisory=SCORES,
        )

    def add(self, one: Retrieval, error: str | None = None) -> None:
        """Add a retrieval; `error` names the type of what ended it."""
        labels = one.labels if error is None else {**one.labels, ERROR: error}
        with self._lock.get():
            self._counted[tuple(labels.items())] += 1
        self._duration.record(one.seconds, labels)
        if one.scores:
            self._score.record(max(one.scores), labels)

    def _read(self, options: "CallbackOptions") -> "list[Observation]":
        from opentelemetry.metrics import Observation

        with self._lock.get():
            return [Observation(n, dict(labels)) for labels, n in self._counted.items()]


def metrics_of(provider: "MeterProvider | None" = None) -> QueryMetrics:
    """Return the metrics of a provider, which all who count share: each may be created once.

    Args:
        provider: As in `QueryMetrics`.

    Raises:
        MissingExtraError: If the extra `telemetry` is not installed.
    """
    require_extra("telemetry")
    from opentelemetry.metrics import get_meter_provider

    key = None if provider is get_meter_provider() else provider
    with _MAKING.get():
        found = _GLOBAL if key is None else _METRICS.setdefault(key, [])
        if not found:
            found.append(QueryMetrics(key))
        return found[0]


class SpanAttributes:
    """Writes attributes to the span in which a retriever runs.

    These are `query_adapters.system`, `query_adapters.adapter` and `session.id`. To a span that no
    instrumentation of OpenInference has written, also those of OpenInference's retriever: the
    question, and the ids and scores of the documents.

    Raises:
        MissingExtraError: If the extra `telemetry` is not installed.
    """

    def __init__(self) -> None:
        require_extra("telemetry")
        from opentelemetry.trace import get_current_span

        self._current = get_current_span

    def write(self, one: Retrieval) -> None:
        """Write the attributes; nothing outside a span that is recorded."""
        span = self._current()
        if not span.is_recording():
            return
        attributes: dict[str, Any] = dict(one.labels)
        if one.session is not None:
            attributes["session.id"] = one.session
        if KIND not in (getattr(span, "attributes", None) or {}):
            attributes |= _as_retriever(one)
        span.set_attributes(attributes)


def _as_retriever(one: Retrieval) -> dict[str, Any]:
    """Return the attributes of a retriever's span.

    Source: OpenInference's semantic conventions, "Retriever spans".
    """
    ids, scores = _document_keys(len(one.ids))
    return {
        KIND: "RETRIEVER",
        "input.value": one.question,
        **dict(zip(ids, one.ids, strict=True)),
        **dict(zip(scores, one.scores, strict=False)),
    }


@lru_cache(maxsize=64)
def _document_keys(n: int) -> tuple[list[str], list[str]]:
    """Return the names of the attributes of n documents: of their ids, and of their scores."""
    documents = [f"retrieval.documents.{place}.document" for place in range(n)]
    return [f"{name}.id" for name in documents], [f"{name}.score" for name in documents]
