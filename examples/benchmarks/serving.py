"""What an adapter costs per query, beside LlamaIndex's own adapter where that is installed.

Prints and saves, for several dimensions, the median time that an adapted model takes beyond
its base, which costs next to nothing: in `_get_query_embedding`, where the adapter does its
work, and in the public `get_query_embedding`, LlamaIndex's events and spans included. "lists
alone" maps nothing: it only turns the base's list into an array and back, which no adapter can
go without; "and a product" multiplies that array by a matrix besides, and does no more. All
models take turns in one run, so that a busy machine slows all of them alike. Besides, the
microseconds a query where the core gets a thousand of them as one matrix.

    python examples/benchmarks/serving.py

For the old package's row: pip install llama-index-embeddings-adapter (needs torch).
"""

import argparse
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.embeddings.base import BaseEmbedding
from rich.console import Console
from rich.table import Table

from llama_index_finetune_plugin import LinearAdapterEmbedding
from query_adapters.adapters import LinearAdapter

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "serving.json"
DIMS = (384, 768, 1536)


class ConstantEmbedding(BaseEmbedding):
    """Gives one fixed vector, as a fresh list as models do: what is measured comes on top."""

    vector: Any

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.vector.tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self.vector.tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.vector.tolist()


class ThroughArray(ConstantEmbedding):
    """Makes an array of the list, as fast as we know how to, and a list of the array."""

    def _get_query_embedding(self, query: str) -> list[float]:
        vector = self.vector.tolist()
        packed = struct.Struct(f"{len(vector)}f").pack(*vector)
        return np.frombuffer(packed, dtype=np.float32).tolist()


class OneProduct(ConstantEmbedding):
    """Multiplies by a matrix in between: the least that a linear map behind lists can cost."""

    weight: Any

    def _get_query_embedding(self, query: str) -> list[float]:
        vector = self.vector.tolist()
        packed = struct.Struct(f"{len(vector)}f").pack(*vector)
        return (self.weight @ np.frombuffer(packed, dtype=np.float32)).tolist()


def models(dim: int, folder: Path) -> dict[str, BaseEmbedding]:
    rng = np.random.default_rng(0)
    weight = np.eye(dim) + 0.01 * rng.standard_normal((dim, dim))
    base = ConstantEmbedding(vector=rng.standard_normal(dim))
    found: dict[str, BaseEmbedding] = {
        "base": base,
        "lists": ThroughArray(vector=base.vector),
        "product": OneProduct(vector=base.vector, weight=weight.astype(np.float32)),
        "ours": LinearAdapterEmbedding(base, LinearAdapter(weight)),
    }
    if find_spec("llama_index.embeddings.adapter"):
        found["old_package"] = old_package(base, weight, folder)
    return found


def old_package(base: BaseEmbedding, weight: np.ndarray[Any, Any], folder: Path) -> BaseEmbedding:
    import torch
    from llama_index.embeddings.adapter import LinearAdapterEmbeddingModel
    from llama_index.embeddings.adapter.utils import LinearLayer

    layer = LinearLayer(len(weight), len(weight))
    with torch.no_grad():
        layer.linear.weight.copy_(torch.from_numpy(weight))
    layer.save(str(folder))
    return LinearAdapterEmbeddingModel(base, str(folder))


def median_microseconds(embed: Callable[[str], list[float]], n_calls: int) -> float:
    durations = []
    for _ in range(n_calls):
        began = time.perf_counter_ns()
        embed("how long does this take?")
        durations.append(time.perf_counter_ns() - began)
    return statistics.median(durations) / 1_000


def measure(method: str, dim: int, *, n_rounds: int, n_calls: int) -> dict[str, float]:
    """Return the median over rounds of each model's microseconds beyond the base's."""
    with tempfile.TemporaryDirectory() as folder:
        found = models(dim, Path(folder))
        rounds = [
            {
                name: median_microseconds(getattr(model, method), n_calls)
                for name, model in found.items()
            }
            for _ in range(n_rounds)
        ]
    return {
        name: statistics.median(row[name] - row["base"] for row in rounds)
        for name in found
        if name != "base"
    } | {"base": statistics.median(row["base"] for row in rounds)}


def microseconds_of_many(dim: int, *, n_rounds: int, n_queries: int = 1_000) -> float:
    """Return the median microseconds a query of the core's adapter on a matrix of queries."""
    rng = np.random.default_rng(0)
    adapter = LinearAdapter(np.eye(dim) + 0.01 * rng.standard_normal((dim, dim)))
    queries = rng.standard_normal((n_queries, dim), dtype=np.float32)
    durations = []
    for _ in range(n_rounds):
        began = time.perf_counter()
        adapter(queries)
        durations.append(time.perf_counter() - began)
    return statistics.median(durations) * 1e6 / n_queries


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=300, help="calls a round and model")


def run(options: argparse.Namespace) -> None:
    rows = {
        f"{method}, {dim}": measure(method, dim, n_rounds=options.rounds, n_calls=options.calls)
        for method in ("_get_query_embedding", "get_query_embedding")
        for dim in DIMS
    }
    columns = ("base", "lists", "product", "ours", "old_package")
    titles = (
        "base alone, µs", "lists alone on top", "and a product", "ours on top",
        "old package on top",
    )  # fmt: skip
    table = Table("method, dimensions", *titles)
    for case, row in rows.items():
        table.add_row(case, *(f"{row[name]:.1f}" if name in row else "-" for name in columns))
    many = {str(n): round(microseconds_of_many(n, n_rounds=options.rounds), 1) for n in DIMS}
    console = Console(width=120)
    console.print(table)
    console.print("a thousand queries as one matrix, µs a query:", many)

    what = "median microseconds beyond the base's own (base: its own)"
    many_what = "median microseconds a query of the core's adapter on 1,000 queries at once"
    write_results(RESULTS, {"what": what, "rows": rows, "many": {"what": many_what, **many}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
