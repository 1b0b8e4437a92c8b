"""Fit an adapter on 100,000 pairs of 384 dimensions over 1,000,000 documents on one machine.

The vectors are synthetic. The spectrum of the documents decays like that of sentence embeddings.
Each question is a document mapped by a fixed linear map, plus noise. The script prints and saves
the time of the fit, the peak memory of the process (vectors included) and the gain on held-out
questions.

    python examples/benchmarks/scale.py
    python examples/benchmarks/scale.py --queries 10000 --documents 100000

On a GPU, whose name is stored with the figures:

    python examples/benchmarks/scale.py --device cuda
    python examples/benchmarks/scale.py --device cuda --queries 1000000 --documents 200000 \\
        --dim 1024
"""

import argparse
import resource
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

from query_adapters import EmbeddedDataset
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.pairwise import compare
from query_adapters.training import AdapterTrainer, memories_of
from query_adapters.typing import Vectors

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results"
METRIC = "ndcg@10"
N_TEST = 1_000
NOISE = 1.8


def synthetic(n_queries: int, n_documents: int, dim: int, seed: int = 0) -> EmbeddedDataset:
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, dim + 1, dtype=np.float32) ** -0.4
    documents = rng.standard_normal((n_documents, dim), dtype=np.float32)
    documents *= spectrum
    at_unit_length(documents)
    turn = np.eye(dim, dtype=np.float32)
    turn += 0.7 * rng.standard_normal((dim, dim), dtype=np.float32) / np.sqrt(dim)
    relevant = rng.integers(n_documents, size=n_queries)
    queries = documents[relevant] @ turn
    at_unit_length(queries)
    noise = rng.standard_normal(queries.shape, dtype=np.float32) * spectrum
    at_unit_length(noise)
    queries += np.float32(NOISE) * noise
    return EmbeddedDataset(queries, documents, tuple(relevant[:, None]))


def at_unit_length(vectors: Vectors) -> None:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def name_of(device: str) -> str:
    """Return the name of the card, or the device's own."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--memory", action="store_true", help="also try a memory")
    parser.add_argument("--device", default="cpu", help="as in AdapterTrainer")
    parser.add_argument("--results", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    file = "scale.json" if options.device == "cpu" else "scale_gpu.json"

    whole = synthetic(options.queries + N_TEST, options.documents, options.dim)
    test = whole.select(np.arange(options.queries, options.queries + N_TEST))
    train = whole.select(np.arange(options.queries))
    memories = memories_of("auto" if options.memory else False)
    trainer = AdapterTrainer(memories=memories, show_progress=True, device=options.device)
    result = trainer.fit(train)
    peak = peak_gib()
    base = evaluate_vectors(test, metrics=[METRIC])
    adapted = evaluate_vectors(test, result.adapter, metrics=[METRIC])
    difference = compare(base, adapted)[METRIC].difference
    record = {
        "queries": options.queries,
        "documents": options.documents,
        "dim": options.dim,
        "memory": options.memory,
        "device": name_of(options.device),
        "minutes": round(result.elapsed_seconds / 60, 2),
        "peak_gib": round(peak, 2),
        "base": round(100 * base.means[METRIC], 1),
        "gain": {end: round(100 * value, 1) for end, value in vars(difference).items()},
        "verdict": str(result.verdict),
    }
    write_results(options.results or RESULTS / file, record)
    Console().print(record)


if __name__ == "__main__":
    main()
