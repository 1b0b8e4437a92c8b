"""Measure `train_many`: tenants made from data sets, against a separate fit for each tenant.

FOLDER holds data sets in BEIR's layout, as for quality.py. The documents of each set are split
into tenants with about 40 training questions each. A tenant searches its own documents alone. The
test questions of a set are those of the tenants that hold their answers; nothing is chosen on
them.

    python examples/benchmarks/many.py FOLDER --sets stackfaq lyft_uber --model wordllama --jobs 2
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import cpu_count, getloadavg
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.console import Console

from query_adapters import EmbeddedDataset, QueryAdapter
from query_adapters.data.splits import connected, folds
from query_adapters.evaluation import evaluate_vectors
from query_adapters.evaluation.significance import sign_flip_test
from query_adapters.training import AdapterTrainer
from query_adapters.training.many.tenant import Tenant
from query_adapters.training.many.trainer import train_many
from query_adapters.typing import Rows, Values

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "many.json"
CACHE = Path(tempfile.gettempdir()) / "query-adapters-quality.sqlite"
METRIC = "ndcg@10"


@dataclass(frozen=True, eq=False)
class Measured:
    """A tenant with its test questions."""

    tenant: Tenant
    test: EmbeddedDataset

    def scores(self, adapter: QueryAdapter | None = None) -> Values:
        """Return the metric on each test question, by default of the base."""
        return evaluate_vectors(self.test, adapter, metrics=[METRIC]).per_query[METRIC]

    def gains(self, adapter: QueryAdapter | None) -> Values:
        """Return the gain over the base on each test question; None for the base itself."""
        return self.scores(adapter) - self.scores()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=MODELS, default="wordllama")
    parser.add_argument("--sets", nargs="+", default=["lyft_uber", "medication_qa", "stackfaq"])
    parser.add_argument("--questions", type=int, default=40, help="training questions of a tenant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=CACHE, help="file of the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    cases = read_cases(
        options.folder,
        MODELS[options.model](),
        sets=options.sets,
        max_queries=2500,
        cache_path=options.cache,
    )
    by_set = {c.name: tenants_of(c, options.questions) for c in cases if c.served is None}
    rows: list[dict[str, Any]] = []
    for name, tenants in by_set.items():
        load = getloadavg()[0]  # of other work, if it is far above 0
        rows.append({"set": name, "load_before": round(load, 1), **compared(tenants, options.jobs)})
        Console().print(rows[-1])
        results = {"model": options.model, "cores": cpu_count(), "rows": rows}
        write_results(options.results, results)


def tenants_of(case: Case, size: int) -> list[Measured]:
    """Return the set's documents as tenants with about `size` training questions each.

    Questions with a common document belong to one tenant. Documents without questions are dealt
    out at random.
    """
    train, test = case.train, case.test
    relevant = [*train.relevant, *test.relevant]
    groups = connected([int(row) for row in rows] for rows in relevant)
    n_train = len(train.queries)
    n_tenants = n_train // size
    owner = np.random.default_rng(0).integers(n_tenants, size=len(train.documents))
    tenant_of = folds(groups, n_folds=n_tenants, seed=0)
    for tenant, rows in zip(tenant_of, relevant, strict=True):
        owner[rows] = tenant
    of_train, of_test = tenant_of[:n_train], tenant_of[n_train:]
    return [
        Measured(
            Tenant(
                name=f"{case.name}-{n}",
                data=narrowed(train, owner, of_train, n),
                seen_share=case.seen_share,
            ),
            narrowed(test, owner, of_test, n),
        )
        for n in range(n_tenants)
    ]


def narrowed(data: EmbeddedDataset, owner: Rows, tenant_of: Rows, tenant: int) -> EmbeddedDataset:
    return data.select(np.flatnonzero(tenant_of == tenant)).over(np.flatnonzero(owner == tenant))


def compared(tenants: Sequence[Measured], n_jobs: int) -> dict[str, Any]:
    """Return the mean test gains of separate fits, of the shared map, and of both together."""
    trainer = AdapterTrainer(n_jobs=n_jobs)
    began = time.perf_counter()
    separate = Parallel(n_jobs=n_jobs)(delayed(fitted)(measured.tenant) for measured in tenants)
    seconds = time.perf_counter() - began
    result = train_many([measured.tenant for measured in tenants], trainer)
    print(result)
    shared = [a if result.shared.is_proven else None for a in result.shared.apart]
    systems = {
        "separate": separate,
        "shared_of_others": shared,
        "many": [tenant.adapter for tenant in result.tenants],
    }
    row: dict[str, Any] = {
        "tenants": len(tenants),
        "train_questions": [len(m.tenant.data.queries) for m in tenants],
        "test_questions": sum(len(m.test.queries) for m in tenants),
        "base": mean([m.scores().mean() for m in tenants]),
        "decisions": Counter(tenant.decision for tenant in result.tenants),
        "seconds": {"separate": round(seconds, 1), "many": round(result.elapsed_seconds, 1)},
    }
    return row | {name: outcome(tenants, adapters) for name, adapters in systems.items()}


def fitted(tenant: Tenant) -> QueryAdapter:
    """Return the adapter of a fit without the other tenants."""
    return AdapterTrainer(seen_share=tenant.seen_share, n_jobs=1).fit(tenant.data).adapter


def outcome(tenants: Sequence[Measured], adapters: Sequence[QueryAdapter | None]) -> dict[str, Any]:
    """Return the mean gain over tenants, and how many lose: at all, and more than by chance."""
    gains = [m.gains(adapter) for m, adapter in zip(tenants, adapters, strict=True)]
    p_of_loss = [sign_flip_test(-g[:, None, None]).greater[0, 0] for g in gains if g.any()]
    return {
        "gain": mean([g.mean() for g in gains]),
        "changed": sum(bool(g.any()) for g in gains),
        "lose": sum(bool(g.mean() < 0) for g in gains),
        "lose_significantly": sum(bool(p <= 0.05) for p in p_of_loss),
        "by_tenant": [round(float(g.mean()), 4) for g in gains],
    }


def mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 4)


if __name__ == "__main__":
    main()
