"""Measure the learned retriever beside the base, the adapter and the default hybrids.

On each data set of quality.py, an adapter and a scoring head are trained with default settings.
On the test questions, the script compares the base model, the adapter, BM25 alone, LlamaIndex's
`QueryFusionRetriever` over the base and BM25 in two of its modes (reciprocal rank fusion and
relative scores, one half each), and the learned retriever. It prints and saves nDCG@10 x 100 with
the 95 % interval of the paired difference from the base (bootstrap over questions).

    python examples/benchmarks/quality_retriever.py FOLDER --model minilm --seeds 3
    python examples/benchmarks/quality_retriever.py FOLDER --shuffled 10

`--shuffled` trains on randomly permuted labels instead, where the correct decision is to keep the
base. `--questions N` trains on N random questions. It needs the extras `hybrid` and `llama-index`.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from quality import CACHE, METRIC, times_100
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.console import Console
from rich.table import Table

from query_adapters.arrays import unit
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.evaluate import Evaluation, evaluate_run
from query_adapters.evaluation.pairwise import compare
from query_adapters.finetuning.hybrid import LexicalScores, SearchedQuestions, lexical_index
from query_adapters.fusion import FusionModel, evaluate_fusion
from query_adapters.fusion.training import FusionTrainer, FusionTraining
from query_adapters.lexical import LexicalIndex
from query_adapters.training import AdapterTrainer, TrainingResult

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "quality_retriever.json"
DEPTH = 100  # documents that each retriever contributes
TOP = 10
WIDTH = 3.92  # of a 95 % interval, in standard errors
MODES = {"reciprocal rank fusion": "reciprocal_rerank", "relative scores": "relative_score"}
console = Console(highlight=False, width=140)


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained adapter and scoring head.

    Attributes:
        adapted: The adapter.
        head: The scoring head.
    """

    adapted: TrainingResult
    head: FusionTraining


class Ranked(BaseRetriever):
    """Returns a ranking that is known already, as a LlamaIndex retriever."""

    def __init__(self, rankings: Sequence[Sequence[tuple[str, float]]]) -> None:
        self._rankings = rankings
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._rankings[int(query_bundle.query_str)]
        return [NodeWithScore(node=TextNode(id_=key, text=key), score=s) for key, s in found]


@dataclass(frozen=True, eq=False)
class Searcher:
    """The test questions of a case, searched in several ways.

    Attributes:
        case: The data set.
    """

    case: Case

    @cached_property
    def lexical(self) -> LexicalIndex:
        """Exact words of the documents that test questions search."""
        return index_of(self.case.test_texts.corpus)

    @cached_property
    def ids(self) -> list[str]:
        return list(self.case.test_texts.corpus)

    def evaluation(self, rankings: Sequence[Sequence[str]]) -> Evaluation:
        run = dict(zip(self.case.test_texts.queries, rankings, strict=True))
        qrels = {query: self.case.test_texts.qrels[query] for query in run}
        return evaluate_run(run, qrels, metrics=[METRIC])

    @cached_property
    def of_base(self) -> list[list[tuple[str, float]]]:
        """The nearest documents of each question with their cosines, best first."""
        return list(self.nearest())

    def nearest(self) -> Iterator[list[tuple[str, float]]]:
        documents = unit(self.case.test.documents)
        for query in unit(self.case.test.queries):
            scores = documents @ query
            rows = np.argsort(-scores, kind="stable")[:DEPTH]
            yield [(self.ids[row], float(scores[row])) for row in rows]

    @cached_property
    def of_words(self) -> list[list[tuple[str, float]]]:
        matches = map(self.lexical.match, self.case.test_texts.queries.values())
        return [list(zip(*(list(part) for part in m.top(DEPTH)), strict=True)) for m in matches]

    def fused(self, mode: str) -> Evaluation:
        """Return the evaluation of LlamaIndex's fusion of base and BM25."""
        return self.evaluation(fused_by_llama_index([self.of_base, self.of_words], mode))

    def learned(self, learned: Learned) -> Evaluation:
        """Return the evaluation of the learned retriever."""
        case = self.case
        model = FusionModel(
            adapter=learned.adapted.adapter,
            head=learned.head.head,
            queries=case.train.queries,
            answers=answers_of(case),
            lexical=self.lexical,
        )
        return evaluate_fusion(case.test, model, texts=case.test_texts, metrics=[METRIC])


def fused_by_llama_index(
    rankings: Sequence[Sequence[Sequence[tuple[str, float]]]], mode: str
) -> list[list[str]]:
    """Return the best ids of each question by LlamaIndex's fusion of several rankings."""
    fusion = QueryFusionRetriever(
        list(map(Ranked, rankings)),
        llm=MockLLM(),
        mode=mode,
        similarity_top_k=TOP,
        num_queries=1,
        use_async=False,
    )
    numbers = map(str, range(len(rankings[0])))
    return [[found.node.node_id for found in fusion.retrieve(number)] for number in numbers]


def index_of(corpus: Any) -> LexicalIndex:
    return lexical_index([(list(corpus), list(corpus.values()))])


def answers_of(case: Case) -> tuple[tuple[str, ...], ...]:
    """Return the ids of each training question's relevant documents."""
    ids = list(case.train_texts.corpus)
    return tuple(tuple(ids[row] for row in rows) for rows in case.train.relevant)


