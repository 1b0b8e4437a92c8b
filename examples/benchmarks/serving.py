"""Measure the cost of an adapter per query, compared with LlamaIndex's adapter if installed.

For several dimensions, the script prints and saves the median time that an adapted model adds to
its base model. The base returns a constant, so its own time is negligible. Two methods are timed:
`_get_query_embedding`, which runs the adapter, and the public `get_query_embedding`, which adds
LlamaIndex's events and spans.

"lists alone" only converts the base's list to an array and back, which every adapter has to do.
"and a product" also multiplies the array by a matrix. All models take turns in one run, so that
load on the machine affects them equally. The script also reports the microseconds per query when
the core's adapter maps 1,000 queries as one matrix.

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
    """A base model that returns one fixed vector as a new list on every call."""

    vector: Any

    def _get_query_embedding(self, query: str) -> list[float]:
        return self.vector.tolist()

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self.vector.tolist()

    def _get_text_embedding(self, text: str) -> list[float]:
        return self.vector.tolist()


class ThroughArray(ConstantEmbedding):
    """A model that only converts the list to an array and back, as fast as possible."""

    def _get_query_embedding(self, query: str) -> list[float]:
        vector = self.vector.tolist()
        packed = struct.Struct(f"{len(vector)}f").pack(*vector)
        return np.frombuffer(packed, dtype=np.float32).tolist()


class OneProduct(ConstantEmbedding):
    """A model that also multiplies by a matrix: the minimum cost of a linear map on lists."""

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
    """Return the microseconds that each model adds to the base, as medians over the rounds."""
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
    """Return the median microseconds per query of the core's adapter on a query matrix."""
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
    parser.add_argument("--calls", type=int, default=300, help="calls per round and model")


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
