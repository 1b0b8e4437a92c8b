"""Measure tests of interleaving and of an A/B split on simulated clicks on real rankings.

FOLDER holds data sets as for quality.py. On each set, an adapter is trained on the training
questions, and mixed with the base so that the two differ by about +0.02 in nDCG@10 on the test
questions. A simulated user asks one of them, examines the list from the top, and clicks as a
cascade model says, under little noise ("navigational") or much ("informational").

    python examples/benchmarks/interleaving.py FOLDER --model wordllama

Tests are looked at after every 100 questions, up to 100,000, in 1,000 simulations of each case:
how often a difference is found where there is none, and after how many questions the better system
is. The chance of each outcome of interleaving is computed exactly, over all coins of the draft and
all clicks, and outcomes are drawn from it; users of the A/B split are drawn one by one.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import CACHE
from quality_cases import Case, read_cases
from quality_models import MODELS
from rich.console import Console
from rich.table import Table

from query_adapters import EmbeddedDataset, evaluate_vectors
from query_adapters.arrays import unit
from query_adapters.evaluation.search import exact_search
from query_adapters.experiments.arms import ARMS
from query_adapters.experiments.evidence import log_evidence
from query_adapters.experiments.interleaving import draft, interleaved
from query_adapters.training import AdapterTrainer

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "interleaving.json"
METRIC, K = "ndcg@10", 10
ALPHA, EVERY, MOST = 0.05, 100, 100_000
Floats = NDArray[np.float64]
Rankings = list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """A cascade click model with binary relevance; of each pair, the first is for relevant ones.

    Source: Hofmann, Schuth, Whiteson, de Rijke, Reusing Historical Interaction Data for Faster
        Online Learning to Rank for IR (2013), the click models "navigational" and "informational".
    """

    click: tuple[float, float]
    stop: tuple[float, float]

    def of(self, relevant: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Return the chances of a click and of stopping after it at each rank."""
        click, stop = (np.where(relevant, *pair) for pair in (self.click, self.stop))
        return click, stop


NOISE = {
    "navigational": Clicks(click=(0.95, 0.05), stop=(0.9, 0.2)),
    "informational": Clicks(click=(0.9, 0.4), stop=(0.5, 0.1)),
}
AB_VALUES: dict[str, Callable[[Floats], Floats]] = {  # of the rank of the first click, from 1
    "reciprocal rank of the first click": lambda rank: 1 / rank,
    "a click on the first": lambda rank: (rank == 1).astype(float),
    "a click on the first three": lambda rank: (rank <= 3).astype(float),
    "a click": lambda rank: np.isfinite(rank).astype(float),
}


@dataclass(frozen=True, kw_only=True)
class Systems:
    """Two rankings of each test question, and the ids of its relevant documents."""

    base: Rankings
    better: Rankings
    relevant: list[set[str]]
    gain: float


def mixed(test: EmbeddedDataset, adapted: Floats, share: float) -> EmbeddedDataset:
    queries = (1 - share) * unit(test.queries) + share * unit(adapted)
    return replace(test, queries=queries.astype(np.float32))


def systems_of(case: Case, gain: float) -> Systems:
    """Return the base, and a mixture with a trained adapter whose nDCG@10 is higher by `gain`."""
    trained = AdapterTrainer(seed=0, seen_share=case.seen_share).fit(case.train, served=case.served)
    adapted = trained.adapter(case.test.queries)
    mixtures = [mixed(case.test, adapted, share) for share in np.linspace(0, 1, 101)]
    means = [evaluate_vectors(one, metrics=[METRIC]).means[METRIC] for one in mixtures]
    nearest = int(np.argmin([abs(mean - means[0] - gain) for mean in means]))
    return Systems(
        base=rankings_of(mixtures[0]),
        better=rankings_of(mixtures[nearest]),
        relevant=[{str(row) for row in rows} for rows in case.test.relevant],
        gain=means[nearest] - means[0],
    )


def rankings_of(dataset: EmbeddedDataset) -> Rankings:
    rows = exact_search(dataset.queries, dataset.documents, k=K)
    return [[str(row) for row in ranking] for ranking in rows]