def trained(case: Case, seed: int) -> Learned:
    """Return the adapter and the scoring head, trained with default settings."""
    trainer = AdapterTrainer(seed=seed, seen_share=case.seen_share)
    adapted = trainer.fit(case.train, served=case.served)
    texts = case.train_texts
    searched = SearchedQuestions(
        embedded=case.train, questions=list(texts.queries.values()), ids=list(texts.corpus)
    )
    scores = LexicalScores(index=index_of(texts.corpus), searched=searched)
    return Learned(adapted, FusionTrainer(trainer=trainer).fit(case.train, adapted, lexical=scores))


def decisions(learned: Learned) -> dict[str, Any]:
    head = learned.head
    return {
        "adapter_kept": learned.adapted.chosen is not None,
        "adapter_p_value": learned.adapted.p_value,
        "head_kept": not head.head.is_zero,
        "head_p_value": head.p_value,
        "weights": {name: round(weight, 4) for name, weight in head.head.by_name.items()},
        "seconds": [round(learned.adapted.elapsed_seconds, 1), round(head.elapsed_seconds, 1)],
    }


def rows_of(case: Case, learned: Learned, *, full: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield the name and the comparison with the base of each system."""
    searcher = Searcher(case)
    base = evaluate_vectors(case.test, metrics=[METRIC])
    adapted = evaluate_vectors(case.test, learned.adapted.adapter, metrics=[METRIC])
    systems = {
        "adapter": adapted.per_query,
        "learned retriever": searcher.learned(learned).per_query,
    }
    if full:
        words = [[key for key, _ in found[:TOP]] for found in searcher.of_words]
        systems["BM25 alone"] = searcher.evaluation(words).per_query
        systems |= {name: searcher.fused(mode).per_query for name, mode in MODES.items()}
    for name, scores in systems.items():
        yield name, times_100(compare(base, replace(base, per_query=scores))[METRIC])


def subset(case: Case, rows: Sequence[int]) -> Case:
    """Return the case with these training questions."""
    texts = case.train_texts
    ids = list(texts.queries)
    train_texts = texts.select([ids[row] for row in rows])
    train = case.train.select(np.asarray(rows))
    return replace(case, train=train, train_texts=replace(train_texts, corpus=texts.corpus))


def shuffled(case: Case, seed: int) -> Case:
    """Return the case with labels permuted over the training questions."""
    order = np.random.default_rng(seed).permutation(len(case.train.queries))
    relevant, grades = case.train.relevant, case.train.grades
    noise = replace(
        case.train,
        relevant=tuple(relevant[row] for row in order),
        grades=tuple(grades[row] for row in order),
    )
    return replace(case, train=noise)


def measured(case: Case, seed: int, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each system, or one for decisions on permuted labels."""
    if options.questions is not None and options.questions < len(case.train.queries):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(case.train.queries), options.questions, replace=False)
        case = subset(case, sorted(rows.tolist()))
    about = {"set": case.name, "seed": seed, "questions": len(case.train.queries)}
    if options.shuffled:
        yield {**about, "labels": "shuffled", **decisions(trained(shuffled(case, seed), seed))}
        return
    learned = trained(case, seed)
    for name, comparison in rows_of(case, learned, full=seed == 0 and options.questions is None):
        extra = decisions(learned) if name == "learned retriever" else {}
        yield {**about, "system": name, "test": comparison, **extra}


def show(rows: Sequence[dict[str, Any]]) -> None:
    table = Table("set", "seed", "system", "base", "difference", "weights", box=None)
    for row in rows:
        if "test" not in row:
            kept = not row["adapter_kept"] and not row["head_kept"]
            table.add_row(row["set"], str(row["seed"]), "shuffled", "", f"base kept: {kept}", "")
            continue
        gain, base = row["test"]["difference"], row["test"]["base"]
        text = f"{gain['mean']:+.1f} [{gain['low']:+.1f}, {gain['high']:+.1f}]"
        weights = {k: v for k, v in row.get("weights", {}).items() if v}
        table.add_row(
            row["set"], str(row["seed"]), row["system"], f"{base['mean']:.1f}", text,
            " ".join(f"{k} {v:.2f}" for k, v in weights.items()),
        )  # fmt: skip
    console.print(table)


def show_draws(rows: Sequence[dict[str, Any]]) -> None:
    """Print, by set and system, the mean over samples, how many kept something, and the losses."""
    table = Table("set", "system", "samples", "mean", "kept", "below the base", box=None)
    for name, system in dict.fromkeys((row["set"], row["system"]) for row in rows):
        gains = [
            row["test"]["difference"]
            for row in rows
            if (row["set"], row["system"]) == (name, system)
        ]
        means = np.array([gain["mean"] for gain in gains])
        errors = [(gain["high"] - gain["low"]) / WIDTH for gain in gains]
        counts = ((means != 0).sum(), (means < -np.array(errors)).sum())
        table.add_row(
            name, system, str(len(means)), f"{means.mean():+.1f}", *(str(n) for n in counts)
        )
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--model", choices=MODELS, default="minilm", help="embedding model")
    parser.add_argument("--sets", nargs="+", help="names of data sets (default: all)")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds")
    parser.add_argument("--shuffled", type=int, default=0, help="runs on permuted labels instead")
    parser.add_argument("--questions", type=int, help="train on so many random questions")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that caches the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()
    reading = {"sets": options.sets, "max_queries": 2_500, "cache_path": options.cache}
    cases = list(read_cases(options.folder, MODELS[options.model](), **reading))
    rows: list[dict[str, Any]] = []
    for seed in range(options.shuffled or options.seeds):
        for case in cases:
            rows.extend(measured(case, seed, options))
            write_results(options.results, {"model": options.model, "rows": rows})
            console.print(case.name, seed)
    if options.questions is None:
        show(rows)
    else:
        show_draws(rows)


if __name__ == "__main__":
    main()
