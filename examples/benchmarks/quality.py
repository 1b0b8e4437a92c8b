"""Measure the gain or loss of adapters on several kinds of retrieval data sets.

FOLDER holds data sets in BEIR's layout (`corpus.jsonl`, `queries.jsonl`, `qrels/train.tsv` and
`qrels/test.tsv`). Folders that lack one of these files are skipped. On each data set, one adapter
is trained with default settings and one with the linear map alone. All settings are selected on
the training questions. The results also include whitening of the searched documents, which uses no
questions. `--model` chooses the embedding model, see quality_models.py.

The script prints and saves nDCG@10 x 100 on the test questions, with the 95 % interval of the
paired difference from the base model (bootstrap over questions). It also reports the gain that
training expected: the out-of-fold difference on questions about seen (S) and unseen (U) documents.

    python examples/benchmarks/quality.py FOLDER --seeds 3 --shuffled 3 --jobs 2

If a data set has more than 2,500 training questions, a random sample of 2,500 is used
(`--max-queries`). `--shuffled` also trains on randomly permuted labels, where the correct decision
is to keep the base. `--old-python` adds LlamaIndex's own adapter. README.md in this folder
describes how to install it.
"""

import argparse
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from math import inf, isinf
from pathlib import Path
from typing import Any

import numpy as np
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.console import Console
from rich.table import Table

from query_adapters import EmbeddedDataset
from query_adapters.adapters import QueryAdapter
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.bootstrap import Interval
from query_adapters.evaluation.pairwise import MetricComparison, compare
from query_adapters.training import (
    AdapterTrainer,
    CandidateScore,
    memories_of,
    whitening_adapter,
)
from query_adapters.training.candidates import ViewScore

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

Task = Callable[[], dict[str, Any]]
HERE = Path(__file__).parent
RESULTS = HERE / "results" / "quality.json"
CACHE = Path(tempfile.gettempdir()) / "query-adapters-quality.sqlite"
METRIC = "ndcg@10"
LEARNERS = {"default": memories_of("auto"), "linear": memories_of(False)}
OLD_PACKAGE, SHUFFLED = "LlamaIndex", "default, labels shuffled"
WHITENING = "whitening, no labels"
console = Console(highlight=False, width=150)


def trained(case: Case, learner: str, seed: int) -> dict[str, Any]:
    trainer = AdapterTrainer(seed=seed, seen_share=case.seen_share, memories=LEARNERS[learner])
    result = trainer.fit(case.train, served=case.served)
    return {
        "set": case.name,
        "learner": learner,
        "seed": seed,
        **tested(case, case.test, result.adapter),
        **chosen_record(result.chosen),
        "p_value": result.p_value,
        "expected": None if result.expected_gain is None else times_100_of(result.expected_gain),
        "verdict": str(result.verdict),
        "seconds": round(result.elapsed_seconds, 1),
    }


def tested(case: Case, adapted: EmbeddedDataset, adapter: QueryAdapter | None) -> dict[str, Any]:
    base = evaluate_vectors(case.test, metrics=[METRIC])
    comparison = compare(base, evaluate_vectors(adapted, adapter, metrics=[METRIC]))[METRIC]
    return {"test": times_100(comparison)}


def times_100(comparison: MetricComparison) -> dict[str, Any]:
    intervals = ("base", "adapted", "difference")
    record = asdict(comparison)
    return record | {
        name: {end: round(100 * value, 2) for end, value in record[name].items()}
        for name in intervals
    }


def times_100_of(gain: Interval) -> dict[str, float]:
    return {end: round(100 * value, 2) for end, value in asdict(gain).items()}


def chosen_record(chosen: CandidateScore | None) -> dict[str, Any]:
    if chosen is None:
        return {"seen": None, "unseen": None, "chosen": None}
    candidate = asdict(chosen.candidate)
    if isinf(candidate["strength"]):
        candidate["strength"] = None  # JSON has no infinity
    seen, unseen = expected(chosen.seen), expected(chosen.unseen)
    return {"seen": seen, "unseen": unseen, "chosen": candidate}


def expected(view: ViewScore | None) -> dict[str, float] | None:
    return None if view is None else {k: round(100 * v, 2) for k, v in asdict(view).items()}


def whitened(case: Case) -> dict[str, Any]:
    """Return the row for whitening with the searched documents' spectrum, without questions."""
    began = time.perf_counter()
    adapter = whitening_adapter(case.test.documents)
    seconds = round(time.perf_counter() - began, 1)
    score = tested(case, case.test, adapter)
    return {"set": case.name, "learner": WHITENING, **score, "seconds": seconds}


def shuffled(case: Case, seed: int) -> dict[str, Any]:
    """Return the row that says whether the base is kept when the labels are permuted."""
    shuffled = np.random.default_rng(seed).permutation(len(case.train.queries))
    noise = replace(
        case.train,
        relevant=tuple(case.train.relevant[row] for row in shuffled),
        grades=tuple(case.train.grades[row] for row in shuffled),
    )
    trainer = AdapterTrainer(seed=seed, seen_share=case.seen_share)
    result = trainer.fit(noise, served=case.served)
    return {
        "set": case.name,
        "learner": SHUFFLED,
        "seed": seed,
        "base_kept": result.chosen is None,
        "p_value": result.p_value,
        "verdict": str(result.verdict),
    }