def lists_of(systems: Systems) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield the list of each question under all coins of its five rounds, with relevant ids."""
    for base, better, relevant in zip(systems.base, systems.better, systems.relevant, strict=True):
        for coins in product((False, True), repeat=K // 2):
            yield dict(interleaved(base, better, K, coins).teams), relevant


def equal_lists_of(systems: Systems) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield the same for the base against itself, with a team for every document."""
    for base, relevant in zip(systems.base, systems.relevant, strict=True):
        for coins in product((False, True), repeat=K // 2):
            yield dict(draft([base, base], K, coins)), relevant


def outcome_chances(lists: Iterator[tuple[dict[str, Any], set[str]]], clicks: Clicks) -> Floats:
    """Return the chances of the outcomes -1, 0 and 1 of a random question and random coins."""
    found = list(lists)
    sign = {None: 0, ARMS[0]: -1, ARMS[1]: 1}
    teams = np.array([[sign[team] for team in shown.values()] for shown, _ in found])
    relevant = np.array([[key in good for key in shown] for shown, good in found])
    click, stop = clicks.of(relevant)
    going = np.zeros((len(found), 2 * K + 1))  # chance to go on, by difference of clicks so far
    going[:, K] = 1.0
    ended = np.zeros_like(going)
    for rank in range(K):
        clicked = going * click[:, [rank]]
        moved = np.zeros_like(going)
        for step in (-1, 0, 1):
            rows = teams[:, rank] == step
            moved[rows] = np.roll(clicked[rows], step, axis=1)
        ended += moved * stop[:, [rank]]
        going = going - clicked + moved * (1 - stop[:, [rank]])
    final = (ended + going).mean(axis=0)
    return np.array([final[:K].sum(), final[K], final[K + 1 :].sum()])


def first_click_chances(rankings: Rankings, systems: Systems, clicks: Clicks) -> Floats:
    """Return the chances that the first click is on rank 1, 2, ..., or nowhere, `(K + 1,)`."""
    pairs = zip(rankings, systems.relevant, strict=True)
    relevant = np.array([[key in good for key in ranking] for ranking, good in pairs])
    click, _ = clicks.of(relevant)
    before = np.cumprod(np.hstack([np.ones((len(click), 1)), 1 - click]), axis=1)
    return np.hstack([before[:, :-1] * click, before[:, -1:]]).mean(axis=0)


def first_below(log_p: Floats) -> NDArray[np.int64]:
    """Return the look, from 1, at which each row's p value is first ALPHA or less; 0 for never."""
    below = log_p <= log(ALPHA)
    return np.where(below.any(axis=1), below.argmax(axis=1) + 1, 0)


def interleaving_runs(
    chances: Floats, simulations: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the look at which each simulation decides, and whether for the challenger."""
    looks, better = [], []
    for _ in range(0, simulations, 50):
        drawn = rng.multinomial(EVERY, chances, size=(50, MOST // EVERY)).cumsum(axis=1)
        total, squares = drawn[..., 2] - drawn[..., 0], drawn[..., 0] + drawn[..., 2]
        evidence = np.stack([log_evidence(sign * total, squares) for sign in (1, -1)])
        looks.append(first_below(log(2) - evidence.max(axis=0)))
        at = np.maximum(looks[-1] - 1, 0)
        better.append(total[np.arange(50), at] > 0)
    return np.concatenate(looks), np.concatenate(better)


def split_runs(
    chances: Sequence[Floats], values: Floats, simulations: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the same for an A/B split in halves, as SplitTest computes it."""
    both = np.concatenate([0.5 * one for one in chances])
    edges = np.cumsum(both)[:-1] / both.sum()
    looks, better = np.zeros(simulations, np.int64), np.zeros(simulations, bool)
    at = np.arange(EVERY - 1, MOST, EVERY)
    for run in range(simulations):
        drawn = np.searchsorted(edges, rng.random(MOST), side="right")
        value = np.concatenate([values, values])[drawn]
        before = (0.5 + np.cumsum(value) - value) / np.arange(1, MOST + 1)
        outcomes = np.where(drawn >= len(values), 1.0, -1.0) * (value - before)
        total, squares = np.cumsum(outcomes)[at], np.cumsum(outcomes**2)[at]
        evidence = np.maximum(log_evidence(total, squares), log_evidence(-total, squares))
        looks[run] = first_below(log(2) - evidence[None])[0]
        better[run] = total[max(looks[run] - 1, 0)] > 0
    return looks, better


def fixed_size(mean: float, variance: float) -> int:
    """Return the number of outcomes for a power of 80 % in one look at a z test, alpha 0.05."""
    return ceil((1.960 + 0.842) ** 2 * variance / mean**2)


def summary(looks: NDArray[np.int64], better: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how often a difference was found, and after how many questions."""
    found = looks > 0
    questions = np.where(found, looks * EVERY, MOST + 1)
    row = {"found": float(found.mean()), "for_the_worse": float((found & ~better).mean())}
    for name, share in (("median", 0.5), ("90 %", 0.9)):
        at = int(np.quantile(questions, share, method="higher"))
        row[name] = at if at <= MOST else None
    return row


def measured(
    name: str, systems: Systems, noise: str, simulations: int, seed: int
) -> dict[str, Any]:
    """Return false positives and numbers of questions of both tests under one kind of noise."""
    rng, clicks = np.random.default_rng(seed), NOISE[noise]
    chances = outcome_chances(lists_of(systems), clicks)
    equal = outcome_chances(equal_lists_of(systems), clicks)
    swapped = (chances + chances[::-1]) / 2  # which system is the challenger is a coin
    rank = np.append(np.arange(1.0, K + 1), np.inf)
    firsts = [first_click_chances(one, systems, clicks) for one in (systems.base, systems.better)]
    sizes = {key: split_size(firsts, value(rank)) for key, value in AB_VALUES.items()}
    chosen = min(sizes, key=lambda key: sizes[key])
    value = AB_VALUES[chosen](rank)
    preference = float(chances[2] - chances[0])
    variance = float(chances[0] + chances[2]) - preference**2
    return {
        "set": name,
        "noise": noise,
        "questions": len(systems.base),
        "gain": round(systems.gain, 4),
        "outcomes": chances.round(5).tolist(),
        "false positives": {
            "interleaving, equal rankings": summary(*interleaving_runs(equal, simulations, rng)),
            "interleaving, swapped systems": summary(*interleaving_runs(swapped, simulations, rng)),
            "A/B": summary(*split_runs([firsts[0]] * 2, value, simulations, rng)),
        },
        "detection": {
            "interleaving": {
                **summary(*interleaving_runs(chances, simulations, rng)),
                "fixed size": fixed_size(preference, variance),
            },
            "A/B": {
                **summary(*split_runs(firsts, value, simulations, rng)),
                "fixed size": sizes[chosen],
                "value": chosen,
            },
        },
    }


def split_size(firsts: Sequence[Floats], values: Floats) -> int:
    """Return the number of questions of an A/B split in halves for a power of 80 %."""
    means = [float(one @ values) for one in firsts]
    spread = [float(one @ values**2) - mean**2 for one, mean in zip(firsts, means, strict=True)]
    return fixed_size(means[1] - means[0], 2 * sum(spread))


def shown(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table of the README."""
    columns = ("set", "noise", "gain", "false positives", "interleaving", "A/B", "A/B by")
    table = Table(*columns, box=None)
    for row in rows:
        errors = " / ".join(f"{one['found']:.1%}" for one in row["false positives"].values())
        counts = [
            f"{one['median'] or 'above 100,000'} ({one['fixed size']})"
            for one in row["detection"].values()
        ]
        value = row["detection"]["A/B"]["value"]
        table.add_row(row["set"], row["noise"], f"{100 * row['gain']:+.1f}", errors, *counts, value)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of data sets in BEIR's layout")
    parser.add_argument("--model", choices=MODELS, default="wordllama", help="embedding model")
    parser.add_argument("--sets", nargs="+", default=["medication_qa", "scifact", "stackfaq"])
    parser.add_argument("--gain", type=float, default=0.02, help="difference in nDCG@10")
    parser.add_argument("--simulations", type=int, default=1_000)
    parser.add_argument("--cache", type=Path, default=CACHE, help="file that keeps the vectors")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the figures")
    options = parser.parse_args()
    reading = {"sets": options.sets, "max_queries": 2_500, "cache_path": options.cache}
    rows: list[dict[str, Any]] = []
    for case in read_cases(options.folder, MODELS[options.model](), **reading):
        if case.name not in options.sets:
            continue
        systems = systems_of(case, options.gain)
        for noise in NOISE:
            rows.append(measured(case.name, systems, noise, options.simulations, len(rows)))
            write_results(
                options.results,
                {
                    "model": options.model,
                    "simulations": options.simulations,
                    "looks": MOST // EVERY,
                    "processor_seconds": round(time.process_time(), 1),
                    "rows": rows,
                },
            )
    Console(width=140).print(shown(rows))


if __name__ == "__main__":
    main()
