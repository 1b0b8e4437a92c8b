"""Measure a new model on the index of an old one, against embedding the index again.

    python examples/benchmarks/upgrade.py <folder with BEIR data sets> --cache vectors.sqlite

Every ordered pair of the models is measured on every set (`--models`: all three by default). The
bridge is fitted on a part of the documents; adapters on top of it, on the old model and on both
models side by side are trained on the training questions. All scores are on the test questions,
over all documents.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from quality_cases import Case, cases_by_model
from quality_models import MODELS, UNPADDED

from query_adapters import EmbeddedDataset, LinearAdapter
from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.arrays import unit
from query_adapters.embedders.two_models import joined
from query_adapters.errors import AdapterMismatchError
from query_adapters.evaluation import Evaluation, evaluate_vectors
from query_adapters.evaluation.groups import usable_groups
from query_adapters.evaluation.pairwise import compare
from query_adapters.finetuning.hybrid import (
    SearchedQuestions,
    fusion_of,
    lexical_index,
    trained_fusion,
)
from query_adapters.fusion import evaluate_fusion
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.typing import Vectors
from query_adapters.upgrade.bridge import fit_bridge
from query_adapters.upgrade.learning import equal_parts
from query_adapters.upgrade.maps import procrustes
from query_adapters.upgrade.plan import MIN_TEXTS
from query_adapters.upgrade.reembedding import Reembedding

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from results_file import write_results

RESULTS = Path(__file__).with_name("results") / "upgrade.json"
METRICS = ("ndcg@10", "recall@10")
SHARES = (1.0, 0.5, 0.25)
N_SAMPLES = 5
Evaluations = dict[str, Evaluation]


@dataclass(frozen=True)
class Way:
    """How questions reach the old model's documents.

    Attributes:
        train: Training questions over the old model's documents.
        test: Test questions over them.
        start: The adapter that training starts from; None for the old model as it is.
    """

    train: EmbeddedDataset
    test: EmbeddedDataset
    start: LinearAdapter | None


def over(old: EmbeddedDataset, queries: Vectors) -> EmbeddedDataset:
    """Return the questions with these vectors over the old model's documents."""
    return EmbeddedDataset(
        queries,
        old.documents,
        old.relevant,
        old.grades,
        old.query_groups,
        of_two_models=True,
    )


def ways(new: Case, old: Case, bridge: LinearAdapter) -> dict[str, Way]:
    """Return the questions by the new model, and by both side by side."""
    train, test = new.train.queries, new.test.queries
    both = [joined(o.queries, n) for o, n in ((old.train, train), (old.test, test))]
    start = equal_parts(bridge, train, old.train.queries)
    return {
        "bridge": Way(over(old.train, train), over(old.test, test), bridge),
        "both": Way(over(old.train, both[0]), over(old.test, both[1]), start),
    }


def searched(test: EmbeddedDataset, case: Case, adapter: QueryAdapter | None = None) -> Evaluation:
    """Return the scores of the case's test questions, given by these vectors."""
    return evaluate_vectors(test, adapter, metrics=METRICS, texts=case.test_texts)


def on_question_pairs(new: Case, old: Case) -> LinearAdapter:
    """Return the bridge on texts and on training questions, embedded by both models."""
    inputs, targets = (
        np.concatenate([unit(case.test.documents), unit(case.train.queries)]) for case in (new, old)
    )
    return LinearAdapter(*procrustes(inputs, targets))


def learned_retriever(way: Way, case: Case, training: TrainingResult) -> Evaluation:
    """Return the scores of the learned retriever, exact words and memory, on the test questions."""
    texts = case.train_texts
    searched = SearchedQuestions(
        embedded=way.train, questions=list(texts.queries.values()), ids=list(texts.corpus)
    )
    lexical = lexical_index([(list(texts.corpus), list(texts.corpus.values()))])
    trainer = AdapterTrainer(seen_share=case.seen_share)
    head = trained_fusion(searched, training, lexical, trainer=trainer, start=way.start)
    saved = SavedAdapter(adapter=training.adapter)
    fusion = fusion_of(searched, head, saved, lexical, trainer=trainer)
    return evaluate_fusion(way.test, fusion, texts=case.test_texts, metrics=METRICS)


def trained(way: Way, case: Case) -> TrainingResult:
    return AdapterTrainer(seen_share=case.seen_share).fit(way.train, start=way.start)


