"""Measure the time and memory of adapting and evaluating vectors in Parquet files.

    python examples/benchmarks/pipelines.py
    python examples/benchmarks/pipelines.py --rows 10000000 --questions 500

Random vectors of 384 dimensions are written to Parquet files. `map_parquet` adapts all of them, as
if they were queries. `evaluate_parquet` searches in all of them for questions, which are documents
with noise, and evaluates the base and a linear adapter. `--ray 2` does both on a local Ray cluster
with as many actors. Each step runs in a process of its own, whose peak memory the operating system
notes (`getrusage`); with Ray, it is the sum over all processes, sampled every 50 ms.
"""

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from peak_memory import PeakMemory, unshared, with_children
from pyarrow import parquet
from rich.console import Console
from rich.table import Table

from query_adapters.adapters import LinearAdapter
from query_adapters.pipelines import AdaptVectors, evaluate_parquet, map_parquet

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "pipelines.json"
DIM = 384
FILE_ROWS = 1_000_000
GROUP_ROWS = 65_536
NOISE = 4.0
Ray = dict[str, Any] | None


def vectors(start: int, n: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(start).standard_normal((n, DIM), dtype=np.float32)


def write_documents(folder: Path, n: int) -> None:
    """Write vectors with the ids of their rows, a million a file."""
    for first in range(0, n, FILE_ROWS):
        count = min(FILE_ROWS, n - first)
        _write(folder / f"{first:09d}.parquet", first, count, _ids)


def write_questions(folder: Path, n: int, *, n_documents: int) -> None:
    """Write questions, each a document with noise, with the id of that document."""

    def relevant(start: int, count: int) -> dict[str, Any]:
        rows = (start + np.arange(count)) % n_documents
        return {"relevant": pa.array([[f"d{row}"] for row in rows])}

    _write(folder / "questions.parquet", 0, n, relevant, noise=NOISE)


def _ids(start: int, n: int) -> dict[str, Any]:
    return {"id": pa.array([f"d{row}" for row in range(start, start + n)])}


def _write(
    path: Path,
    first: int,
    n: int,
    others: Callable[[int, int], dict[str, Any]],
    *,
    noise: float = 0.0,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    for start in range(first, first + n, GROUP_ROWS):
        count = min(GROUP_ROWS, first + n - start)
        matrix = vectors(start, count)
        if noise:
            matrix += noise * np.random.default_rng([1, start]).standard_normal(
                matrix.shape, dtype=np.float32
            )
        lists = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), DIM)
        table = pa.table({**others(start, count), "vector": lists})
        writer = writer or parquet.ParquetWriter(path, table.schema, use_dictionary=False)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def adapter() -> LinearAdapter:
    matrix = np.eye(DIM) + 0.01 * np.random.default_rng(2).normal(size=(DIM, DIM))
    return LinearAdapter(matrix, np.zeros(DIM))


def adapt(folder: Path, ray: Ray) -> int:
    return map_parquet(
        AdaptVectors(adapter()), folder / "documents", folder / "adapted", ray=ray
    ).n_rows


def evaluate(folder: Path, ray: Ray) -> int:
    systems = {"base": None, "adapted": adapter()}
    inputs = folder / "questions", folder / "documents"
    found = evaluate_parquet(*inputs, systems, folder / "scores", block_rows=50_000, ray=ray)
    return len(found["base"].first_relevant)


def measured(step: Callable[[Path, Ray], int], folder: Path, ray: Ray) -> dict[str, Any]:
    started = time.perf_counter()
    own = psutil.Process()
    with PeakMemory(lambda: sum(map(unshared, with_children(own))), every_s=0.05) as memory:
        rows = step(folder, ray)
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    peak = own_mb if ray is None else memory.peak / 1e6
    seconds = round(time.perf_counter() - started, 1)
    return {"step": step.__name__, "rows": rows, "seconds": seconds, "peak_mb": round(peak)}


def apart(step: Callable[[Path, Ray], int], folder: Path, ray: Ray) -> dict[str, Any]:
    """Measure the step in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measured, step, folder, ray).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=200_000, help="vectors to adapt, then to search"
    )
    parser.add_argument("--questions", type=int, default=2_000)
    parser.add_argument("--ray", type=int, default=0, help="actors of a local Ray cluster")
    parser.add_argument("--folder", type=Path, default=None, help="where the vectors are written")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the figures")
    options = parser.parse_args()
    ray = {"concurrency": options.ray} if options.ray else None
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        write_documents(folder / "documents", options.rows)
        rows.append(apart(adapt, folder, ray))
        shutil.rmtree(folder / "adapted")
        write_questions(folder / "questions", options.questions, n_documents=options.rows)
        rows.append(apart(evaluate, folder, ray))
    about = {"dim": DIM, "documents": options.rows, "systems": 2, "ray_actors": options.ray}
    write_results(options.results, {**about, "rows": rows})
    table = Table("step", "rows", "seconds", "peak MB", box=None)
    for row in rows:
        table.add_row(*(f"{value:,}" if value != row["step"] else value for value in row.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
