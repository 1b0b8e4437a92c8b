"""Adapters whose results keep the length of their query."""

from abc import abstractmethod
from math import inf, sqrt

import numpy as np

from query_adapters.adapters.base import QueryAdapter
from query_adapters.typing import Vectors


class LengthKeepingAdapter(QueryAdapter):
    """An adapter `q' = z · ‖q‖ / ‖z‖` for a map z of q, or `q' = z` if lengths are not kept.

    Lengths are kept so that score thresholds and hybrid fusion stay on their scale. Only Euclidean
    distance over documents of different lengths depends on the length of a query. A query is
    returned unchanged if it, or its mapped vector, is zero or not finite.

    Attributes:
        keeps_length: Whether an adapted vector has the length of its query.
    """

    keeps_length: bool = True

    @abstractmethod
    def mapped(self, queries: Vectors) -> Vectors:
        """Return z, not scaled, in the shape of `__call__`'s result."""

    def __call__(self, queries: Vectors) -> Vectors:
        """Return the adapted vectors.

        Args:
            queries: One vector `(dim_in,)`, or one per row `(n_queries, dim_in)`.

        Returns:
            `(dim_out,)` or `(n_queries, dim_out)`, each as long (Euclidean norm) as its query
            where lengths are kept.

        Raises:
            DimensionMismatchError: If the vectors have another length than `dim_in`.
        """
        queries = np.asarray(queries, dtype=np.float32)
        self.check_dim(queries.shape[-1])
        if queries.ndim == 1:
            squared = squared_length(queries)
            if has_length(squared):
                mapped = self.mapped(queries)
                return keep_length(queries, mapped, squared=squared, scaled=self.keeps_length)
        rows = np.atleast_2d(queries)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # they come back
            adapted = keep_lengths(rows, self.mapped(rows), scaled=self.keeps_length)
        return adapted.reshape(*queries.shape[:-1], self.dim_out)


def squared_length(vector: Vectors) -> float:
    """Return ‖v‖²; infinity, without a warning, if it exceeds float32."""
    return float(np.vdot(vector, vector))


def has_length(squared: float) -> bool:
    """Return whether a vector of this squared length can be scaled: neither 0 nor infinite."""
    return 0 < squared < inf


def keep_length(query: Vectors, mapped: Vectors, *, squared: float, scaled: bool = True) -> Vectors:
    """Return `mapped`, scaled in place to the query's length; the query if it cannot be scaled.

    Args:
        query: Shape `(dim_in,)`.
        mapped: Shape `(dim_out,)`.
        squared: ‖query‖².
        scaled: Whether to scale it to the query's length.
    """
    after = squared_length(mapped)
    if not has_length(after):
        return query if query.shape == mapped.shape else mapped
    if scaled:
        mapped *= np.float32(sqrt(squared / after))
    return mapped


def keep_lengths(queries: Vectors, mapped: Vectors, *, scaled: bool = True) -> Vectors:
    """Return the rows of `mapped`, scaled to the queries' lengths; queries where they cannot be.

    Args:
        queries: Shape `(n_queries, dim_in)`.
        mapped: Shape `(n_queries, dim_out)`.
        scaled: Whether to scale the rows to the queries' lengths.
    """
    before = np.einsum("ij,ij->i", queries, queries)
    after = np.einsum("ij,ij->i", mapped, mapped)
    usable = (before > 0) & (after > 0) & np.isfinite(before) & np.isfinite(after)
    scale = np.sqrt(before / np.where(usable, after, 1)) if scaled else np.ones(len(mapped))
    adapted: Vectors = mapped * scale[:, None].astype(np.float32)
    adapted[~usable] = (queries if queries.shape == mapped.shape else mapped)[~usable]
    return adapted
