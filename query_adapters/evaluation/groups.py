"""Questions that stand or fall together: those about one document are not independent."""

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import document_groups
from query_adapters.typing import Rows, Values

FEWEST = 20  # groups: what so few resample to says little
LARGEST = 0.5  # share of the questions in one group: beyond it there is but one draw


def dataset_groups(dataset: RetrievalDataset) -> Rows | None:
    """Return a group number per question, `(n_queries,)`; None where each stands for itself.

    Questions that share a relevant document, or the wording, are one group, as in
    `split_by_document`. Where such groups are too few or too uneven to be drawn at random, there
    are none: see `usable_groups`.
    """
    return usable_groups(document_groups(dataset))


def usable_groups(groups: Rows) -> Rows | None:
    """Return the groups; None if they are fewer than 20, one holds over half, or all hold one."""
    sizes = np.unique(groups, return_counts=True)[1]
    told_apart = len(sizes) >= FEWEST and sizes.max() <= LARGEST * len(groups)
    return groups if told_apart and sizes.max() > 1 else None


def group_sums(values: Values, groups: Rows | None) -> tuple[Values, Values]:
    """Return the sums of each group's questions, `(n_groups, ...)`, and their numbers.

    Args:
        values: One value per question and column, `(n_queries, ...)`.
        groups: A number per question, `(n_queries,)`; None for each by itself.

    Raises:
        ValueError: If there is not one number a question.
    """
    if groups is None:
        return values, np.ones(len(values))
    if np.shape(groups) != (len(values),):
        raise ValueError(
            f"groups: expected a number for each of {len(values)} questions, got shape "
            f"{np.shape(groups)}"
        )
    order = np.argsort(groups, kind="stable")
    starts, sizes = np.unique(np.asarray(groups)[order], return_index=True, return_counts=True)[1:]
    return np.add.reduceat(values[order], starts, axis=0), sizes.astype(np.float64)


def count_groups(groups: Rows | None) -> int | None:
    """Return how many groups there are; None where each question stands for itself."""
    return None if groups is None else len(np.unique(groups))


def together_in(n_groups: int) -> str:
    """Return how the footnote of a report says that whole groups were drawn."""
    return f"drawn as {n_groups} groups, each about the same documents"
