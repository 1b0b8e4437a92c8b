"""Measure what interleaving two retrievers adds to their two searches, in both frameworks.

Retrievers return ten documents that they hold, so their time is that of the framework alone. All
ways take turns: both are asked one after the other; a retriever of the framework asks both and
returns the documents of one ("a retriever around them"); `InterleavedRetriever` joins their lists;
and the joined list is logged as well, by `FeedbackLog.shown`, or by the handler, whose thread
writes the file. Figures are processor time of the whole process, its threads included, in
microseconds a query: medians over rounds, less that of the two searches. The same is measured with
both awaited.

    python examples/benchmarks/interleaving_cost.py
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from statistics import median
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever as LangChainRetriever
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

import langchain_adapter
import llama_index_finetune_plugin
from llama_index_finetune_plugin import RetrievalEventHandler
from query_adapters.feedback import FeedbackLog

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "interleaving_cost.json"
QUESTION = "how far is the harbour from the old lighthouse?"
INCUMBENT, CHALLENGER = range(10), (0, 2, 1, 4, 3, 12, 5, 13, 6, 14)
METADATA = {"source": "harbour.md", "page": 3}
Asks = dict[str, Callable[[], Any]]
Later = Callable[[], Coroutine[Any, Any, Any]]


class LlamaIndexRetriever(BaseRetriever):
    def __init__(self, numbers: Any) -> None:
        self.nodes = [
            NodeWithScore(node=TextNode(id_=f"document {n}", metadata=METADATA), score=0.5)
            for n in numbers
        ]
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.nodes

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.nodes


class Around(BaseRetriever):
    def __init__(self, *retrievers: BaseRetriever) -> None:
        self.retrievers = retrievers
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = [one.retrieve(query_bundle) for one in self.retrievers]
        return found[0]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = [await one.aretrieve(query_bundle) for one in self.retrievers]
        return found[0]


class Listed(LangChainRetriever):
    documents: list[Document]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.documents

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return self.documents


class LangChainAround(LangChainRetriever):
    retrievers: list[LangChainRetriever]

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        found = [one.invoke(query) for one in self.retrievers]
        return found[0]

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        found = [await one.ainvoke(query) for one in self.retrievers]
        return found[0]


def llama_index(log: FeedbackLog) -> tuple[Asks, dict[str, Later]]:
    two = LlamaIndexRetriever(INCUMBENT), LlamaIndexRetriever(CHALLENGER)
    both = llama_index_finetune_plugin.InterleavedRetriever(*two, experiment="adapter-v2")
    around = Around(*two)

    handler, dispatcher = RetrievalEventHandler(log=log), get_dispatcher()

    def logged() -> None:
        nodes = both.retrieve(QUESTION)
        log.shown(QUESTION, [one.node.node_id for one in nodes], teams=both.teams(nodes))

    def handled() -> None:
        dispatcher.event_handlers = [handler]
        both.retrieve(QUESTION)
        dispatcher.event_handlers = []

    async def one_by_one() -> None:
        for one in two:
            await one.aretrieve(QUESTION)

    return {
        "two searches": lambda: [one.retrieve(QUESTION) for one in two],
        "a retriever around them": lambda: around.retrieve(QUESTION),
        "interleaved": lambda: both.retrieve(QUESTION),
        "interleaved and logged": logged,
        "interleaved, with a handler that logs": handled,
    }, {
        "two searches": one_by_one,
        "a retriever around them": lambda: around.aretrieve(QUESTION),
        "interleaved": lambda: both.aretrieve(QUESTION),
    }


def langchain(log: FeedbackLog) -> tuple[Asks, dict[str, Later]]:
    two = [
        Listed(documents=[Document("text", id=f"document {n}", metadata=METADATA) for n in numbers])
        for numbers in (INCUMBENT, CHALLENGER)
    ]
    both = langchain_adapter.InterleavedRetriever(*two, experiment="adapter-v2")
    config: Any = {"callbacks": [langchain_adapter.RetrievalCallbackHandler(log=log)]}
    around = LangChainAround(retrievers=two)

    def logged() -> None:
        documents = both.invoke(QUESTION)
        log.shown(QUESTION, [str(one.id) for one in documents], teams=both.teams(documents))

    async def one_by_one() -> None:
        for one in two:
            await one.ainvoke(QUESTION)

    return {
        "two searches": lambda: [one.invoke(QUESTION) for one in two],
        "a retriever around them": lambda: around.invoke(QUESTION),
        "interleaved": lambda: both.invoke(QUESTION),
        "interleaved and logged": logged,
        "interleaved, with a handler that logs": lambda: both.invoke(QUESTION, config),
    }, {
        "two searches": one_by_one,
        "a retriever around them": lambda: around.ainvoke(QUESTION),
        "interleaved": lambda: both.ainvoke(QUESTION),
    }


def took(call: Callable[[], Any], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) / calls


async def atook(call: Later, calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - began) / calls


def above(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Return the median microseconds by way, less those of the two searches."""
    middle = {way: 1e6 * median(values) for way, values in seconds.items()}
    searches = middle.pop("two searches")
    return {"two searches": round(searches), **{w: round(t - searches) for w, t in middle.items()}}


def measured(make: Any, *, rounds: int, calls: int) -> tuple[dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        asks, later = make(FeedbackLog(Path(folder) / "log.jsonl"))
        times: dict[str, list[float]] = {way: [] for way in asks}
        atimes: dict[str, list[float]] = {way: [] for way in later}

        async def awaited() -> None:
            for way, call in later.items():
                atimes[way].append(await atook(call, calls))

        for _ in range(rounds):
            for way, call in asks.items():
                times[way].append(took(call, calls))
            asyncio.run(awaited())
    return above(times), above(atimes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--calls", type=int, default=50)
    args = parser.parse_args()
    results: dict[str, Any] = {"documents": 10, "unit": "µs of processor time per query"}
    for name, make in (("llama_index", llama_index), ("langchain", langchain)):
        results[name], results[f"{name}, async"] = measured(make, **vars(args))
        print(name, results[name], "async", results[f"{name}, async"])
    write_results(RESULTS, results)


if __name__ == "__main__":
    main()
