"""Measure learned weights of retrievers against fixed ones.

On each data set of quality.py, the base model's retriever, BM25 and, with `--second`, the retriever
of another model return their 50 best documents. Weights are learned on the training questions. On
the test questions, the script compares the base, BM25 alone, LlamaIndex's `QueryFusionRetriever`
over all of them in two of its modes, and the learned weights. It prints and saves nDCG@10 x 100
with the 95 % interval of the paired difference from the base (bootstrap over questions).

    python examples/benchmarks/retriever_weights.py FOLDER --model minilm --second wordllama
    python examples/benchmarks/retriever_weights.py FOLDER --model wordllama --shuffled 10

`--shuffled` trains on randomly permuted labels instead, where the correct decision is to keep the
base. With `--ranks`, weights are learned from ranks alone, as of retrievers without scores. It
needs the extras `hybrid` and `llama-index`.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from quality import CACHE, METRIC, times_100
from quality_cases import Case, read_cases
from quality_models import MODELS
from quality_retriever import MODES, TOP, Searcher, console, fused_by_llama_index
from rich.table import Table

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.evaluation.pairwise import compare
from query_adapters.fusion.retrievers import RetrievedList, RetrieverWeights
from query_adapters.fusion.retrievers.questions import AskedQuestions
from query_adapters.fusion.retrievers.training import FusionWeightsResult, learn_weights

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "retriever_weights.json"
DEPTH = 50  # documents that each retriever returns
Found = list[list[tuple[str, float]]]
"""Documents with their scores, best first, for each question."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrieved:
    """What every retriever returned for the questions of one part of a data set.

    Attributes:
        texts: The questions.
        found: By name of the retriever, the base first.
        with_scores: Whether the weights use scores, or ranks alone.
    """

    texts: RetrievalDataset
    found: dict[str, Found]
    with_scores: bool

    @cached_property
    def lists(self) -> list[list[RetrievedList]]:
        return [[self._list(one) for one in found] for found in self.found.values()]

    def _list(self, found: Sequence[tuple[str, float]]) -> RetrievedList:
        scores = [score for _, score in found] if self.with_scores else None
        return RetrievedList([key for key, _ in found], scores)


def retrieved(cases: dict[str, Case], part: str, *, with_scores: bool) -> Retrieved:
    """Return what the retriever of each model and BM25 return for the questions of a part."""
    found: dict[str, Found] = {}
    for name, case in cases.items():
        if part == "train":
            case = replace(case, test=case.train, test_texts=case.train_texts)
        searcher = Searcher(case)
        found[name] = [one[:DEPTH] for one in searcher.of_base]
    return Retrieved(
        texts=searcher.case.test_texts,
        found={**found, "bm25": [one[:DEPTH] for one in searcher.of_words]},
        with_scores=with_scores,
    )


def learned(training: Retrieved, texts: RetrievalDataset) -> FusionWeightsResult:
    asked = AskedQuestions(dataset=texts, names=tuple(training.found), lists=training.lists)
    return learn_weights(asked)


def weighed(test: Retrieved, weights: RetrieverWeights) -> list[list[str]]:
    """Return the best ids of each question by the weights."""
    lists = [test.lists[place] for place in weights.asked]
    return [
        [key for key, _ in weights.ranked(of_question)[:TOP]]
        for of_question in zip(*lists, strict=True)
    ]


def shuffled(texts: RetrievalDataset, seed: int) -> RetrievalDataset:
    """Return the questions with permuted labels."""
    queries = list(texts.queries)
    order = np.random.default_rng(seed).permutation(len(queries))
    dealt = {
        query: texts.qrels[queries[row]] for query, row in zip(queries, order.tolist(), strict=True)
    }
    return RetrievalDataset(texts.queries, texts.corpus, dealt)


def measured(cases: dict[str, Case], *, with_scores: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each system."""
    case = next(iter(cases.values()))
    training, test = (retrieved(cases, part, with_scores=with_scores) for part in ("train", "test"))
    result = learned(training, training.texts)
    searcher = Searcher(case)

    def evaluation(rankings: Sequence[Sequence[str]]) -> Evaluation:
        return searcher.evaluation(rankings)

    alone = {
        name: evaluation([[key for key, _ in one[:TOP]] for one in found])
        for name, found in test.found.items()
    }
    base = next(iter(alone.values()))
    systems = {f"{name} alone": one for name, one in list(alone.items())[1:]}
    rankings = list(test.found.values())
    systems |= {
        name: evaluation(fused_by_llama_index(rankings, mode)) for name, mode in MODES.items()
    }
    systems["learned weights"] = evaluation(weighed(test, result.weights))
    about = {"set": case.name, "questions": len(case.train.queries), "base": next(iter(alone))}
    for name, one in systems.items():
        extra = decisions(result) if name == "learned weights" else {}
        yield {**about, "system": name, "test": times_100(compare(base, one)[METRIC]), **extra}


def decisions(result: FusionWeightsResult) -> dict[str, Any]:
    weights = {name: round(weight, 4) for name, weight in result.weights.by_name.items()}
    return {"decision": result.decision, "p_value": result.p_value, "weights": weights}


def on_noise(cases: dict[str, Case], n: int, *, with_scores: bool) -> Iterator[dict[str, Any]]:
    """Yield the decisions on permuted labels."""
    training = retrieved(cases, "train", with_scores=with_scores)
    for seed in range(n):
        result = learned(training, shuffled(training.texts, seed))
        about = {"set": next(iter(cases.values())).name, "seed": seed, "labels": "shuffled"}
        yield {**about, **decisions(result)}


def show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("set", "system", "base", "difference", "weights", box=None)
    for row in rows:
        weights = " ".join(f"{k} {v:.2f}" for k, v in row.get("weights", {}).items())
        if "test" not in row:
            table.add_row(row["set"], f"shuffled {row['seed']}", "", row["decision"], weights)
            continue
        gain, base = row["test"]["difference"], row["test"]["base"]
        text = f"{gain['mean']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}]"
        table.add_row(row["set"], row["system"], f"{base['mean']:.1f}", text, weights)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="model of the base")
    parser.add_argument("--second", choices=MODELS, help="model of a further retriever")
    parser.add_argument("--sets", nargs="+", help="names of data sets (default: all)")
    parser.add_argument("--shuffled", type=int, default=0, help="runs on permuted labels instead")
    parser.add_argument("--ranks", action="store_true", help="learn from ranks alone")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that caches the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()
    reading = {"sets": options.sets, "max_queries": 2_500, "cache_path": options.cache}
    models = dict.fromkeys(name for name in (options.model, options.second) if name)
    read = {name: list(read_cases(options.folder, MODELS[name](), **reading)) for name in models}
    rows: list[dict[str, Any]] = []
    for place, first in enumerate(read[options.model]):
        cases = {name: listed[place] for name, listed in read.items()}
        n, with_scores = options.shuffled, not options.ranks
        rows.extend(
            on_noise(cases, n, with_scores=with_scores)
            if n
            else measured(cases, with_scores=with_scores)
        )
        write_results(options.results, {"models": list(models), "rows": rows})
        console.print(first.name)
    show(rows)


if __name__ == "__main__":
    main()
