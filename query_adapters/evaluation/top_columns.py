"""The columns of the highest scores of each row."""

import numpy as np
from numpy.typing import NDArray

from query_adapters.typing import Rows

GROUPS_PER_RESULT = 64  # sets of columns per result, so that two of the best rarely share one


def top_columns(scores: NDArray[np.floating], k: int) -> Rows:
    """Return the columns of the k highest scores of each row; ties by ascending column."""
    rows, columns = np.divmod(
        np.flatnonzero(scores >= _reached(scores, k)[:, None]), scores.shape[1]
    )
    return ordered_columns(rows, columns, scores[rows, columns], n_rows=len(scores), k=k)


def ordered_columns(
    rows: Rows, columns: Rows, scores: NDArray[np.floating], *, n_rows: int, k: int
) -> Rows:
    """Return the columns of the k highest scores of each row, `(n_rows, k)`, of at least k each.

    Args:
        rows: Row of each score, ascending; all three `(n_scores,)`.
        columns: Column of each score, ascending in a row.
        scores: The scores.
        n_rows: Number of rows.
        k: Columns per row.
    """
    order = np.lexsort((-scores, rows))  # stable, so that ties are ordered by column
    starts = np.searchsorted(rows, np.arange(n_rows))
    best: Rows = columns[order[starts[:, None] + np.arange(k)]]
    return best


def _reached(scores: NDArray[np.floating], k: int) -> NDArray[np.floating]:
    """Return a score that at least k columns of each row reach, and few more.

    It is the k-th highest of the maxima of disjoint sets of columns: one pass over the scores,
    where a partition of all of them takes several.
    """
    width = min(scores.shape[1], GROUPS_PER_RESULT * k)
    maxima = scores[:, :width].copy()
    for start in range(width, scores.shape[1], width):
        part = scores[:, start : start + width]
        np.maximum(maxima[:, : part.shape[1]], part, out=maxima[:, : part.shape[1]])
    reached: NDArray[np.floating] = np.partition(maxima, -k, axis=1)[:, -k]
    return reached
