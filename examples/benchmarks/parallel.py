"""Measure training with `n_jobs` worker processes: wall time and peak memory of all processes.

FOLDER holds data sets in BEIR's layout, as for quality.py; vectors are embedded once, before the
runs. Each run is a new process with default settings. Memory is the sum of the proportional set
sizes of the process and its workers, sampled ten times a second (Linux).

    python examples/benchmarks/parallel.py FOLDER --sets scifact --model wordllama --jobs 1 2
"""

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count, getloadavg
from pathlib import Path
from typing import Any

import psutil
from peak_memory import PeakMemory, with_children
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.console import Console

from query_adapters.training import AdapterTrainer

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "parallel.json"
CACHE = Path(tempfile.gettempdir()) / "query-adapters-quality.sqlite"
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=MODELS, default="wordllama")
    parser.add_argument("--sets", nargs="+", default=["scifact"])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cache", type=Path, default=CACHE, help="file of the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    cases = read_cases(
        options.folder,
        MODELS[options.model](),
        sets=options.sets,
        max_queries=2500,
        cache_path=options.cache,
    )
    rows = [row for case in cases for row in measured(case, options.jobs)]
    write_results(options.results, {"model": options.model, "cores": cpu_count(), "rows": rows})
    Console().print_json(json.dumps(rows))


def measured(case: Case, jobs: list[int]) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of jobs; all have the same adapter."""
    spawn = multiprocessing.get_context("spawn")
    for n_jobs in jobs:
        load = getloadavg()[0]  # of other work, if it is far above 0
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            row = pool.submit(trained, case, n_jobs).result()
        yield {"set": case.name, "n_jobs": n_jobs, "load_before": round(load, 1), **row}


def trained(case: Case, n_jobs: int) -> dict[str, Any]:
    trainer = AdapterTrainer(seen_share=case.seen_share, n_jobs=n_jobs)
    own = psutil.Process()
    with PeakMemory(lambda: sum(map(pss, with_children(own))), every_s=0.1) as memory:
        result = trainer.fit(case.train)
    return {
        "seconds": round(result.elapsed_seconds, 1),
        "peak_mib": round(memory.peak / MIB),
        "adapter": result.adapter.fingerprint[:12],
    }


def pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:  # it has ended
        return 0


if __name__ == "__main__":
    main()
