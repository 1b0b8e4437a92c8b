"""Query one model from many threads and tasks while its adapter is replaced.

    python examples/benchmarks/soak.py --queries 200000 --swaps 1000

A second process writes two adapters to one folder in turn, and the model's adapter is assigned from
that folder again and again. Each result must be exactly that of one of the two adapters. Memory is
read when a tenth of the queries is answered and at the end.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from query_adapters import LinearAdapter, save_adapter

RESULTS = Path(__file__).parent / "results" / "soak.json"
DIM, N_TEXTS = 64, 50
PAUSE = 0.001  # seconds
WRITER = """
import os, sys, time
from pathlib import Path
import numpy as np
from query_adapters import LinearAdapter, save_adapter
folder, arrays = Path(sys.argv[1]), np.load(sys.argv[2])
adapters = [LinearAdapter(arrays["one"]), LinearAdapter(arrays["other"])]
n, parent = 0, os.getppid()
while os.getppid() == parent and not (folder.parent / "stop").exists():
    save_adapter(adapters[n % 2], folder)
    n += 1
    (folder.parent / "writing").touch()
    time.sleep(0.01)
print(n)
"""


def base_vector(text: str) -> list[float]:
    """Return the vector of a text."""
    rng = np.random.default_rng(int.from_bytes(text.encode(), "little"))
    vector: list[float] = rng.normal(size=DIM).tolist()
    return vector


VECTORS = {f"text {n}": base_vector(f"text {n}") for n in range(N_TEXTS)}


def llama_index(folder: Path) -> tuple[Any, Any, Any]:
    """Return the model over a folder, and its two functions for a query."""
    from llama_index.core.embeddings import BaseEmbedding

    from llama_index_finetune_plugin import AdapterEmbedding

    class Base(BaseEmbedding):
        def _get_query_embedding(self, query: str) -> list[float]:
            return VECTORS[query]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return VECTORS[query]

        def _get_text_embedding(self, text: str) -> list[float]:
            return VECTORS[text]

    model = AdapterEmbedding(Base(), folder)
    return model, model.get_query_embedding, model.aget_query_embedding


def langchain(folder: Path) -> tuple[Any, Any, Any]:
    """Return the model over a folder, and its two functions for a query."""
    from langchain_core.embeddings import Embeddings

    from langchain_adapter import AdapterEmbeddings

    class Base(Embeddings):
        def embed_query(self, text: str) -> list[float]:
            return VECTORS[text]

        async def aembed_query(self, text: str) -> list[float]:
            return VECTORS[text]

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [VECTORS[text] for text in texts]

    model = AdapterEmbeddings(Base(), folder)
    return model, model.embed_query, model.aembed_query


class Soak:
    """One run.

    Args:
        make: `llama_index` or `langchain`.
        queries: The least number of queries.
        swaps: Number of assignments of an adapter.
        threads: Number of threads, and of tasks on one event loop.
    """

    def __init__(self, make: Any, *, queries: int, swaps: int, threads: int = 64) -> None:
        self.queries, self.swaps, self.threads = queries, swaps, threads
        self.home = Path(tempfile.mkdtemp())
        rng = np.random.default_rng(0)
        arrays = {name: rng.normal(size=(DIM, DIM)) for name in ("one", "other")}
        np.savez(self.home / "arrays.npz", **arrays)
        self.adapters = [LinearAdapter(array) for array in arrays.values()]
        save_adapter(self.adapters[0], self.home / "adapter")
        self.model, self.ask, self.aask = make(self.home / "adapter")
        self.expected = {text: self._results(text) for text in VECTORS}
        self.seen: Counter[int] = Counter()  # by adapter; -1 for a wrong answer
        self.stop = threading.Event()
        self.n = 0
        self.allowed = queries / swaps  # grows with each swap, so that queries spread over them

    def _results(self, text: str) -> list[list[float]]:
        """Return the result of each adapter alone, through the same model."""
        results = []
        for adapter in self.adapters:
            self.model.adapter = adapter
            results.append(self.ask(text))
        return results

    def _note(self, text: str, result: list[float]) -> None:
        expected = self.expected[text]
        self.seen[expected.index(result) if result in expected else -1] += 1
        self.n += 1

    def _in_thread(self, number: int) -> None:
        texts = list(VECTORS)
        while not self.stop.is_set():
            while self.n > self.allowed:
                time.sleep(PAUSE)
            text = texts[(number + self.n) % N_TEXTS]
            self._note(text, self.ask(text))

    async def _in_task(self, number: int) -> None:
        texts = list(VECTORS)
        while not self.stop.is_set():
            text = texts[(number + self.n) % N_TEXTS]
            self._note(text, await self.aask(text))
            await asyncio.sleep(PAUSE if self.n > self.allowed else 0)

    async def _tasks(self) -> None:
        await asyncio.gather(*(self._in_task(number) for number in range(self.threads)))

    def run(self) -> dict[str, Any]:
        """Return the counts, the megabytes gained and the seconds."""
        folder, started = self.home / "adapter", time.perf_counter()
        writer = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", WRITER, str(folder), str(self.home / "arrays.npz")],
            stdout=subprocess.PIPE,
            text=True,
        )
        while not (self.home / "writing").exists():
            time.sleep(PAUSE)
        workers = [
            threading.Thread(target=self._in_thread, args=(number,))
            for number in range(self.threads)
        ]
        workers.append(threading.Thread(target=lambda: asyncio.run(self._tasks())))
        for worker in workers:
            worker.start()
        early, swaps = 0.0, 0
        while swaps < self.swaps or self.n < self.queries:
            self.model.adapter = folder
            swaps += 1
            self.allowed = (swaps + 1) * self.queries / self.swaps
            time.sleep(PAUSE)
            if not early and self.n >= self.queries / 10:
                early = resident()
        late = resident()
        self.stop.set()
        self.allowed = inf
        for worker in workers:
            worker.join()
        (self.home / "stop").touch()
        saves, _ = writer.communicate()
        return {
            "queries": self.n,
            "swaps": swaps,
            "saves_by_another_process": int(saves),
            "threads": self.threads,
            "tasks": self.threads,
            "answers_of_each_adapter": [self.seen[0], self.seen[1]],
            "wrong_answers": self.seen[-1],
            "megabytes_gained": round(late - early, 2),
            "seconds": round(time.perf_counter() - started, 1),
        }


def resident() -> float:
    """Return the megabytes of this process in memory; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    pages = int(status.read_text().split()[1]) if status.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Run both integrations, and store what they show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=200_000)
    parser.add_argument("--swaps", type=int, default=1_000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    found = {
        make.__name__: Soak(make, queries=given.queries, swaps=given.swaps).run()
        for make in (llama_index, langchain)
    }
    given.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
