"""Measure the time and memory of evaluation over documents that are read in blocks.

    python examples/benchmarks/streaming.py
    python examples/benchmarks/streaming.py --questions 10000 --documents 100000 1000000 2000000

Random documents are written to a file and read through a memory map. Each question is a document
with noise. Two systems, the base and a linear adapter, are evaluated in one pass and compared with
intervals and tests. Each size runs in a process of its own, whose peak memory is measured without
the pages of the map, which the system may drop at any time.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from peak_memory import PeakMemory, unshared
from rich.console import Console
from rich.table import Table

from query_adapters.adapters import LinearAdapter
from query_adapters.evaluation import QuestionBlock, VectorBlocks, evaluate_blocks
from query_adapters.evaluation.comparison import compare_systems

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "streaming.json"
DIM = 384
ROWS = 65_536  # documents written or read at once
QUESTIONS_AT_ONCE = 10_000
NOISE = 4.0


def write_documents(path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    documents = np.lib.format.open_memmap(path, "w+", np.float32, (n, DIM))
    for start in range(0, n, ROWS):
        size = min(ROWS, n - start)
        documents[start : start + size] = rng.standard_normal((size, DIM), dtype=np.float32)
    documents.flush()


def questions(documents: np.ndarray[Any, Any], n: int) -> Iterator[QuestionBlock]:
    rng = np.random.default_rng(1)
    for start in range(0, n, QUESTIONS_AT_ONCE):
        size = min(QUESTIONS_AT_ONCE, n - start)
        rows = rng.integers(len(documents), size=size)
        noise = rng.standard_normal((size, DIM), dtype=np.float32)
        yield QuestionBlock(documents[rows] + NOISE * noise, list(rows[:, None]))


def measured(n_questions: int, n_documents: int, folder: str) -> dict[str, Any]:
    path = Path(folder, "documents.npy")
    write_documents(path, n_documents)
    documents = np.load(path, mmap_mode="r")
    matrix = np.eye(DIM) + 0.01 * np.random.default_rng(2).normal(size=(DIM, DIM))
    systems = {"base": None, "adapter": LinearAdapter(matrix, np.zeros(DIM))}
    started = time.perf_counter()
    own = psutil.Process()
    with PeakMemory(lambda: unshared(own), every_s=0.01) as memory:
        blocks = VectorBlocks(documents, rows=ROWS)
        found = evaluate_blocks(questions(documents, n_questions), blocks, systems)
        searched = time.perf_counter()
        compare_systems(found, baseline="base")
    return {
        "questions": n_questions,
        "documents": n_documents,
        "search_seconds": round(searched - started, 1),
        "comparison_seconds": round(time.perf_counter() - searched, 1),
        "peak_mb": round(memory.peak / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", nargs="+", type=int, default=[2_000, 10_000])
    parser.add_argument("--documents", nargs="+", type=int, default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the figures")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for n_documents in options.documents:
        for n_questions in options.questions:
            with (
                tempfile.TemporaryDirectory() as folder,
                ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
            ):
                rows.append(pool.submit(measured, n_questions, n_documents, folder).result())
            write_results(options.results, {"dim": DIM, "systems": 2, "rows": rows})
    table = Table("questions", "documents", "search s", "comparison s", "peak MB", box=None)
    for row in rows:
        table.add_row(*(f"{value:,}" for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
