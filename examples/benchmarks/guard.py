"""Measure how often the guard's test finds a gain where there is none.

Each simulation is an out-of-fold table of five candidates, none of which gains anything on
average. Two candidates have the same value on 70 % of the questions. `selection_p_value` tests
both views: that of seen documents, where a question is drawn anew, and that of unseen documents,
where a document is drawn with its questions. The table shows the share of simulations with
p <= 0.05, which should be 5 %: in each view, and in both together at equal weights. Its standard
error is 0.7 % with 1,000 simulations. Random signs are 199 a test instead of 999, and close
decisions are not repeated with more assignments of folds.

    python examples/benchmarks/guard.py --simulations 1000 --jobs 2
"""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from query_adapters.training.candidates import Candidate, OutOfFoldTable
from query_adapters.training.decision import QuestionGroups
from query_adapters.training.folds import View
from query_adapters.training.guard import ALPHA
from query_adapters.training.selection_test import selection_p_value
from query_adapters.training.view_test import combined_p_value
from query_adapters.typing import Rows, Values

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "guard.json"
SIZES = (30, 100, 400, 2_000)
N_FLIPS = 199
N_CANDIDATES = 5
ALIKE = 0.7  # share of questions on which two candidates have the same value
PER_DOCUMENT = 3  # questions about a document, on average
N_CONTROLS = 8
WEIGHTS = {"seen": 0.5, "unseen": 0.5}

Noise = Callable[[np.random.Generator, tuple[int, int]], Values]
Simulated = tuple[Values, QuestionGroups]
"""Gains `(N_CANDIDATES, 2, 2, n)` as in `OutOfFoldTable`, and the groups of the questions."""


