"""An adapted vector gets the length of the vector it came from, whatever the map made of it."""

from abc import abstractmethod
from math import inf, sqrt

import numpy as np

from query_adapters.adapters.base import QueryAdapter
from query_adapters.typing import Vectors


class LengthKeepingAdapter(QueryAdapter):
    """An adapter `q' = z · ‖q‖ / ‖z‖` of some map z of q; `q' = z` where lengths are not kept.

    The base's length is kept so that score thresholds and hybrid fusion stay on their scale.
    Only a store that ranks by Euclidean distance over documents of several lengths ranks by the
    length of a query too. Zero vectors and vectors that are not finite come back as they are, as
    do those of which the map would make one.

    Attributes:
        keeps_length: Whether an adapted vector has the length of its query.
    """

    keeps_length: bool = True

    @abstractmethod
    def mapped(self, queries: Vectors) -> Vectors:
        """Return z, of whatever length, in the shape that `__call__` gives."""

    def __call__(self, queries: Vectors) -> Vectors:
        """Return the adapted vectors.

        Args:
            queries: One vector `(dim_in,)`, or one a row `(n_queries, dim_in)`.

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
    """Return ‖v‖²; infinite without a warning where it is beyond float32."""
    return float(np.vdot(vector, vector))


def has_length(squared: float) -> bool:
    """Return whether a vector of that squared length can be scaled: neither 0 nor infinite."""
    return 0 < squared < inf


def keep_length(query: Vectors, mapped: Vectors, *, squared: float, scaled: bool = True) -> Vectors:
    """Return `mapped`, scaled in place to the query's length; the query where that cannot be.

    Args:
        query: Shape `(dim_in,)`.
        mapped: Shape `(dim_out,)`.
        squared: ‖query‖².
        scaled: Whether it gets the query's length or stays as long as it is.
    """
    after = squared_length(mapped)
    if not has_length(after):
        return query if query.shape == mapped.shape else mapped
    if scaled:
        mapped *= np.float32(sqrt(squared / after))
    return mapped


def keep_lengths(queries: Vectors, mapped: Vectors, *, scaled: bool = True) -> Vectors:
    """Return the rows of `mapped` at the lengths of the queries; queries where that cannot be.

    Args:
        queries: Shape `(n_queries, dim_in)`.
        mapped: Shape `(n_queries, dim_out)`.
        scaled: Whether the rows get the queries' lengths or stay as long as they are.
    """
    before = np.einsum("ij,ij->i", queries, queries)
    after = np.einsum("ij,ij->i", mapped, mapped)
    usable = (before > 0) & (after > 0) & np.isfinite(before) & np.isfinite(after)
    scale = np.sqrt(before / np.where(usable, after, 1)) if scaled else np.ones(len(mapped))
    adapted: Vectors = mapped * scale[:, None].astype(np.float32)
    adapted[~usable] = (queries if queries.shape == mapped.shape else mapped)[~usable]
    return adapted
