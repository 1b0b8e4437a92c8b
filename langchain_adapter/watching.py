"""Watch the retrievers of LangChain: log what they show, and count it."""

import time
from collections.abc import Sequence
from typing import Any, Unpack
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document

from langchain_adapter._retrievers import key_of
from langchain_adapter.scoring import score_of
from query_adapters.monitoring.watching import RetrievalWatch, WatchOptions

MOST_RUNNING = 100_000  # LangChain does not report the end of a cancelled retrieval


class RetrievalCallbackHandler(BaseCallbackHandler):
    """Logs what retrievers show, and records metrics and attributes of spans.

    Pass it as any callback: `retriever.with_config(callbacks=[handler])`, or to a whole chain. Of a
    retriever that asks others, such as `InterleavedRetriever`, its own list counts. Scores are
    those that `FusionRetriever` and LangChain's rerankers leave in the metadata; the retriever of
    a vector store leaves none.

    Args:
        id_key: The metadata key of a document's id; `Document.id` of documents without that key,
            and by default of all.
        **options: As in `query_adapters.monitoring.WatchOptions`.

    Raises:
        ValueError: If nothing is to be done, or a log without texts gets no vectors.
        TypeError: If `model` has no adapter.
        MissingExtraError: If the extra `telemetry` is needed and not installed.
    """

    run_inline = True  # in the context of the request, which holds its session and its span
    ignore_llm = ignore_retry = ignore_agent = ignore_chat_model = ignore_custom_event = True

    def __init__(self, *, id_key: str | None = None, **options: Unpack[WatchOptions]) -> None:
        self._watch = RetrievalWatch(**options)
        self._id_key = id_key
        self._began: dict[UUID, tuple[str, str, float]] = {}
        self._within: dict[UUID, None] = {}  # runs that are retrievals, or parts of one

    def flush(self, timeout: float | None = None) -> bool:
        """Return whether all so far is written, after at most so many seconds.

        A thread in the background writes; the end of the process waits for it.
        """
        return self._watch.flush(timeout)

    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Note when it starts, unless another retriever asks it."""
        if parent_run_id not in self._within:
            self._began[run_id] = (query, name or "Retriever", time.perf_counter())
        self._within[run_id] = None
        for running in (self._began, self._within):
            if len(running) > MOST_RUNNING:
                del running[next(iter(running))]

    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Note what it found."""
        began = self._ended(run_id)
        if began is None:
            return
        question, name, seconds = began
        try:
            found = [(key_of(one, self._id_key), one.metadata, score_of(one)) for one in documents]
        except Exception as error:
            return self._watch.say(error)
        self._watch.retrieved(question, found, seconds=seconds, retriever=name)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Note that it failed."""
        began = self._ended(run_id)
        if began is not None:
            _, name, seconds = began
            self._watch.failed(type(error).__name__, seconds=seconds, retriever=name)

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note a chain within a retriever, whose retrievers are within it too."""
        if parent_run_id in self._within:
            self._within[run_id] = None

    def on_chain_end(self, outputs: dict[str, Any], *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the chain."""
        self._within.pop(run_id, None)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Forget the chain."""
        self._within.pop(run_id, None)

    def _ended(self, run_id: UUID) -> tuple[str, str, float] | None:
        """Return question, name and seconds of a retrieval; None if another retriever asked it."""
        self._within.pop(run_id, None)
        began = self._began.pop(run_id, None)
        if began is None:
            return None
        question, name, start = began
        return question, name, time.perf_counter() - start
