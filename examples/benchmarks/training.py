"""Time training from texts to a saved adapter, compared with LlamaIndex's old engine.

The data are a LlamaIndex QA file. Three models are measured:

- all-MiniLM-L6-v2 on this machine
- OpenAI's SDK with a local server that answers after a fixed delay
- a remote model whose LlamaIndex class sends one question per call, as most classes do

Our engine selects its settings by cross-validation and applies the guard. The old engine trains
for 4 epochs, as in its guide. The counts are the calls and texts that reach the model.

    python examples/benchmarks/training.py --train train_dataset.json --old-python PYTHON

README.md in this folder describes how to install the old engine's environment. OMP_NUM_THREADS
sets the number of threads of both engines.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from counted_models import CountedModel, LocalModel, counted_model, known_vectors, taken_counts
from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from rich.console import Console
from rich.table import Table

from llama_index_finetune_plugin import EmbeddingAdapterFinetuneEngine, EmbeddingQAFinetuneDataset
from query_adapters.demo import packaged_model

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "training.json"
OLD = "old engine, 4 epochs"
COMPARED = ("seconds", "processor_seconds", "texts", "calls")
WORKERS = 8  # concurrent questions (`num_workers`) of the remote model
Job = dict[str, Any]


def jobs(options: argparse.Namespace, folder: Path) -> list[Job]:
    """Embed the texts once, for the models that return known vectors; return a job per model."""
    job = {
        "train": str(options.train),
        "folder": packaged_model(),
        "vectors": str(folder / "vectors.npy"),
        "latency": options.latency,
    }
    given = EmbeddingQAFinetuneDataset.from_json(options.train)
    texts = [*given.queries.values(), *given.corpus.values()]
    vectors = LocalModel(job["folder"], device="cpu").get_text_embedding_batch(texts)
    np.save(job["vectors"], np.array(vectors, dtype=np.float32))
    return [{**job, "model": name} for name in ("local", "openai", "remote")]


@contextmanager
def provider(job: Job) -> Iterator[Job]:
    """Start the local server and yield the job with its URL, if the model needs a server."""
    if job["model"] != "openai":
        yield job
        return
    command = [sys.executable, str(HERE / "api.py"), job["train"], job["vectors"]]
    with subprocess.Popen(  # noqa: S603
        [*command, str(job["latency"])], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield {**job, "url": process.stdout.readline().strip()}  # type: ignore[union-attr]
        finally:
            process.terminate()


def our_rows(job: Job, *, repeats: int) -> Iterator[Job]:
    """Yield a row for each configuration of our engine."""
    dataset = EmbeddingQAFinetuneDataset.from_json(job["train"])
    model = counted_model(job)
    index = filled_index(dataset, known_vectors(job), model)
    for workers in (None, WORKERS) if job["model"] == "remote" else (None,):
        model.num_workers = workers
        at_once = f", {workers} at once" if workers else ""
        for name, store in (("ours", None), ("ours, index there already", index)):
            runs = [train(dataset, model, store) for _ in range(repeats)]
            yield row_of(job, name + at_once, runs)


def filled_index(
    dataset: EmbeddingQAFinetuneDataset, known: Mapping[str, list[float]], model: CountedModel
) -> VectorStoreIndex:
    nodes = [
        TextNode(id_=key, text=text, embedding=known[text]) for key, text in dataset.corpus.items()
    ]
    return VectorStoreIndex(nodes, embed_model=model)


def train(
    dataset: EmbeddingQAFinetuneDataset, model: CountedModel, index: VectorStoreIndex | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        began, processor = time.perf_counter(), time.process_time()
        engine = EmbeddingAdapterFinetuneEngine(
            dataset, model, model_output_path=folder, index=index
        )
        engine.finetune()
        seconds = {
            "seconds": time.perf_counter() - began,
            "processor_seconds": time.process_time() - processor,
        }
    trained = engine.result.training
    return {
        **seconds,
        "seconds_without_embedding": trained.elapsed_seconds,
        "verdict": trained.verdict,
        **taken_counts(model),
    }


def old_row(job: Job, python: str, folder: Path) -> tuple[Job, dict[str, str]]:
    """Return the old engine's row and the library versions in its environment."""
    job_path, figures_path = folder / "job.json", folder / "figures.json"
    job_path.write_text(json.dumps(job), encoding="utf-8")
    command = [python, str(HERE / "old_package_training.py"), str(job_path), str(figures_path)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    figures = json.loads(figures_path.read_text(encoding="utf-8"))
    return row_of(job, OLD, figures["runs"]), figures["libraries"]


def row_of(job: Job, engine: str, runs: Sequence[Mapping[str, Any]]) -> Job:
    """Return the counts of the last run, as all are equal, with the median times of all runs."""
    last = {"model": job["model"], "engine": engine, **runs[-1]}
    times = [name for name in last if "seconds" in name]
    last |= {name: round(statistics.median(run[name] for run in runs), 2) for name in times}
    last["texts"] = last["questions"] + last["documents"]
    return {**last, "seconds_of_each_run": [round(run["seconds"], 2) for run in runs]}


def against_old_package(ours: Job, old: Job) -> Job:
    """Return our row with the ratios of the old engine's figures to ours."""
    return {**ours, "old_takes_times": {n: round(old[n] / ours[n], 1) for n in COMPARED}}


def training_figures(options: argparse.Namespace) -> dict[str, Any]:
    rows: list[Job] = []
    old_libraries: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for asked in jobs(options, Path(temporary)):
            with provider(asked) as job:
                ours = list(our_rows(job, repeats=options.repeats))
                if options.old_python:
                    job["repeats"] = options.old_repeats
                    old, old_libraries = old_row(job, options.old_python, Path(temporary))
                    ours = [*(against_old_package(row, old) for row in ours), old]
            rows += ours
    return {
        "what": "from texts to a saved adapter: medians of the runs' wall seconds",
        "train": options.train.name,
        "latency_seconds": options.latency,
        "threads": os.environ.get("OMP_NUM_THREADS", "as many as there are processors"),
        "rows": rows,
        "old_libraries": old_libraries,
    }


def training_table(figures: Mapping[str, Any]) -> Table:
    title = f"{figures['train']}, {figures['latency_seconds']:g} s a call of openai and remote"
    table = Table("model", "engine", title=title)
    for column in ("questions", "documents", "calls", "s", "processor s", "faster", "fewer texts"):
        table.add_column(column, justify="right")
    for row in figures["rows"]:
        counts = (f"{row[name]:,}" for name in ("questions", "documents", "calls"))
        seconds = (f"{row[name]:.1f}" for name in ("seconds", "processor_seconds"))
        times = row.get("old_takes_times", {})
        beside = (f"{times[name]:.1f} ×" if times else "-" for name in ("seconds", "texts"))
        table.add_row(row["model"], row["engine"], *counts, *seconds, *beside)
    return table


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="LlamaIndex QA file")
    parser.add_argument("--old-python", help="Python with llama-index-finetuning")
    parser.add_argument("--repeats", type=int, default=3, help="runs per row of our engine")
    parser.add_argument("--old-repeats", type=int, default=1, help="runs of the old engine")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds per remote call")


def run(options: argparse.Namespace) -> None:
    figures = training_figures(options)
    write_results(RESULTS, figures)
    Console(width=120).print(training_table(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
