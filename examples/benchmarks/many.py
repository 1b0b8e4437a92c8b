"""Measure `train_many`: tenants made from data sets, against a separate fit for each tenant.

FOLDER holds data sets in BEIR's layout, as for quality.py. The documents of each set are split
into tenants with about 40 training questions each. A tenant searches its own documents alone. The
test questions of a set are those of the tenants that hold their answers; nothing is chosen on
them. Where documents have more than four training questions on average, the questions are first
dealt into copies of the set: tenants of two copies may have equal documents, never equal questions.

    python examples/benchmarks/many.py FOLDER --sets stackfaq lyft_uber --model wordllama --jobs 2

With `--together`, the tenants of all sets are trained in one call:

    python examples/benchmarks/many.py FOLDER --together --tenants 200 --sets banking77_labels \
        chorus_products hint3 itafaq_it lyft_uber medication_qa scifact stackfaq
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import cpu_count, getloadavg
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from joblib import Parallel, delayed
from peak_memory import with_children
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
MOST_PER_DOCUMENT = 4  # training questions on average; with more, a tenant has few documents


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
    parser.add_argument("--together", action="store_true", help="tenants of all sets in one call")
    parser.add_argument("--tenants", type=int, help="most tenants; the largest set gives fewer")
    parser.add_argument("--cache", type=Path, default=CACHE, help="file of the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file for the results")
    options = parser.parse_args()

    cases = read_cases(
        options.folder,
        MODELS[options.model](),
        sets=options.sets,
        max_queries=2500 if options.tenants is None else options.questions * options.tenants,
        cache_path=options.cache,
    )
    by_set = {c.name: tenants_of(c, options.questions) for c in cases if c.served is None}
    if options.tenants is not None:
        largest = max(by_set.values(), key=len)
        del largest[len(largest) - sum(map(len, by_set.values())) + options.tenants :]
    runs = {name: {name: tenants} for name, tenants in by_set.items()}
    if options.together:
        runs = {"all together": by_set}
    rows: list[dict[str, Any]] = []
    for name, sets in runs.items():
        load = getloadavg()[0]  # of other work, if it is far above 0
        rows.append({"set": name, "load_before": round(load, 1), **compared(sets, options.jobs)})
        Console().print(rows[-1])
        results = {"model": options.model, "cores": cpu_count(), "rows": rows}
        write_results(options.results, results)


def tenants_of(case: Case, size: int) -> list[Measured]:
    """Return the set's documents as tenants with about `size` training questions each.

    Documents without questions are dealt out at random.
    """
    n_train, n_test = len(case.train.queries), len(case.test.queries)
    n_copies = max(1, n_train // (MOST_PER_DOCUMENT * len(case.train.documents)))
    dealt = np.random.default_rng(1)
    of_train, of_test = dealt.permutation(n_train), dealt.permutation(n_test)
    return [
        measured
        for copy in range(n_copies)
        for measured in split(
            case,
            case.train.select(np.sort(of_train[copy::n_copies])),
            case.test.select(np.sort(of_test[copy::n_copies])),
            size=size,
            name=case.name if n_copies == 1 else f"{case.name}-copy{copy}",
        )
    ]


def split(
    case: Case, train: EmbeddedDataset, test: EmbeddedDataset, *, size: int, name: str
) -> Iterator[Measured]:
    """Yield tenants; questions with a common document belong to one."""
    relevant = [*train.relevant, *test.relevant]
    groups = connected([int(row) for row in rows] for rows in relevant)
    n_train = len(train.queries)
    n_tenants = max(1, n_train // size)
    owner = np.random.default_rng(0).integers(n_tenants, size=len(train.documents))
    tenant_of = folds(groups, n_folds=n_tenants, seed=0)
    for tenant, rows in zip(tenant_of, relevant, strict=True):
        owner[rows] = tenant
    of_train, of_test = tenant_of[:n_train], tenant_of[n_train:]
    for n in range(n_tenants):
        data = narrowed(train, owner, of_train, n)
        tenant = Tenant(name=f"{name}-{n}", data=data, seen_share=case.seen_share)
        yield Measured(tenant, narrowed(test, owner, of_test, n))


def narrowed(data: EmbeddedDataset, owner: Rows, tenant_of: Rows, tenant: int) -> EmbeddedDataset:
    return data.select(np.flatnonzero(tenant_of == tenant)).over(np.flatnonzero(owner == tenant))


def compared(by_set: Mapping[str, Sequence[Measured]], n_jobs: int) -> dict[str, Any]:
    """Return the mean test gains of separate fits, of the shared map, and of both together."""
    tenants = [measured for in_set in by_set.values() for measured in in_set]
    trainer = AdapterTrainer(n_jobs=n_jobs)
    began, used = time.perf_counter(), cpu_seconds()
    separate = Parallel(n_jobs=n_jobs)(delayed(fitted)(measured.tenant) for measured in tenants)
    seconds, used_apart = time.perf_counter() - began, cpu_seconds() - used
    used = cpu_seconds()
    result = train_many([measured.tenant for measured in tenants], trainer)
    used_together = cpu_seconds() - used
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
        "cpu_seconds": {"separate": round(used_apart, 1), "many": round(used_together, 1)},
    }
    row |= {name: outcome(tenants, adapters) for name, adapters in systems.items()}
    if len(by_set) > 1:
        row["by_set"] = dict(summaries(by_set, row))
    return row


def summaries(
    by_set: Mapping[str, Sequence[Measured]], row: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each set's number of tenants and mean gains, of a row over several sets."""
    first = 0
    for name, tenants in by_set.items():
        part = slice(first, first := first + len(tenants))
        summary: dict[str, Any] = {"tenants": len(tenants)}
        summary["base"] = mean([m.scores().mean() for m in tenants])
        for system in ("separate", "shared_of_others", "many"):
            gains = row[system]["by_tenant"][part]
            summary[system] = {"gain": mean(gains), "lose": sum(gain < 0 for gain in gains)}
        yield name, summary


def cpu_seconds() -> float:
    """Return the processor time of this process and its children that are alive."""
    times = [process.cpu_times() for process in with_children(psutil.Process())]
    return float(sum(used.user + used.system for used in times))


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