def learned(new: Case, old: Case, bridge: LinearAdapter, of_old: Evaluation) -> Evaluations:
    """Return the scores of what is learned from labels."""
    found = {"old + labels": of_old}
    for name, way in ways(new, old, bridge).items():
        training = trained(way, new)
        found[f"{name} + labels"] = searched(way.test, new, training.adapter)
        if name == "bridge":
            found["bridge + learned retriever"] = learned_retriever(way, new, training)
    return found


def of_old_adapter(old: Case) -> Evaluation:
    """Return the scores of the old model with an adapter."""
    adapter = trained(Way(old.train, old.test, None), old).adapter
    return searched(old.test, old, adapter)


def measured(new: Case, old: Case, of_old: Evaluation | None) -> Iterator[dict[str, Any]]:
    """Yield the record of one pair of models for each share of the documents.

    Args:
        new: The set by the new model.
        old: The set by the old model.
        of_old: Scores of the old model with an adapter; None to train nothing.
    """
    groups = usable_groups(new.test.document_groups)
    again = searched(new.test, new)
    n = len(new.test.documents)
    for share in SHARES:
        rows = np.sort(np.random.default_rng(0).permutation(n)[: round(share * n)])
        if len(rows) < MIN_TEXTS:
            continue
        record = {
            "set": new.name,
            "n_texts": len(rows),
            "n_documents": n,
            "again": again.means,
            "again_estimated": estimates(new, old, share),
        }
        try:
            bridge = fit_bridge(new.test.documents[rows], old.test.documents[rows])
        except AdapterMismatchError:
            yield {**record, "refused": True}
            continue
        scores = {"old": searched(old.test, old)} | {
            name: searched(way.test, new, way.start)
            for name, way in ways(new, old, bridge.adapter).items()
        }
        if share == 1:
            pairs = over(old.test, new.test.queries)
            scores["bridge on question pairs"] = searched(pairs, new, on_question_pairs(new, old))
        if share == 1 and of_old is not None:
            scores |= learned(new, old, bridge.adapter, of_old)
        yield {
            **record,
            "n_training": len(new.train.queries),
            "n_test": len(new.test.queries),
            "bridge": bridge.to_record(),
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


def estimates(new: Case, old: Case, share: float) -> list[float]:
    """Return the estimate of embedding again from several samples of the unlabelled documents."""
    asked = over(old.test, new.test.queries)
    others = np.setdiff1d(np.arange(len(asked.documents)), asked.labelled)
    found = []
    for seed in range(N_SAMPLES if share < 1 else 1):
        drawn = np.random.default_rng(seed).permutation(others)[: round(share * len(others))]
        rows = np.union1d(drawn, asked.labelled)
        again = Reembedding(
            rows=rows,
            vectors=new.test.documents[rows],
            metric="ndcg@10",
            similarity="cosine",
        )
        found.append(float(again.estimate(asked).mean()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("upgrade.sqlite"))
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=UNPADDED)
    parser.add_argument("--max-queries", type=int, default=2500)
    parser.add_argument("--untrained", action="store_true", help="measure what needs no training")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    by_set = cases_by_model(
        arguments.folder,
        {name: MODELS[name]() for name in arguments.models},
        sets=arguments.sets,
        max_queries=arguments.max_queries,
        cache_path=arguments.cache,
    )
    results: list[dict[str, Any]] = []
    for _, cases in by_set:
        for old, of_old in cases.items():
            adapted = None if arguments.untrained else of_old_adapter(of_old)
            for new, of_new in cases.items():
                if old == new:
                    continue
                for record in measured(of_new, of_old, adapted):
                    results.append({"old": old, "new": new, **record})
                    show(results[-1])
                write_results(arguments.results, {"rows": results})


def show(record: dict[str, Any]) -> None:
    pair = f"{record['set']} {record['new']} -> {record['old']} {record['n_texts']}"
    if "refused" in record:
        return print(pair, "refused", flush=True)
    rows = record["candidates"].items()
    means = ", ".join(f"{name} {100 * row['ndcg@10']['mean']:.1f}" for name, row in rows)
    again = 100 * record["again"]["ndcg@10"]
    estimated = " ".join(f"{100 * one:.1f}" for one in record["again_estimated"])
    print(f"{pair}: {means}, again {again:.1f}, estimated {estimated}", flush=True)


if __name__ == "__main__":
    main()
