"""Measure what a smaller form of the stored vectors costs, and what an adapter recovers.

FOLDER holds data sets in BEIR's layout. Documents are kept as they are, as the first half of their
numbers, as int8 (255 steps in the range of each number), and as bits. Bits are searched by Hamming
distance, and by Hamming distance with the nearest `--candidates` scored again by the query's own
numbers. For each form, the table shows nDCG@10 x 100 on the test questions of the base, of an
adapter trained on the form that is searched ("adapted"), and of one trained on the vectors as they
are ("trained on float32"), with the 95 % interval of the difference from the base.

    python examples/benchmarks/quantised.py FOLDER --models wordllama minilm
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from quality import CACHE, METRIC, chosen_record, times_100
from quality_cases import Case, read_cases
from quality_models import MODELS

from query_adapters import EmbeddedDataset
from query_adapters.adapters import QueryAdapter
from query_adapters.arrays import unit
from query_adapters.embedders.prepared import shortened_to
from query_adapters.evaluation import Evaluation
from query_adapters.evaluation.judging import judge_rows
from query_adapters.evaluation.metrics import parse_metrics
from query_adapters.evaluation.pairwise import compare
from query_adapters.evaluation.search import exact_search
from query_adapters.stores import StoredForm
from query_adapters.training import AdapterTrainer
from query_adapters.typing import Rows, Vectors

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "quantised.json"
SETS = ("lyft_uber", "stackfaq", "scifact")
CASES = ("scifact", "stackfaq", "lyft, serving uber")
Search = Callable[[Vectors, Vectors, int], Rows]
K = 10


def by_cosine(queries: Vectors, documents: Vectors, candidates: int) -> Rows:
    return exact_search(queries, documents, k=K)


def by_hamming(queries: Vectors, documents: Vectors, candidates: int) -> Rows:
    return exact_search(signs(queries), documents, k=K)


def by_hamming_rescored(queries: Vectors, documents: Vectors, candidates: int) -> Rows:
    near = exact_search(signs(queries), documents, k=candidates)
    scores = np.einsum("qd,qcd->qc", queries, documents[near])
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return np.take_along_axis(near, best, axis=1)


def signs(vectors: Vectors) -> Vectors:
    return np.where(vectors > 0, 1, -1).astype(np.float32)


def forms(case: Case) -> Iterator[tuple[str, Case, tuple[tuple[str, Search], ...]]]:
    """Yield each form of the documents with the ways to search it."""
    dim = case.train.documents.shape[1]
    int8 = StoredForm.calibrated(unit(case.train.documents))
    bits = StoredForm(precision="ubinary")
    yield "float32", case, (("cosine", by_cosine),)
    yield "half", halved(case, dim // 2), (("cosine", by_cosine),)
    yield "int8", kept(case, int8), (("cosine", by_cosine),)
    yield "bits", kept(case, bits), (("Hamming", by_hamming), ("rescored", by_hamming_rescored))


def kept(case: Case, form: StoredForm) -> Case:
    def documents(vectors: Vectors) -> Vectors:
        return form.restored(form.stored(unit(vectors)))

    return changed(case, documents, lambda queries: queries)


def halved(case: Case, dim: int) -> Case:
    def shorter(vectors: Vectors) -> Vectors:
        return shortened_to(dim, vectors)

    return changed(case, shorter, shorter)


def changed(
    case: Case, documents: Callable[[Vectors], Vectors], queries: Callable[[Vectors], Vectors]
) -> Case:
    def of(dataset: EmbeddedDataset) -> EmbeddedDataset:
        return replace(
            dataset, documents=documents(dataset.documents), queries=queries(dataset.queries)
        )

    served = None if case.served is None else documents(case.served)
    return replace(case, train=of(case.train), test=of(case.test), served=served)


def evaluated(
    case: Case, adapter: QueryAdapter | None, search: Search, candidates: int
) -> Evaluation:
    queries = case.test.queries if adapter is None else adapter(case.test.queries)
    ranking = search(queries, case.test.documents, candidates)
    judged = judge_rows(ranking, case.test.relevant, case.test.grades)
    return Evaluation(
        {str(metric): np.asarray(metric(judged)) for metric in parse_metrics([METRIC])}
    )


def trained(case: Case) -> tuple[QueryAdapter, dict[str, Any]]:
    began = time.perf_counter()
    result = AdapterTrainer(seed=0, seen_share=case.seen_share).fit(case.train, served=case.served)
    seconds = round(time.perf_counter() - began, 1)
    return result.adapter, {**chosen_record(result.chosen), "seconds": seconds}


def measured(case: Case, candidates: int) -> Iterator[dict[str, Any]]:
    on_float: QueryAdapter | None = None
    for form, kept_case, searches in forms(case):
        adapter, chosen = trained(kept_case)
        on_float = on_float or adapter
        for name, search in searches:
            base = evaluated(kept_case, None, search, candidates)
            row = {
                "set": case.name,
                "form": form,
                "search": name,
                "dim": kept_case.test.documents.shape[1],
                "adapted": difference(base, evaluated(kept_case, adapter, search, candidates)),
                **chosen,
            }
            if form != "half":  # an adapter of whole vectors does not fit
                other = evaluated(kept_case, on_float, search, candidates)
                row["trained_on_float32"] = difference(base, other)
            yield row


def difference(base: Evaluation, adapted: Evaluation) -> dict[str, Any]:
    return times_100(compare(base, adapted)[METRIC])


def shown(row: dict[str, Any]) -> str:
    told = f"{row['model']:10} {row['set']:20} {row['form']:8} {row['search']:9}"
    told += f" base {row['adapted']['base']['mean']:5.1f}"
    for name in ("adapted", "trained_on_float32"):
        if name in row:
            found = row[name]["difference"]
            told += f"  {found['mean']:+.1f} [{found['low']:+.1f}, {found['high']:+.1f}]"
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["wordllama", "minilm"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--candidates", type=int, default=40, help="nearest by Hamming distance")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that caches the vectors")
    options = parser.parse_args()

    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    what = f"{METRIC} x 100 on the test questions, by form of the stored documents"
    for name, data in product(options.models, options.sets):
        model = MODELS[name]()
        reading: dict[str, Any] = {"sets": [data], "max_queries": 2_500}
        for case in read_cases(options.folder, model, cache_path=options.cache, **reading):
            if case.name not in CASES:
                continue
            rows = [
                row for row in rows if (row["model"], row["set"]) != (model.model_name, case.name)
            ]
            for row in measured(case, options.candidates):
                rows.append({"model": model.model_name, **row})
                print(shown(rows[-1]), flush=True)
                kept_rows = {"what": what, "candidates": options.candidates, "rows": rows}
                write_results(RESULTS, kept_rows)


if __name__ == "__main__":
    main()
