"""Serve many tenants from threads and tasks while their adapters change, and measure a hit.

Each adapter is a multiple of the identity whose factor holds the tenant's number and a version. A
request is wrong if its factor is not a version of its own tenant that was current at some moment
between its start and its end. Tenants are drawn by Zipf's law, as a few of them ask often.

    python examples/benchmarks/tenants.py
    python examples/benchmarks/tenants.py --requests 1000000
"""

import argparse
import asyncio
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.deployment import TenantAdapters, use_tenant

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "tenants.json"
DIM, BATCH = 8, 500
MEGABYTE = 1 << 10  # of `ru_maxrss`, which is in kilobytes on Linux


class Serving:
    """Tenants with adapters in versions, and requests that check what they get."""

    def __init__(self, tenants: int, in_memory: int) -> None:
        self.versions = np.zeros(tenants, dtype=np.int64)
        self.settled = self.versions.copy()  # the adapters before them have been forgotten
        self.changing = Lock()
        self.loads = self.wrong_tenant = self.wrong_version = self.requests = self.changes = 0
        self.adapters = TenantAdapters(self.load, max_tenants=in_memory)
        odds = 1 / np.arange(1, tenants + 1)
        self.odds = odds / odds.sum()

    def load(self, tenant: str) -> LinearAdapter:
        self.loads += 1
        number = int(tenant)
        weight = np.eye(DIM, dtype=np.float32)
        weight[0, 0], weight[1, 1] = number, self.versions[number]
        return LinearAdapter(weight, keeps_length=False)

    def draw(self, rng: Any) -> list[int]:
        return [int(n) for n in rng.choice(len(self.odds), size=BATCH, p=self.odds)]

    def ask(self, number: int) -> None:
        before = self.settled[number]
        with use_tenant(str(number)):
            saved = self.adapters.current()
        weight = saved.adapter.tensors()["weight"] if saved is not None else np.zeros((2, 2))
        tenant, version = int(weight[0, 0]), int(weight[1, 1])
        self.wrong_tenant += tenant != number
        self.wrong_version += not before <= version <= self.versions[number]
        self.requests += 1

    def change(self, number: int) -> None:
        with self.changing:
            self.versions[number] += 1
            self.adapters.forget(str(number))
            self.settled[number] = self.versions[number]
            self.changes += 1

    def in_thread(self, seed: int, requests: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(0, requests, BATCH):
            for n, number in enumerate(self.draw(rng)):
                if n % 100 == 0:
                    self.change(number)
                self.ask(number)

    async def in_task(self, seed: int, requests: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(0, requests, BATCH):
            for number in self.draw(rng):
                with use_tenant(str(number)):
                    await self.adapters.load()
                self.ask(number)
            await asyncio.sleep(0)

    async def in_tasks(self, n: int, requests: int) -> None:
        await asyncio.gather(*(self.in_task(1_000 + seed, requests) for seed in range(n)))


def hit_us(serving: Serving, *, runs: int = 20, calls: int = 5_000) -> float:
    """Return the microseconds that a hit takes, tenant included: the median of the runs."""
    took = []
    with use_tenant("1"):
        for _ in range(runs):
            began = time.perf_counter()
            for _ in range(calls):
                serving.adapters.current()
            took.append((time.perf_counter() - began) / calls)
    return round(1e6 * float(np.median(took)), 2)


def run(tenants: int, in_memory: int, workers: int, requests: int) -> dict[str, Any]:
    serving = Serving(tenants, in_memory)
    each = requests // (2 * workers)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ThreadPoolExecutor(workers + 1) as pool:
        asked = [pool.submit(serving.in_thread, seed, each) for seed in range(workers)]
        asked.append(pool.submit(asyncio.run, serving.in_tasks(workers, each)))
        for future in asked:
            future.result()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "tenants": tenants,
        "in_memory": len(serving.adapters._loaded),
        "threads": workers,
        "tasks": workers,
        "requests": serving.requests,  # counted without a lock, so at least this many
        "loads": serving.loads,
        "changes": serving.changes,
        "wrong_tenant": serving.wrong_tenant,
        "wrong_version": serving.wrong_version,
        "seconds": round(time.perf_counter() - began, 1),
        "grown_mb": round(grown / MEGABYTE, 1),
        "hit_us": hit_us(serving),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenants", type=int, default=10_000)
    parser.add_argument("--in-memory", type=int, default=256)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    found = run(options.tenants, options.in_memory, options.workers, options.requests)
    print(found)
    write_results(RESULTS, found)


if __name__ == "__main__":
    main()
