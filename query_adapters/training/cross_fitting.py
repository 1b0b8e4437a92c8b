"""Measure the gain of selection itself: choose on some questions, measure on the others."""

import numpy as np

from query_adapters.data.splits import folds
from query_adapters.training.candidates import OutOfFoldTable
from query_adapters.typing import Rows, Values

N_FOLDS = 10
N_SPLITS = 4  # random splits, whose gains are averaged


def cross_fitted_gains(
    table: OutOfFoldTable, groups: Rows, *, seed: int, veto: bool = True
) -> Values:
    """Return the out-of-fold gains of the candidate chosen without the question's group.

    The gain of the best of many candidates on the questions that it was chosen on is too high.
    Here the questions are split into ten parts; for each, a candidate is chosen on the other
    nine. So the gains are those of one procedure, selection included, and can be tested without
    a correction for the number of candidates. They are averaged over four splits. No map is
    fitted again.

    Args:
        table: Out-of-fold gains of every candidate.
        groups: A number per question, equal for questions that are not independent,
            `(n_queries,)`; groups are not split.
        seed: Seed of the split.
        veto: As in `choose`.

    Returns:
        Shape `(n_views, 2, n_queries)`, as in the table; 0 where the base is chosen.

    Source: Varma, Simon, Bias in Error Estimation When Using Cross-Validation for Model Selection
        (2006), for the bias that the nesting avoids.
    """
    splits = splits_of(groups, seed)
    if not splits:
        return np.zeros(table.gains.shape[1:])
    gains: Values = np.mean([_gains_of_split(table, f, veto) for f in splits], axis=0)
    return gains


def splits_of(groups: Rows, seed: int) -> list[Rows]:
    """Return the part of each question in four splits, `(n_queries,)` each; none of one group."""
    n_folds = min(N_FOLDS, len(np.unique(groups)))
    if n_folds < 2:
        return []
    seeds = np.random.SeedSequence(seed).generate_state(N_SPLITS)
    return [folds(groups, n_folds=n_folds, seed=int(state)) for state in seeds]


def _gains_of_split(table: OutOfFoldTable, fold_of: Rows, veto: bool) -> Values:
    gains = np.zeros(table.gains.shape[1:])
    for fold in range(int(fold_of.max()) + 1):
        chosen = table.best(np.flatnonzero(fold_of != fold), veto=veto)
        if chosen is not None:
            held_out = fold_of == fold
            gains[:, :, held_out] = table.gains[chosen][:, :, held_out]
    return gains
