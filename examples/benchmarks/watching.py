"""Measure what watching a retriever adds to a query, in both frameworks.

A retriever returns ten documents that it holds, so its own time is that of the framework alone. It
is asked without a handler, with one of the framework that does nothing, and with one that records
metrics, writes attributes to a span, logs the list (also within `shown_lists`), or does all three.
Every question has a span of OpenTelemetry's SDK, which is recorded and dropped. All ways take
turns. The figures are processor time of the asking thread in microseconds, the least of all rounds
as in `timeit`: others on the machine only add to it. "and its thread" is the processor time of the
whole process, with the thread that writes metrics and log.

    pip install opentelemetry-sdk
    python examples/benchmarks/watching.py
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever as LangChainRetriever
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import NullEventHandler
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from langchain_adapter import RetrievalCallbackHandler
from llama_index_finetune_plugin import RetrievalEventHandler
from query_adapters.feedback import FeedbackLog
from query_adapters.monitoring import shown_lists

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "watching.json"
QUESTION, N_DOCUMENTS = "how far is the harbour from the old lighthouse?", 10
TEXTS = {f"document {n}": f"text {n}" for n in range(N_DOCUMENTS)}
IDLE = "a handler that does nothing"
Asked = tuple[Callable[[], Any], Callable[[], Any]]
"""Asks once; waits until everything is written."""
WAYS = ("metrics", "spans", "log", "log, collected", "all three")


class LlamaIndexRetriever(BaseRetriever):
    nodes = tuple(
        NodeWithScore(node=TextNode(id_=key, text=text), score=0.5) for key, text in TEXTS.items()
    )

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return list(self.nodes)


class Listed(LangChainRetriever):
    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.documents


def options(way: str, folder: Path) -> dict[str, Any]:
    """Return the handler's options."""
    found: dict[str, Any] = {}
    if way in ("metrics", "all three"):
        found |= {"metrics": True, "meter_provider": MeterProvider([InMemoryMetricReader()])}
    if way in ("spans", "all three"):
        found |= {"spans": True}
    if way in ("log", "log, collected", "all three"):
        found |= {"log": FeedbackLog(folder / f"{way}.jsonl")}
    return found


def settling(handlers: list[Any]) -> Callable[[], Any]:
    """Return a function that waits until the handlers have written everything."""
    return lambda: [one.flush() for one in handlers if hasattr(one, "flush")]


def llama_index(way: str, folder: Path) -> Asked:
    retriever, dispatcher = LlamaIndexRetriever(), get_dispatcher()
    handlers: list[Any] = [NullEventHandler()] if way == IDLE else []
    if way in WAYS:
        handlers = [RetrievalEventHandler(**options(way, folder))]

    def ask() -> None:
        dispatcher.event_handlers = handlers
        retriever.retrieve(QUESTION)

    return ask, settling(handlers)


def langchain(way: str, folder: Path) -> Asked:
    documents = [
        Document(text, id=key, metadata={"relevance_score": 0.5}) for key, text in TEXTS.items()
    ]
    handlers: list[Any] = [BaseCallbackHandler()] if way == IDLE else []
    if way in WAYS:
        handlers = [RetrievalCallbackHandler(**options(way, folder))]
    retriever, config = Listed(documents=documents), {"callbacks": handlers}
    return lambda: retriever.invoke(QUESTION, config), settling(handlers)


def microseconds(
    asks: dict[str, Any], clock: Callable[[], float], *, rounds: int, calls: int
) -> dict[str, float]:
    """Return the least microseconds of a query by way, less those without a handler."""
    tracer = TracerProvider().get_tracer("benchmark")
    took: dict[str, list[float]] = {way: [] for way in asks}
    for _ in range(rounds):
        for way, (ask, settle) in asks.items():
            collecting = shown_lists if way == "log, collected" else nullcontext
            began = clock()
            for _ in range(calls):
                with tracer.start_as_current_span("request"), collecting():
                    ask()
            if clock is time.process_time:
                settle()
            took[way].append((clock() - began) / calls)
            settle()
    least = {way: 1e6 * min(values) for way, values in took.items()}
    return {way: round(us - (least["off"] if way != "off" else 0), 1) for way, us in least.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--calls", type=int, default=50)
    args = parser.parse_args()
    results: dict[str, Any] = {"documents": N_DOCUMENTS, "unit": "µs of processor time per query"}
    for name, make in (("llama_index", llama_index), ("langchain", langchain)):
        with tempfile.TemporaryDirectory() as folder:
            asks = {way: make(way, Path(folder)) for way in ("off", IDLE, *WAYS)}
            for clock, what in (
                (time.thread_time, name),
                (time.process_time, f"{name}, and its thread"),
            ):
                results[what] = microseconds(asks, clock, rounds=args.rounds, calls=args.calls)
                print(what, results[what])
    write_results(RESULTS, results)


if __name__ == "__main__":
    main()
