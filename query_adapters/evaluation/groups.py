"""Groups of queries that are not independent, such as those about one document."""

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import document_groups
from query_adapters.typing import Rows, Values

FEWEST = 20  # fewer groups cannot be resampled reliably
LARGEST = 0.5  # largest share of the queries in one group
MOST_DRAWN = 10_000  # units of resampling; the standard error of so many is exact to 0.7 %


def dataset_groups(dataset: RetrievalDataset) -> Rows | None:
    """Return a group number per query, `(n_queries,)`; None if queries are treated as independent.

    Queries that share a relevant document or the wording form a group, as in `split_by_document`.
    Groups that are too few or too uneven to resample are not used, see `usable_groups`.
    """
    return usable_groups(document_groups(dataset))


def usable_groups(groups: Rows) -> Rows | None:
    """Return the groups; None if they are fewer than 20, one exceeds half, or all have size 1."""
    sizes = np.unique(groups, return_counts=True)[1]
    told_apart = len(sizes) >= FEWEST and sizes.max() <= LARGEST * len(groups)
    return groups if told_apart and sizes.max() > 1 else None


def group_sums(
    values: Values, groups: Rows | None, weights: Values | None = None
) -> tuple[Values, Values]:
    """Return the sum over each group's queries, `(n_groups, ...)`, and its size.

    Args:
        values: One value per query and column, `(n_queries, ...)`.
        groups: A number per question, `(n_queries,)`; None for each by itself.
        weights: How much each question counts, `(n_queries,)`: sums and sizes are weighted; None
            if all count alike.

    Raises:
        ValueError: If the number of group numbers is not the number of queries.
    """
    sizes = np.ones(len(values)) if weights is None else weights
    if weights is not None:
        values = values * weights.reshape(-1, *(1 for _ in values.shape[1:]))
    if groups is None:
        return values, sizes
    if np.shape(groups) != (len(values),):
        raise ValueError(
            f"groups: expected a number for each of {len(values)} questions, got shape "
            f"{np.shape(groups)}"
        )
    order = np.argsort(groups, kind="stable")
    starts = np.unique(np.asarray(groups)[order], return_index=True)[1]
    sums, sizes = (np.add.reduceat(found[order], starts, axis=0) for found in (values, sizes))
    return sums, sizes


def resampling_sums(
    values: Values, groups: Rows | None, *, seed: int, weights: Values | None = None
) -> tuple[Values, Values]:
    """Return the sum over each unit of resampling, `(n_units, ...)`, and its number of queries.

    A unit is a group of queries. More than 10,000 groups are put together in 10,000 units at
    random, so that the work does not grow with the number of queries.

    Args:
        values: As in `group_sums`.
        groups: As in `group_sums`.
        weights: As in `group_sums`.
        seed: Seed of the assignment of groups to units.

    Source: Wolter, Introduction to Variance Estimation (2007), 2.2 (random groups).
    """
    sums, sizes = group_sums(values, groups, weights)
    if len(sums) <= MOST_DRAWN:
        return sums, sizes
    order = np.random.default_rng(seed).permutation(len(sums))
    starts = np.linspace(0, len(sums), MOST_DRAWN, endpoint=False).astype(np.int64)
    return np.add.reduceat(sums[order], starts, axis=0), np.add.reduceat(sizes[order], starts)


def count_groups(groups: Rows | None) -> int | None:
    """Return the number of groups; None if queries are treated as independent."""
    return None if groups is None else len(np.unique(groups))


def together_in(n_groups: int) -> str:
    """Return the footnote of a report about the resampling of groups."""
    return f"drawn as {n_groups} groups, each about the same documents"
