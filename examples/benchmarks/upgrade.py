"""Measure a new model on the index of an old one, against embedding the index again.

    python examples/benchmarks/upgrade.py <folder with BEIR data sets> --cache vectors.sqlite

Every ordered pair of the models is measured on every set (`--models`: all three by default). The
bridge is fitted on a part of the documents; the adapter on top of it is trained on the training
questions. All scores are on the test questions, over all documents.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from quality_cases import Case, read_cases
from quality_models import MODELS

from query_adapters import EmbeddedDataset, QueryAdapter
from query_adapters.errors import AdapterMismatchError
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.groups import usable_groups
from query_adapters.evaluation.pairwise import compare
from query_adapters.training import AdapterTrainer
from query_adapters.upgrade.bridge import fit_bridge
from query_adapters.upgrade.candidates import Reembedding, scores_of
from query_adapters.upgrade.plan import MIN_TEXTS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from results_file import write_results

RESULTS = Path(__file__).with_name("results") / "upgrade.json"
METRICS = ("ndcg@10", "recall@10")
SHARES = (1.0, 0.5, 0.25)


def of_two_models(new: EmbeddedDataset, old: EmbeddedDataset) -> EmbeddedDataset:
    """Return the new model's questions over the old model's documents."""
    return EmbeddedDataset(
        new.queries,
        old.documents,
        new.relevant,
        new.grades,
        new.query_groups,
        of_two_models=True,
    )


def measured(new: Case, old: Case) -> Iterator[dict[str, Any]]:
    """Yield the record of one pair of models for each share of the documents."""
    asked = of_two_models(new.test, old.test)
    groups = usable_groups(new.test.document_groups)
    again = evaluate_vectors(new.test, metrics=METRICS)
    today = evaluate_vectors(old.test, metrics=METRICS)
    n = len(new.test.documents)
    for share in SHARES:
        rows = np.sort(np.random.default_rng(0).permutation(n)[: round(share * n)])
        if len(rows) < MIN_TEXTS:
            continue
        try:
            bridge = fit_bridge(new.test.documents[rows], old.test.documents[rows])
        except AdapterMismatchError:
            yield {"set": new.name, "n_texts": len(rows), "n_documents": n, "refused": True}
            continue
        systems: dict[str, QueryAdapter] = {"bridge": bridge.adapter}
        if share == 1:
            trainer = AdapterTrainer(seen_share=new.seen_share)
            training = trainer.fit(of_two_models(new.train, old.train), start=bridge.adapter)
            systems["bridge + labels"] = training.adapter
        scores = {name: evaluate_vectors(asked, a, metrics=METRICS) for name, a in systems.items()}
        scores = {"old": today, **scores}
        sampled = np.union1d(rows, asked.labelled)
        estimate = Reembedding(
            rows=sampled,
            vectors=new.test.documents[sampled],
            metric="ndcg@10",
            similarity="cosine",
        ).estimate(asked, old.test, None, scores_of(old.test, None, "ndcg@10", "cosine"))
        yield {
            "set": new.name,
            "n_texts": len(rows),
            "n_documents": n,
            "n_training": len(new.train.queries),
            "n_test": len(new.test.queries),
            "bridge": bridge.to_record(),
            "again": again.means,
            "again_estimated": float(estimate.mean()),
            "candidates": {
                name: {
                    metric: {
                        "mean": c.adapted.mean,
                        "against_again": asdict(c.difference),
                    }
                    for metric, c in compare(again, found, groups=groups).items()
                }
                for name, found in scores.items()
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("upgrade.sqlite"))
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--max-queries", type=int, default=2500)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    cases = {
        name: {
            case.name: case
            for case in read_cases(
                arguments.folder,
                MODELS[name](),
                sets=arguments.sets,
                max_queries=arguments.max_queries,
                cache_path=arguments.cache,
            )
            if case.served is None
        }
        for name in arguments.models
    }
    results: list[dict[str, Any]] = []
    for of_set in next(iter(cases.values())):
        for old in cases:
            for new in cases:
                if old == new:
                    continue
                for record in measured(cases[new][of_set], cases[old][of_set]):
                    results.append({"old": old, "new": new, **record})
                    show(results[-1])
                write_results(arguments.results, {"rows": results})


def show(record: dict[str, Any]) -> None:
    pair = f"{record['set']} {record['new']} -> {record['old']} {record['n_texts']}"
    if "refused" in record:
        return print(pair, "refused", flush=True)
    rows = record["candidates"].items()
    means = ", ".join(f"{name} {100 * row['ndcg@10']['mean']:.1f}" for name, row in rows)
    again, estimated = 100 * record["again"]["ndcg@10"], 100 * record["again_estimated"]
    print(f"{pair}: {means}, again {again:.1f}, estimated {estimated:.1f}", flush=True)


if __name__ == "__main__":
    main()
