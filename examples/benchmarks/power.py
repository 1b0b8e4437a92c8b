"""Measure how the gain depends on the number of training questions.

From each data set of quality.py, random samples of the training questions are drawn, an adapter
is trained on each with default settings, and its difference from the base model is measured on
the test questions. The table shows, by number of questions, how often the adapter was kept, the
mean gain over sets and draws (nDCG@10 x 100; 0 where the base was kept), and how often it was
below the base by more than a standard error.

    python examples/benchmarks/power.py FOLDER --model minilm --draws 20
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from quality import CACHE, METRIC
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.console import Console
from rich.progress import track
from rich.table import Table

from query_adapters.evaluation import evaluate_vectors
from query_adapters.training import AdapterTrainer
from query_adapters.training.candidates import ViewScore

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "power.json"
SIZES = (30, 50, 100, 200, 400)


def trained(case: Case, n: int, draw: int) -> dict[str, Any]:
    """Return the outcome of training on n random questions."""
    rows = np.random.default_rng(draw).choice(len(case.train.queries), n, replace=False)
    train = case.train.select(np.sort(rows))
    trainer = AdapterTrainer(seed=draw, seen_share=case.seen_share)
    result = trainer.fit(train, served=case.served)
    base = evaluate_vectors(case.test, metrics=[METRIC])
    adapted = evaluate_vectors(case.test, result.adapter, metrics=[METRIC])
    gain = ViewScore.of(adapted.per_query[METRIC] - base.per_query[METRIC])
    return {
        "set": case.name,
        "questions": n,
        "draw": draw,
        "kept": result.chosen is not None,
        "gain": round(100 * gain.mean, 2),
        "is_harm": gain.is_worse_than_base,
        "p_value": result.p_value,
    }


def runs(cases: Sequence[Case], sizes: Sequence[int], draws: int) -> list[tuple[Case, int, int]]:
    return [
        (case, n, draw)
        for draw in range(draws)
        for n in sizes
        for case in cases
        if n <= len(case.train.queries)
    ]


def summaries(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield a line for each set and number of questions, then one for each number alone."""
    names = [*dict.fromkeys(row["set"] for row in rows), "all"]
    for name in names:
        for n in sorted({row["questions"] for row in rows}):
            part = [r for r in rows if r["questions"] == n and name in (r["set"], "all")]
            if part:
                kept, gain, harm = (
                    float(np.mean([r[k] for r in part])) for k in ("kept", "gain", "is_harm")
                )
                yield name, str(n), f"{kept:.0%}", f"{gain:+.1f}", f"{harm:.0%}", str(len(part))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="embedding model")
    parser.add_argument("--sets", nargs="+", help="names of sets; by default all")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="training questions")
    parser.add_argument("--draws", type=int, default=20, help="samples of each size")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that keeps the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the figures")
    options = parser.parse_args()
    reading = {"sets": options.sets, "max_queries": 2_500, "cache_path": options.cache}
    cases = list(read_cases(options.folder, MODELS[options.model](), **reading))
    rows: list[dict[str, Any]] = []
    for run in track(runs(cases, options.sizes, options.draws), "Training"):
        rows.append(trained(*run))
        write_results(options.results, {"model": options.model, "rows": rows})
    table = Table("set", "questions", "kept", "gain", "harm", "runs", box=None)
    for line in summaries(rows):
        table.add_row(*line)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
