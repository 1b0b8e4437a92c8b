"""Measure a gradual migration: an old index behind a bridge, and a new one that fills.

    python examples/benchmarks/migration.py <folder with BEIR data sets> --cache vectors.sqlite

Every ordered pair of the models is measured on every set. Documents migrate in random order, and in
the order that the retriever advises, which knows the training questions. All scores are nDCG@10 on
the test questions, over all documents. Every result is compared with a ranking of all documents.
"""

import argparse
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from quality_cases import Case, cases_by_model
from quality_models import MODELS, UNPADDED

from query_adapters.adapters import QueryAdapter
from query_adapters.adapters.storage import SavedAdapter
from query_adapters.errors import AdapterMismatchError
from query_adapters.evaluation.judging import judge_rows
from query_adapters.evaluation.metrics import ndcg
from query_adapters.fusion.similarities import similarities
from query_adapters.stores import LiveIndex, MappingSource
from query_adapters.typing import Rows, Values
from query_adapters.upgrade.bridge import fit_bridge
from query_adapters.upgrade.migration.sample import MigrationSample
from query_adapters.upgrade.migration.scale import CommonScale
from query_adapters.upgrade.migration.serving import ServedMigration

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from results_file import write_results

RESULTS = Path(__file__).with_name("results") / "migration.json"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
K = 10


@dataclass(eq=False)
class Migration:
    """Two indexes in memory, with exact searches of both.

    Attributes:
        new: The set by the new model.
        old: The set by the old model.
        bridge: The map from the new model's vectors to the old documents' space.
        n_test: The most test questions to ask.
        added: Documents of the new index, with their vectors.
        wrong: Questions whose result had a document twice, or was not that of all documents.
    """

    new: Case
    old: Case
    bridge: QueryAdapter
    n_test: int
    added: dict[str, Any] = field(default_factory=dict)
    wrong: int = 0

    def __post_init__(self) -> None:
        test = self.new.test
        self.ids = list(self.new.test_texts.corpus)
        self.row_of = {key: row for row, key in enumerate(self.ids)}
        n = len(test.queries)
        self.asked = np.sort(np.random.default_rng(0).permutation(n)[: self.n_test])
        self.queries = test.queries[self.asked]
        self.of_new = similarities(self.queries, test.documents, "cosine")
        self.of_old = similarities(self.bridge(self.queries), self.old.test.documents, "cosine")

    @cached_property
    def served(self) -> ServedMigration:
        documents = self.new.test.documents, self.old.test.documents
        sample = MigrationSample.of(self.ids, *documents, questions=self.new.train_texts, seed=0)
        stored = dict(zip(self.ids, self.old.test.documents, strict=True))
        indexes = [
            LiveIndex(name=name, source=MappingSource(vectors), texts=dict, hint=str)
            for name, vectors in (("old", stored), ("new", self.added))
        ]
        return ServedMigration(
            sample.saved_with(SavedAdapter(adapter=self.bridge)),
            old=lambda: indexes[0],
            new=lambda: indexes[1],
            model_name=None,
            dim=None,
        )

    def at(self, share: float, order: list[str]) -> Values:
        """Return nDCG@10 of each test question when this share of the order has migrated."""
        self.added.clear()
        keys = order[: round(share * len(order))]
        self.added |= {key: self.new.test.documents[self.row_of[key]] for key in keys}
        there = np.zeros(len(order), dtype=bool)
        there[[self.row_of[key] for key in keys]] = True
        rankings = np.stack([self._ranking(number, there) for number in range(len(self.queries))])
        relevant, grades = (
            [of_all[row] for row in self.asked]
            for of_all in (self.new.test.relevant, self.new.test.grades)
        )
        return ndcg(judge_rows(rankings, relevant, grades), K)

    def _ranking(self, number: int, there: Rows) -> Rows:
        search = self.served.search(self.queries[number], K)
        scores = self.of_old[number], np.where(there, self.of_new[number], -np.inf)
        nearest = [np.argsort(-one, kind="stable") for one in scores]
        n_new = int(there.sum())
        while search.wanted:
            found = [
                nearest[one.is_new][: min(one.k, n_new) if one.is_new else one.k]
                for one in search.wanted
            ]
            search.take([[self.ids[row] for row in rows] for rows in found])
        rows = np.array([self.row_of[hit.id] for hit in search.hits])
        self.wrong += not self._is_right(number, there, rows)
        return rows

    def _is_right(self, number: int, there: Rows, rows: Rows) -> bool:
        """Return whether the result is that of a ranking of all documents, each scored once."""
        scale = CommonScale.of(self.of_old[number], self.of_new[number])
        all_scores = np.where(there, self.of_new[number], scale(self.of_old[number]))
        best = np.sort(all_scores)[::-1][:K]
        return len(set(rows.tolist())) == K and bool(np.abs(all_scores[rows] - best).max() < 1e-5)


def measured(new: Case, old: Case, n_test: int) -> dict[str, Any] | None:
    """Return the record of one pair of models; None if the bridge is refused."""
    try:
        bridge = fit_bridge(new.test.documents, old.test.documents)
    except AdapterMismatchError:
        return None
    migration = Migration(new, old, bridge.adapter, n_test)
    n = len(migration.ids)
    shuffled = [migration.ids[row] for row in np.random.default_rng(1).permutation(n)]
    orders = {"random": shuffled, "advised": migration.served.next_to_embed(n)}
    scores = {
        name: {share: migration.at(share, order) for share in SHARES}
        for name, order in orders.items()
    }
    start, end = scores["random"][0.0], scores["random"][1.0]
    lower = min(start, end, key=lambda values: float(values.mean()))
    return {
        "n_documents": n,
        "n_test": len(migration.asked),
        "wrong": migration.wrong,
        "ndcg@10": {
            name: {str(share): _against(values, lower) for share, values in by_share.items()}
            for name, by_share in scores.items()
        },
    }


def _against(values: Values, lower: Values) -> dict[str, float]:
    """Return the mean, and its difference from the lower end with the standard error."""
    differences = values - lower
    return {
        "mean": float(values.mean()),
        "against_lower_end": float(differences.mean()),
        "error": float(differences.std(ddof=1) / np.sqrt(len(differences))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("migration.sqlite"))
    parser.add_argument("--sets", nargs="+")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=UNPADDED)
    parser.add_argument("--max-queries", type=int, default=300, help="of training, and of test")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    by_set = cases_by_model(
        arguments.folder,
        {name: MODELS[name]() for name in arguments.models},
        sets=arguments.sets,
        max_queries=arguments.max_queries,
        cache_path=arguments.cache,
    )
    for of_set, cases in by_set:
        for old in cases:
            for new in cases:
                found = None
                if old != new:
                    found = measured(cases[new], cases[old], arguments.max_queries)
                if found is not None:
                    rows.append({"set": of_set, "old": old, "new": new, **found})
                    show(rows[-1])
        write_results(arguments.results, {"rows": rows})


def show(record: dict[str, Any]) -> None:
    parts = [
        f"{name} " + " ".join(f"{100 * point['mean']:.1f}" for point in points.values())
        for name, points in record["ndcg@10"].items()
    ]
    pair = f"{record['set']} {record['new']} -> {record['old']}"
    print(f"{pair}: {', '.join(parts)}; wrong {record['wrong']}", flush=True)


if __name__ == "__main__":
    main()
