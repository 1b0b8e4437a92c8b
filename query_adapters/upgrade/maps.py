"""Affine maps `z = W x + b` between two embedding spaces, fitted on vectors of the same texts."""

from collections.abc import Callable

import numpy as np

from query_adapters.typing import Values, Vectors

Affine = tuple[Values, Values]
"""W, `(dim_out, dim_in)`, and b, `(dim_out,)`."""

RIDGES = (0.03, 0.1, 0.3)
RIDGE_OF_LOW_RANK = 0.1


def procrustes(inputs: Vectors, targets: Vectors) -> Affine:
    """Return the scaled orthogonal map that brings the inputs nearest to the targets.

    Both sides are centred. If their lengths differ, the shorter side counts as filled up with
    zeros: W then has orthonormal columns or rows, times the scale.

    Args:
        inputs: Shape `(n_texts, dim_in)`.
        targets: Shape `(n_texts, dim_out)`.

    Source: Schönemann, A Generalized Solution of the Orthogonal Procrustes Problem (1966); the
        scale as in Gower, Dijksterhuis, Procrustes Problems (2004), 4.4.
    """
    x, y, centres = _centred(inputs, targets)
    left, singular, right = np.linalg.svd(y.T @ x, full_matrices=False)
    rotation: Values = left @ right
    squares = float(((x @ rotation.T) ** 2).sum())
    scale = float(singular.sum()) / squares if squares else 1.0
    return _affine(scale * rotation, centres)


def ridge(inputs: Vectors, targets: Vectors, strength: float) -> Affine:
    """Return the affine map of least squared error, with a penalty on W.

    Args:
        inputs: Shape `(n_texts, dim_in)`.
        targets: Shape `(n_texts, dim_out)`.
        strength: Penalty, above 0, in units of the inputs' mean variance.

    Source: Hoerl, Kennard, Ridge Regression (1970), for several outputs at once.
    """
    x, y, centres = _centred(inputs, targets)
    gram = x.T @ x
    mean = float(np.trace(gram)) / len(gram) or 1.0
    solved = np.linalg.solve(gram + strength * mean * np.eye(len(gram)), x.T @ y)
    return _affine(np.asarray(solved.T, dtype=np.float64), centres)


def low_rank(inputs: Vectors, targets: Vectors, strength: float, rank: int) -> Affine:
    """Return the ridge map restricted to the `rank` leading directions of its results.

    Args:
        inputs: Shape `(n_texts, dim_in)`.
        targets: Shape `(n_texts, dim_out)`.
        strength: As in `ridge`.
        rank: Rank of W, at least 1.

    Source: Izenman, Reduced-Rank Regression for the Multivariate Linear Model (1975).
    """
    x, _, centres = _centred(inputs, targets)
    weight, _ = ridge(inputs, targets, strength)
    fitted = x @ weight.T
    leading = np.linalg.eigh(fitted.T @ fitted)[1][:, -rank:]
    return _affine(leading @ (leading.T @ weight), centres)


def map_kinds(dim_in: int, dim_out: int) -> dict[str, Callable[[Vectors, Vectors], Affine]]:
    """Return the kinds of map to compare by name, the orthogonal one first."""
    rank = max(1, min(dim_in, dim_out) // 2)
    ridges = {
        f"ridge {strength:g}": lambda x, y, strength=strength: ridge(x, y, strength)
        for strength in RIDGES
    }
    return {
        "procrustes": procrustes,
        **ridges,
        f"low rank {rank}": lambda x, y: low_rank(x, y, RIDGE_OF_LOW_RANK, rank),
    }


def _centred(inputs: Vectors, targets: Vectors) -> tuple[Values, Values, tuple[Values, Values]]:
    x, y = inputs.astype(np.float64), targets.astype(np.float64)
    centres = x.mean(axis=0), y.mean(axis=0)
    return x - centres[0], y - centres[1], centres


def _affine(weight: Values, centres: tuple[Values, Values]) -> Affine:
    return weight, centres[1] - weight @ centres[0]
