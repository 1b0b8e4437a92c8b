"""An adapted vector gets the length of the vector it came from, whatever the map made of it."""

from math import inf, sqrt

import numpy as np

from query_adapters.typing import Vectors


def squared_length(vector: Vectors) -> float:
    """Return ‖v‖²; infinite without a warning where it is beyond float32."""
    return float(np.vdot(vector, vector))


def has_length(squared: float) -> bool:
    """Return whether a vector of that squared length can be scaled: neither 0 nor infinite."""
    return 0 < squared < inf


def keep_length(query: Vectors, mapped: Vectors, *, squared: float) -> Vectors:
    """Return `mapped`, scaled in place to the query's length; the query where that cannot be.

    Args:
        query: Shape `(dim_in,)`.
        mapped: Shape `(dim_out,)`.
        squared: ‖query‖².
    """
    after = squared_length(mapped)
    if not has_length(after):
        return query if query.shape == mapped.shape else mapped
    mapped *= np.float32(sqrt(squared / after))
    return mapped


def keep_lengths(queries: Vectors, mapped: Vectors) -> Vectors:
    """Return the rows of `mapped` at the lengths of the queries; queries where that cannot be.

    Args:
        queries: Shape `(n_queries, dim_in)`.
        mapped: Shape `(n_queries, dim_out)`.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        before = np.einsum("ij,ij->i", queries, queries)
        after = np.einsum("ij,ij->i", mapped, mapped)
        usable = (before > 0) & (after > 0) & np.isfinite(before) & np.isfinite(after)
        scale = np.sqrt(before / np.where(usable, after, 1))
        adapted: Vectors = mapped * scale[:, None].astype(np.float32)
    adapted[~usable] = (queries if queries.shape == mapped.shape else mapped)[~usable]
    return adapted