def old_package_row(case: Case, python: str) -> dict[str, Any]:
    """Return the row of LlamaIndex's adapter, trained on the questions in random order.

    LlamaIndex's loader does not shuffle. If the questions were sorted by relevant document, the
    in-batch negatives would be relevant documents.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        given, adapted = Path(folder) / "given.npz", Path(folder) / "adapted.npz"
        np.savez(
            given,
            train=case.train.queries,
            document=case.train.documents,
            test=case.test.queries,
            relevant=[rows[0] for rows in case.train.relevant],
            order=np.random.default_rng(0).permutation(len(case.train.queries)),
        )
        command = [python, str(HERE / "old_package_quality.py"), str(given), str(adapted)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        with np.load(adapted) as found:
            queries = found["test"]
    seconds = round(time.perf_counter() - began, 1)
    score = tested(case, replace(case.test, queries=queries), None)
    return {"set": case.name, "learner": OLD_PACKAGE, **score, "seconds": seconds}


def tasks(cases: Sequence[Case], options: argparse.Namespace) -> Iterator[Task]:
    yield from (partial(whitened, case) for case in cases)
    for seed, case in product(range(options.seeds), cases):
        yield from (partial(trained, case, learner, seed) for learner in options.learners)
    if options.old_python:
        yield from (partial(old_package_row, case, options.old_python) for case in cases)
    for seed, case in product(range(options.shuffled), cases):
        yield partial(shuffled, case, seed)


def finished(todo: Iterable[Task], n_jobs: int) -> Iterator[dict[str, Any]]:
    """Run the tasks in parallel and yield their rows in the order of the tasks."""
    spawn = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(n_jobs, mp_context=spawn) as pool:
        futures = [pool.submit(task) for task in todo]
        for future in futures:
            yield future.result()


def about(case: Case) -> dict[str, Any]:
    return {
        "set": case.name,
        "train_questions": len(case.train.queries),
        "test_questions": len(case.test.queries),
        "documents": len(case.test.documents),
        "seen_share": round(case.seen_share, 3),
    }


def show(cases: Sequence[Case], rows: Sequence[dict[str, Any]]) -> None:
    columns = ("set", "learner", "seed", "base", "difference", "S", "U", "λ", "whitening", "memory")
    table = Table(*columns, "s", title=f"{METRIC} × 100 on the test questions", box=None)
    for case in cases:
        for row in (row for row in rows if row["set"] == case.name and "test" in row):
            table.add_row(*cells(row))
        table.add_row()
    console.print(table)
    for case in cases:
        kept = [row["base_kept"] for row in rows if row["set"] == case.name and "base_kept" in row]
        if kept:
            console.print(f"{case.name}, labels shuffled: base kept in {sum(kept)} of {len(kept)}")


def cells(row: dict[str, Any]) -> list[str]:
    base, difference = row["test"]["base"], row["test"]["difference"]
    low, high = difference["low"], difference["high"]
    return [
        row["set"],
        row["learner"],
        str(row.get("seed", "-")),
        f"{base['mean']:.1f}",
        f"{difference['mean']:+.1f} [{low:+.1f}, {high:+.1f}]",
        *(f"{row[view]['mean']:+.1f}" if row.get(view) else "-" for view in ("seen", "unseen")),
        *settings(row),
        f"{row['seconds']:.0f}",
    ]


def settings(row: dict[str, Any]) -> list[str]:
    if not row.get("chosen"):
        return ["-" if row["learner"] in (OLD_PACKAGE, WHITENING) else "base kept", "-", "-"]
    chosen, memory = row["chosen"], row["chosen"]["memory"]
    return [
        f"{chosen['strength'] or inf:g}",
        f"{chosen['whitening']:g}",
        f"{memory['ease']:g}, {memory['sharpness']:g}" if memory else "-",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="embedding model")
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=[*LEARNERS])
    parser.add_argument("--sets", nargs="+", help="names of data sets (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="number of fold seeds")
    parser.add_argument("--shuffled", type=int, default=0, help="runs on shuffled labels")
    parser.add_argument("--max-queries", type=int, default=2_500, help="per data set, at most")
    parser.add_argument("--jobs", type=int, default=1, help="number of parallel fits")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that caches the vectors")
    parser.add_argument("--old-python", help="Python with llama-index-finetuning")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    model = MODELS[options.model]()
    reading = {"sets": options.sets, "max_queries": options.max_queries}
    cases = list(read_cases(options.folder, model, cache_path=options.cache, **reading))
    rows: list[dict[str, Any]] = []
    kept = {
        "what": f"{METRIC} x 100 on the test questions, {model.identity}",
        "max_queries": options.max_queries,
        "sets": [about(case) for case in cases],
    }
    for row in finished(tasks(cases, options), options.jobs):
        rows.append(row)
        write_results(options.results, {**kept, "rows": rows})  # an interrupted run keeps its rows
        console.print(row["set"], row["learner"], row.get("seed", ""))
    show(cases, rows)


if __name__ == "__main__":
    main()
