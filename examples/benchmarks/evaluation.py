"""Measure the speed of evaluation: from vectors, through a retriever, and of the metrics alone.

    python examples/benchmarks/evaluation.py
    python examples/benchmarks/evaluation.py --queries 1000 --documents 10000

The benchmark has three parts:

1. Four metrics of a large run, compared with pytrec_eval.
2. Questions searched through a LlamaIndex retriever, and over the vectors of its index, compared
   with LlamaIndex's own evaluator, which awaits one question at a time. All three use cached
   embeddings.
3. Six metrics of two systems on synthetic questions and documents, with intervals and tests.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytrec_eval
from known_vectors import KnownVectors
from llama_index.core import VectorStoreIndex
from llama_index.core.evaluation import RetrieverEvaluator as CoreEvaluator
from llama_index.core.schema import TextNode
from rich.console import Console

from llama_index_finetune_plugin import RetrieverEvaluator
from llama_index_finetune_plugin.evaluation import evaluate_index
from query_adapters import EmbeddedDataset, RetrievalDataset
from query_adapters.adapters import LinearAdapter
from query_adapters.evaluation import evaluate_run, evaluate_vectors
from query_adapters.evaluation.bootstrap import bootstrap_intervals
from query_adapters.evaluation.comparison import compare_systems
from query_adapters.evaluation.trec import scored

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "evaluation.json"
METRICS = [f"{name}@10" for name in ("ndcg", "hit_rate", "recall", "precision", "mrr", "map")]
TREC_NAMES = {"recall_10", "P_10", "map_cut_10", "ndcg_cut_10"}
DIM = 384
N_ASKED, N_CHUNKS = 790, 395  # as in the guide's Uber set


def synthetic(n_queries: int, n_documents: int, seed: int = 0) -> EmbeddedDataset:
    rng = np.random.default_rng(seed)
    documents = rng.standard_normal((n_documents, DIM), dtype=np.float32)
    relevant = rng.integers(n_documents, size=n_queries)
    noise = rng.standard_normal((n_queries, DIM), dtype=np.float32)
    return EmbeddedDataset(documents[relevant] + 4 * noise, documents, tuple(relevant[:, None]))


def from_vectors(n_queries: int, n_documents: int) -> dict[str, Any]:
    dataset = synthetic(n_queries, n_documents)
    rng = np.random.default_rng(1)
    weight = np.eye(DIM, dtype=np.float32)
    weight += 0.01 * rng.standard_normal(weight.shape, dtype=np.float32)
    seconds = {}
    wall, cpu = time.perf_counter(), time.process_time()

    def note(what: str) -> None:
        """Record wall and CPU seconds since the start; CPU seconds hardly depend on load."""
        spent = time.perf_counter() - wall, time.process_time() - cpu
        seconds[what] = {"wall_s": round(spent[0], 1), "cpu_s": round(spent[1], 1)}

    base = evaluate_vectors(dataset, metrics=METRICS)
    intervals = bootstrap_intervals(np.stack(list(base.per_query.values()), axis=1))
    note("one_system_with_intervals")
    adapted = evaluate_vectors(dataset, LinearAdapter(weight), metrics=METRICS)
    compare_systems({"base": base, "adapted": adapted}, baseline="base")
    note("and_another_with_differences_and_tests")
    return {
        "queries": n_queries,
        "documents": n_documents,
        "metrics": len(intervals),
        **seconds,
    }


def through_retriever() -> dict[str, Any]:
    dataset = synthetic(N_ASKED, N_CHUNKS)
    queries = {f"q{row}": f"question {row}" for row in range(N_ASKED)}
    corpus = {f"d{row}": f"chunk {row}" for row in range(N_CHUNKS)}
    relevant = {f"q{row}": [f"d{found[0]}"] for row, found in enumerate(dataset.relevant)}
    texts = RetrievalDataset.from_relevant_docs(queries, corpus, relevant)
    known = dict(zip(queries.values(), dataset.queries.tolist(), strict=True))
    model = KnownVectors(
        known | dict(zip(corpus.values(), dataset.documents.tolist(), strict=True))
    )
    nodes = [TextNode(id_=key, text=text) for key, text in corpus.items()]
    index = VectorStoreIndex(nodes, embed_model=model)
    retriever = index.as_retriever(similarity_top_k=10)
    core = CoreEvaluator.from_metric_names(["hit_rate", "mrr", "recall"], retriever=retriever)

    async def one_at_a_time() -> list[dict[str, float]]:
        return [
            (await core.aevaluate(text, relevant[key])).metric_vals_dict
            for key, text in queries.items()
        ]

    started = time.perf_counter()
    theirs = asyncio.run(one_at_a_time())
    core_seconds = time.perf_counter() - started
    names = ["hit_rate@10", "mrr@10", "recall@10"]
    started = time.perf_counter()
    ours = RetrieverEvaluator(retriever, names).evaluate_dataset(texts)
    ours_seconds = time.perf_counter() - started
    started = time.perf_counter()
    stored = evaluate_index(index, model, texts, metrics=names)
    index_seconds = time.perf_counter() - started
    means = [float(np.mean([row[n] for row in theirs])) for n in ("hit_rate", "mrr", "recall")]
    same = all(np.allclose(means, list(e.means.values())) for e in (ours, stored))
    return {
        "questions": N_ASKED,
        "chunks": N_CHUNKS,
        "same_numbers": bool(same),
        "core_one_at_a_time_s": round(core_seconds, 2),
        "retriever_s": round(ours_seconds, 2),
        "index_s": round(index_seconds, 3),
        "retriever_times_faster": round(core_seconds / ours_seconds, 1),
        "index_times_faster": round(core_seconds / index_seconds, 1),
    }


def beside_pytrec_eval(n_queries: int = 10_000, depth: int = 100) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    run = {
        f"q{row}": [f"d{place}" for place in rng.permutation(1_000)[:depth]]
        for row in range(n_queries)
    }
    qrels = {q: {f"d{place}": 1 for place in rng.integers(1_000, size=3)} for q in run}
    names = ["recall@10", "precision@10", "map@10", "ndcg@10"]
    started = time.perf_counter()
    ours = evaluate_run(run, qrels, metrics=names).means
    ours_seconds = time.perf_counter() - started
    started = time.perf_counter()
    found = pytrec_eval.RelevanceEvaluator(qrels, TREC_NAMES).evaluate(scored(run))
    theirs_seconds = time.perf_counter() - started
    trec = ("recall_10", "P_10", "map_cut_10", "ndcg_cut_10")
    means = [float(np.mean([row[name] for row in found.values()])) for name in trec]
    return {
        "questions": n_queries,
        "depth": depth,
        "same_numbers": bool(np.allclose(means, list(ours.values()))),
        "ours_s": round(ours_seconds, 2),
        "pytrec_eval_s": round(theirs_seconds, 2),
        "times_faster": round(theirs_seconds / ours_seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()
    record = {
        "cores": os.cpu_count(),
        "pytrec_eval": beside_pytrec_eval(),
        "retriever": through_retriever(),
        "vectors": from_vectors(options.queries, options.documents),
    }
    write_results(options.results, record)
    Console().print(record)


if __name__ == "__main__":
    main()
