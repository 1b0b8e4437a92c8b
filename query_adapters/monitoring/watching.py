"""Watch retrievals: what both frameworks' handlers do with each list of documents."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from operator import attrgetter
from typing import Any, TypedDict, Unpack

from numpy.typing import ArrayLike

from query_adapters.experiments.arms import SessionSource, current_session
from query_adapters.experiments.serving import EXPERIMENTS
from query_adapters.feedback.log import FeedbackLog
from query_adapters.feedback.records import ShownList
from query_adapters.monitoring.telemetry import Retrieval, SpanAttributes, metrics_of
from query_adapters.processes.later import LaterCalls
from query_adapters.providers.redaction import redacted
from query_adapters.text.shown import message

logger = logging.getLogger(__name__)
BASE = "base"  # in place of the fingerprint, where no adapter serves

_SHOWN: ContextVar[list[ShownList] | None] = ContextVar("query_adapters_shown", default=None)


class WatchOptions(TypedDict, total=False):
    """What is done with each retrieval; nothing is, unless it is asked for.

    Attributes:
        log: Log of what was shown.
        metrics: Whether to record OpenTelemetry metrics (extra `telemetry`).
        spans: Whether to write attributes to the current OpenTelemetry span (extra `telemetry`);
            to one that no other instrumentation writes, also the question and the documents.
        model: The adapted embedding model or learned retriever that serves, whose adapter's
            fingerprint is noted as it is then; leave it out where several adapters serve.
        system: Name of the system; by default the class of the retriever, in a canary the
            experiment with the arm that served, and of an interleaved list the experiment.
        session: Who asks: a context variable, or a function without arguments; by default the block
            of `query_adapters.experiments.in_session`.
        vector_of: Returns the base model's vector of a question, `(dim,)`, for a log that keeps no
            texts; it is called once a question, in another thread unless `shown_lists` collects.
        meter_provider: OpenTelemetry's MeterProvider; by default the global one.
    """

    log: FeedbackLog | None
    metrics: bool
    spans: bool
    model: Any
    system: str | None
    session: SessionSource | None
    vector_of: Callable[[str], ArrayLike] | None
    meter_provider: Any


@contextmanager
def shown_lists() -> Iterator[list[ShownList]]:
    """Collect what is logged in the block, so that feedback can name it: `shown[-1].id`."""
    lists: list[ShownList] = []
    token = _SHOWN.set(lists)
    try:
        yield lists
    finally:
        _SHOWN.reset(token)


class RetrievalWatch:
    """Logs retrievals, counts them and writes them to spans; it never fails a request.

    No request waits for the log's file or for metrics: a thread in the background writes them, and
    the end of the process waits for it. What cannot be logged is said once in the log of this
    module, by kind of error.

    Args:
        **options: As in `WatchOptions`.

    Raises:
        ValueError: If nothing is to be done, or a log without texts gets no vectors.
        TypeError: If `model` has no adapter.
        MissingExtraError: If the extra `telemetry` is needed and not installed.
    """

    def __init__(self, **options: Unpack[WatchOptions]) -> None:
        self._log = options.get("log")
        self._metrics = (
            metrics_of(options.get("meter_provider")) if options.get("metrics") else None
        )
        self._spans = SpanAttributes() if options.get("spans") else None
        self._session, self._vector_of = options.get("session"), options.get("vector_of")
        self._model, self._system = options.get("model"), options.get("system")
        self._adapter_of = None if self._model is None else _adapter_getter(self._model)
        self._said: set[str] = set()
        self._later = LaterCalls()
        if self._log is None and self._metrics is None and self._spans is None:
            raise ValueError(
                "expected a log, metrics=True or spans=True, got none of them; name what is to be "
                "done with each retrieval"
            )
        if self._log is not None and not self._log.keeps_texts and self._vector_of is None:
            raise ValueError(
                "log: it keeps no texts, so expected vector_of=, got none; pass the base model's "
                "function that embeds a query"
            )

    def retrieved(
        self,
        question: str,
        documents: Sequence[tuple[str, Mapping[str, Any], float | None]],
        *,
        seconds: float,
        retriever: str,
    ) -> None:
        """Note what a retriever returned.

        Args:
            question: The question.
            documents: Id, metadata and score of each, best first.
            seconds: How long it took.
            retriever: Name of the retriever.
        """
        try:
            one = self._retrieval(question, documents, seconds, retriever)
            if self._spans is not None:
                self._spans.write(one)
            collected, shown = _SHOWN.get(), None
            if collected is not None and self._log is not None and one.ids:
                shown = self._made(self._log, one)
                collected.append(shown)
            if not self._later(partial(self._note, one, shown)):
                raise TimeoutError("too many retrievals wait for the log")
        except Exception as error:
            self.say(error)

    def flush(self, timeout: float | None = None) -> bool:
        """Return whether all so far is written, after at most so many seconds."""
        return self._later.flush(timeout)

    def failed(self, error: str, *, seconds: float, retriever: str) -> None:
        """Note that a retriever failed with an error of this type."""
        if self._metrics is None:
            return
        try:
            one = self._retrieval("", (), seconds, retriever)
            self._later(partial(self._metrics.add, one, error))
        except Exception as own:  # the retriever's error is the one to raise
            self.say(own)

    def say(self, error: Exception) -> None:
        """Log that something could not be noted, once for each type of error."""
        name = type(error).__name__
        if name not in self._said:
            self._said.add(name)
            shown = redacted(message(str(error)))
            logger.warning("a retrieval was not noted: %s: %s; this is said once", name, shown)

    def _retrieval(
        self,
        question: str,
        documents: Sequence[tuple[str, Mapping[str, Any], float | None]],
        seconds: float,
        retriever: str,
    ) -> Retrieval:
        best: dict[str, float | None] = {}
        for key, _, score in documents:
            best.setdefault(key, score)
        scores = [x for x in best.values() if x is not None and math.isfinite(x)]
        experiment, teams = _experiment_of(documents)
        return Retrieval(
            question=question,
            ids=tuple(best),
            scores=scores if len(scores) == len(best) else (),
            seconds=seconds,
            system=self._system or experiment or retriever,
            teams=teams,
            adapter=self._adapter,
            session=current_session(self._session),
        )

    @property
    def _adapter(self) -> str | None:
        if self._adapter_of is None:
            return None
        adapter = self._adapter_of(self._model)
        return BASE if adapter is None else adapter.fingerprint

    def _made(self, log: FeedbackLog, one: Retrieval) -> ShownList:
        """Return the list as the log keeps it."""
        return log.made(
            one.question,
            one.ids,
            scores=one.scores,
            session=one.session,
            system=one.system if one.adapter is None else f"{one.system}@{one.adapter}",
            teams=one.teams,
            vector=None if self._vector_of is None else self._vector_of(one.question),
        )

    def _note(self, one: Retrieval, shown: ShownList | None) -> None:
        try:
            if self._metrics is not None:
                self._metrics.add(one)
            if self._log is not None and one.ids:
                self._log.add(shown or self._made(self._log, one))
        except Exception as error:
            self.say(error)


def _adapter_getter(model: Any) -> Callable[[Any], Any]:
    """Return how to get the adapter in use: that of an embedding model, or of a retriever."""
    for path in ("adapter", "fusion.adapter"):
        if hasattr(model, path.partition(".")[0]):
            return attrgetter(path)
    raise TypeError(
        f"model: expected an adapted embedding model or a learned retriever, got "
        f"{type(model).__name__}; pass the one whose adapter serves"
    )


def _experiment_of(
    documents: Sequence[tuple[str, Mapping[str, Any], float | None]],
) -> tuple[str | None, dict[str, str | None]]:
    """Return experiment and arm of a canary, or experiment and teams of an interleaved list.

    Documents of an interleaved list have different teams; those of a canary have one arm.
    """
    found = [metadata.get(EXPERIMENTS) for _, metadata, _ in documents]
    marks = [mark for mark in found if isinstance(mark, Mapping)]
    if not marks or len(marks) < len(found):
        return None, {}
    first = marks[0]
    if all(mark == first for mark in marks):
        named = [f"{name}:{arm}" for name, arm in first.items() if arm is not None]
        return ", ".join(named) or None, {}
    mixed = [name for name in first if any(mark.get(name) != first[name] for mark in marks)]
    if len(mixed) != 1 or not all(mixed[0] in mark for mark in marks):
        return None, {}
    pairs = zip(documents, marks, strict=True)
    return mixed[0], {document[0]: mark[mixed[0]] for document, mark in pairs}
