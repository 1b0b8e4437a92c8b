"""Measure how often the guard's test finds a gain where there is none.

Differences from the base are simulated under several null hypotheses. In the view of seen
documents a question is drawn anew, in that of unseen documents a document with its questions.
The table shows the share of simulations with p <= 0.05, which should be 5 %: in each view, and in
both together at equal weights. Random signs are 999 a test instead of 9,999.

    python examples/benchmarks/guard.py --simulations 10000
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from query_adapters.evaluation.groups import group_sums
from query_adapters.training.guard import ALPHA
from query_adapters.training.view_test import combined_p_value, flipped_p_values
from query_adapters.typing import Rows, Values

sys.path.insert(0, str(Path(__file__).parents[1]))  # the examples are scripts, not a package
from results_file import write_results

RESULTS = Path(__file__).parent / "results" / "guard.json"
SIZES = (30, 100, 400, 5_000)
AT_ONCE = 250  # simulations that share documents and signs
N_FLIPS = 999
PER_DOCUMENT = 3  # questions about a document, on average
N_CONTROLS = 8
VIEWS = ("seen", "unseen", "both")

Noise = Callable[[np.random.Generator, tuple[int, int]], Values]
Simulated = tuple[Values, Rows, Values, Rows]
"""Values and groups in the seen view, then in the unseen view; values are `(n, AT_ONCE)`."""


def sparse(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return differences most of which are 0, gains as likely as losses."""
    return (rng.random(shape) < 0.3) * rng.uniform(-0.6, 0.6, shape)


def rare_losses(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return many small gains and rare large losses of mean 0."""
    gained, kind = 0.06 * rng.uniform(0, 2, shape), rng.random(shape)
    return np.where(kind < 0.1, -0.3 * rng.uniform(0, 2, shape), (kind < 0.6) * gained)


def rare_gains(rng: np.random.Generator, shape: tuple[int, int]) -> Values:
    """Return many small losses and rare large gains of mean 0."""
    return -rare_losses(rng, shape)


def no_gain(rng: np.random.Generator, n: int, noise: Noise = sparse) -> Simulated:
    """Return noise by question, the same in both views."""
    values = noise(rng, (n, AT_ONCE))
    return values, np.arange(n), values, documents(rng, n)


def skewed_losses(rng: np.random.Generator, n: int) -> Simulated:
    return no_gain(rng, n, rare_losses)


def skewed_gains(rng: np.random.Generator, n: int) -> Simulated:
    return no_gain(rng, n, rare_gains)


def random_labels(rng: np.random.Generator, n: int) -> Simulated:
    """Return scores on own answers less those on eight other questions', which are alike."""
    own = np.maximum(rare_gains(rng, (n, AT_ONCE)), -0.02)
    controls = [np.maximum(rare_gains(rng, (n, AT_ONCE)), -0.02) for _ in range(N_CONTROLS)]
    values = own - np.mean(controls, axis=0)
    return values, np.arange(n), values, documents(rng, n)


def by_document(rng: np.random.Generator, n: int) -> Simulated:
    """Return gains on some documents and equal losses on others.

    In the seen view the same documents are asked again, each as often as before; in the unseen
    view others are asked.
    """
    return effects(rng, n, documents(rng, n))


def one_document(rng: np.random.Generator, n: int) -> Simulated:
    """Return effects by document, where one document draws half of all questions."""
    groups = documents(rng, n)
    groups[: n // 2] = groups.max() + 1
    return effects(rng, n, groups)


def effects(rng: np.random.Generator, n: int, groups: Rows) -> Simulated:
    names, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shape = (len(names), AT_ONCE)
    fixed = rng.normal(0, 0.1, shape)
    fixed -= (sizes / n) @ fixed
    asked = rng.choice(len(names), (n, AT_ONCE), p=sizes / n)
    noise = sparse(rng, (n, AT_ONCE))
    seen = np.take_along_axis(fixed, asked, axis=0) + noise
    return seen, np.arange(n), rng.normal(0, 0.1, shape)[member] + noise, groups


def near_duplicates(rng: np.random.Generator, n: int) -> Simulated:
    """Return questions that come in up to five wordings, all with the same difference."""
    wording = np.sort(rng.integers(max(2, n // 3), size=n))
    values = sparse(rng, (int(wording.max()) + 1, AT_ONCE))[wording]
    return values, wording, values, wording // 2


def documents(rng: np.random.Generator, n: int) -> Rows:
    return rng.integers(max(2, n // PER_DOCUMENT), size=n)


NULLS: dict[str, Callable[[np.random.Generator, int], Simulated]] = {
    "no gain at all": no_gain,
    "labels assigned at random": random_labels,
    "gains on some documents, losses on others": by_document,
    "questions in near-duplicates": near_duplicates,
    "one document draws half of the questions": one_document,
    "many small gains, rare large losses": skewed_losses,
    "many small losses, rare large gains": skewed_gains,
}


def p_values(null: str, n: int, n_simulations: int, seed: int) -> dict[str, Values]:
    """Return the p values of the simulations by view."""
    rng, found = np.random.default_rng(seed), []
    for batch in range(-(-n_simulations // AT_ONCE)):
        seen, seen_groups, unseen, unseen_groups = NULLS[null](rng, n)
        views = ((seen, seen_groups), (unseen, unseen_groups))
        each = [
            flipped_p_values(group_sums(values, groups)[0], n_flips=N_FLIPS, seed=batch)
            for values, groups in views
        ]
        both = [combined_p_value(pair, (0.5, 0.5)) for pair in zip(*each, strict=True)]
        found.append([*each, np.array(both)])
    return dict(zip(VIEWS, np.concatenate(found, axis=1), strict=True))


def cells(n_simulations: int) -> Iterator[dict[str, Any]]:
    for place, null in enumerate(NULLS):
        for n in SIZES:
            values = p_values(null, n, n_simulations, seed=1_000 * place + n)
            rates = {name: round(100 * float((p <= ALPHA).mean()), 2) for name, p in values.items()}
            yield {"null": null, "questions": n, **rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=10_000, help="of each cell")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file of the figures")
    options = parser.parse_args()
    total = len(NULLS) * len(SIZES)
    rows = list(track(cells(options.simulations), "Simulating", total=total))
    write_results(options.results, {"simulations": options.simulations, "rows": rows})
    table = Table("null hypothesis", "questions", *VIEWS, title="p <= 0.05, % of simulations")
    for row in rows:
        table.add_row(row["null"], str(row["questions"]), *(f"{row[v]:.1f}" for v in VIEWS))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