def sparse(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return gains most of which are 0, the others as often positive as negative."""
    return (rng.random(shape) < 0.3) * rng.uniform(-0.6, 0.6, shape)


def rare_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return many small gains and rare large losses of mean 0."""
    gained, kind = 0.06 * rng.uniform(0, 2, shape), rng.random(shape)
    return np.where(kind < 0.1, -0.3 * rng.uniform(0, 2, shape), (kind < 0.6) * gained)


def rare_gains(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return many small losses and rare large gains of mean 0."""
    return -rare_losses(rng, shape)


def label_scores(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return gains on any labelled documents: rare, and positive on average."""
    return np.maximum(rare_gains(rng, shape), -0.02)


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return effects of documents."""
    return rng.normal(0, 0.1, shape)


def of_candidates(rng: np.random.Generator, n: int, noise: Noise) -> Values:
    """Return values of each candidate, of the noise's distribution, `(N_CANDIDATES, n)`."""
    is_shared = rng.random((N_CANDIDATES, n)) < np.sqrt(ALIKE)  # in two candidates: 70 %
    return np.where(is_shared, noise(rng, (1, n)), noise(rng, (N_CANDIDATES, n)))


def no_gain(rng: np.random.Generator, n: int, noise: Noise = sparse) -> Simulated:
    """Return noise by question, the same in both views."""
    own = of_candidates(rng, n, noise)
    return gains(own, own), grouped(np.arange(n), documents(rng, n))


def random_labels(rng: np.random.Generator, n: int) -> Simulated:
    """Return gains on own answers, and on eight other questions', which are alike."""
    own, *controls = (of_candidates(rng, n, label_scores) for _ in range(1 + N_CONTROLS))
    return gains(own, own, np.mean(controls, axis=0)), grouped(np.arange(n), documents(rng, n))


def by_document(rng: np.random.Generator, n: int) -> Simulated:
    """Return gains on some documents and equal losses on others.

    In the seen view the same documents are asked again, each as often as before; in the unseen
    view others are asked.
    """
    return effects(rng, documents(rng, n))


def one_document(rng: np.random.Generator, n: int) -> Simulated:
    """Return effects by document, where one document draws half of all questions."""
    answer = documents(rng, n)
    answer[: n // 2] = answer.max() + 1
    return effects(rng, answer)


def effects(rng: np.random.Generator, answer: Rows) -> Simulated:
    n = len(answer)
    names, member, sizes = np.unique(answer, return_inverse=True, return_counts=True)
    fixed = of_candidates(rng, len(names), normal)
    fixed -= fixed @ (sizes / n)[:, None]
    seen = fixed[:, rng.choice(len(names), n, p=sizes / n)]
    unseen = of_candidates(rng, len(names), normal)[:, member]
    noise = of_candidates(rng, n, sparse)
    return gains(seen + noise, unseen + noise), grouped(np.arange(n), answer)


def near_duplicates(rng: np.random.Generator, n: int) -> Simulated:
    """Return questions that come in several wordings, all with the same gain."""
    wording = np.sort(documents(rng, n))
    own = of_candidates(rng, int(wording.max()) + 1, sparse)[:, wording]
    return gains(own, own), grouped(wording, wording // 2)


def documents(rng: np.random.Generator, n: int) -> Rows:
    return rng.integers(max(2, n // PER_DOCUMENT), size=n)


def gains(seen: Values, unseen: Values, control: Values | float = 0.0) -> Values:
    views = [np.stack(np.broadcast_arrays(own, control), axis=1) for own in (seen, unseen)]
    return np.stack(views, axis=1)


def grouped(wording: Rows, answer: Rows) -> QuestionGroups:
    """Return the groups of questions whose wordings are each about one document."""
    return QuestionGroups(wording=wording, answer=answer, linked=answer)


NULLS: dict[str, Callable[[np.random.Generator, int], Simulated]] = {
    "no gain at all": no_gain,
    "labels assigned at random": random_labels,
    "gains on some documents, losses on others": by_document,
    "questions in near-duplicates": near_duplicates,
    "one document draws half of the questions": one_document,
    "many small gains, rare large losses": partial(no_gain, noise=rare_losses),
    "many small losses, rare large gains": partial(no_gain, noise=rare_gains),
}


def p_values(null: str, n: int, seed: int) -> list[float]:
    """Return the p values of one simulation: seen, unseen, both."""
    rng = np.random.default_rng((list(NULLS).index(null), n, seed))
    simulated, groups = NULLS[null](rng, n)
    folds = np.zeros((1, n), dtype=np.int64)  # not used: the table is given
    views = [View(name=name, fold_of=folds, weight=weight) for name, weight in WEIGHTS.items()]
    candidates = [Candidate(0.0, 1.0 + place) for place in range(N_CANDIDATES)]
    table = OutOfFoldTable(candidates, views, simulated)
    unit = {"seen": groups.wording, "unseen": groups.answer}
    each = [
        selection_p_value(
            table,
            place,
            groups=unit[view.name],
            held_out=groups.held_out(view.name),
            n_flips=N_FLIPS,
            seed=seed,
        )
        for place, view in enumerate(views)
    ]
    return [*each, combined_p_value(each, list(WEIGHTS.values()))]


def cell(case: tuple[str, int], n_simulations: int) -> dict[str, Any]:
    """Return the error rates of one null hypothesis and size, in per cent."""
    found = np.array([p_values(*case, seed) for seed in range(n_simulations)])
    rates = 100 * (found <= ALPHA).mean(axis=0)
    names = (*WEIGHTS, "both")
    by_view = {name: round(float(rate), 2) for name, rate in zip(names, rates, strict=True)}
    return {"null": case[0], "questions": case[1], **by_view}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1_000, help="of each cell")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the figures")
    options = parser.parse_args()
    cases = list(product(NULLS, SIZES))
    with ProcessPoolExecutor(options.jobs) as pool:
        cells = pool.map(partial(cell, n_simulations=options.simulations), cases)
        rows = list(track(cells, "Simulating", total=len(cases)))
    about = {"simulations": options.simulations, "flips": N_FLIPS, "candidates": N_CANDIDATES}
    write_results(options.results, {**about, "rows": rows})
    table = Table("null hypothesis", "questions", *WEIGHTS, "both")
    table.title = "p <= 0.05, % of simulations"
    for row in rows:
        rates = (f"{row[name]:.1f}" for name in (*WEIGHTS, "both"))
        table.add_row(row["null"], str(row["questions"]), *rates)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
