"""Measure how much faster 16 concurrent calls generate questions than one call at a time.

The calls go through LlamaIndex's OpenAI client to a local server that answers after a fixed
delay. The sequential run uses fewer chunks, and its time is scaled: every chunk takes equally long.

    python examples/benchmarks/generation.py
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from llama_index.core.schema import TextNode
from llama_index.llms.openai import OpenAI

sys.path[:0] = [str(Path(__file__).parents[n]) for n in (1, 2)]  # scripts, and tests/servers
from results_file import write_results

from llama_index_finetune_plugin import generate_qa_embedding_pairs
from tests.servers.chat import ChatServer

RESULTS = Path(__file__).parent / "results" / "generation.json"


def seconds_for(n_chunks: int, *, concurrency: int, latency: float) -> tuple[float, int]:
    """Return the seconds of a run and the maximum number of concurrent requests."""
    nodes = [TextNode(id_=f"n{i}", text=f"This is about marker-{i}.") for i in range(n_chunks)]
    with ChatServer(latency=latency) as server, tempfile.TemporaryDirectory() as folder:
        llm = OpenAI(model="gpt-4o-mini", api_base=f"{server.url}/v1", api_key="k", max_retries=0)
        started = time.perf_counter()
        dataset = generate_qa_embedding_pairs(
            nodes, llm, output_path=Path(folder) / "dataset.json", concurrency=concurrency
        )
        elapsed = time.perf_counter() - started
        if len(dataset.queries) != 2 * n_chunks or server.n_paid != n_chunks:
            sys.exit(f"{len(dataset.queries)} questions, {server.n_paid} answers")
        return elapsed, server.most_in_flight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000)
    parser.add_argument("--one-by-one", type=int, default=50, help="chunks of the sequential run")
    parser.add_argument("--latency", type=float, default=0.5, help="seconds per answer")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()

    seconds_for(5, concurrency=5, latency=0.0)  # warm up imports and connections
    slow, _ = seconds_for(options.one_by_one, concurrency=1, latency=options.latency)
    fast, at_once = seconds_for(options.chunks, concurrency=16, latency=options.latency)
    scaled = slow * options.chunks / options.one_by_one
    figures = {
        "chunks": options.chunks,
        "latency_seconds": options.latency,
        "most_requests_at_once": at_once,
        "seconds_at_16": round(fast, 2),
        "chunks_one_by_one": options.one_by_one,
        "seconds_one_by_one": round(slow, 2),
        "seconds_one_by_one_scaled": round(scaled, 1),
        "times_faster": round(scaled / fast, 1),
    }
    for name, value in figures.items():
        print(f"{name:28}{value}")
    write_results(options.results, figures)


if __name__ == "__main__":
    main()
