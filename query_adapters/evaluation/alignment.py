"""Align the scores of several systems, and check that they are comparable."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.splits import document_groups
from query_adapters.errors import EvaluationWarning
from query_adapters.evaluation.evaluate import Evaluation
from query_adapters.typing import Rows, Values

Labels = Mapping[str, str]
"""A label by question id, such as "seen" or "unseen"."""


def check_systems(evaluations: Mapping[str, Evaluation], baseline: str) -> None:
    """Check that at least two systems, including the baseline, have scores of the same queries.

    Raises:
        ValueError: If not.
    """
    if len(evaluations) < 2 or baseline not in evaluations:
        raise ValueError(
            f"expected at least two systems, the baseline {baseline!r} among them; got "
            f"{list(evaluations)}"
        )
    for name, evaluation in evaluations.items():
        if evaluation.query_ids != evaluations[baseline].query_ids:
            raise ValueError(
                f"{name!r} and {baseline!r}: expected evaluations of the same questions in the "
                "same order; evaluate all systems on one dataset"
            )


def stacked(evaluations: Mapping[str, Evaluation], metrics: Sequence[str]) -> Values:
    """Return the values of all systems, `(n_queries, n_metrics, n_systems)`.

    Raises:
        ValueError: If systems have scores of different numbers of queries.
    """
    columns = [[e.per_query[metric] for e in evaluations.values()] for metric in metrics]
    counts = {len(values) for row in columns for values in row}
    if len(counts) != 1:
        raise ValueError(f"expected scores of the same questions, got {sorted(counts)} values")
    return np.moveaxis(np.array(columns), 2, 0)


def labelled_rows(kind: str, labels: Labels, query_ids: tuple[str, ...]) -> dict[str, Rows]:
    """Return the rows of the queries with each label.

    Raises:
        ValueError: If no query has a label.
    """
    found = [labels.get(query) for query in query_ids]
    names = sorted({label for label in found if label is not None})
    if not names:
        raise ValueError(
            f"slice {kind!r}: expected labels by question id, got none for any of the "
            f"{len(query_ids)} ids of the evaluations"
        )
    return {name: np.flatnonzero([label == name for label in found]) for name in names}


def warn_unlabelled(kind: str, labels: Labels, query_ids: tuple[str, ...]) -> None:
    """Warn of queries without a label, at the line of the caller's caller."""
    left_out = [query for query in query_ids if query not in labels]
    if not left_out:
        return
    others = [*labels.keys() - set(query_ids)]
    unknown = f"; {len(others)} labels are of other ids, such as {min(others)!r}" if others else ""
    warnings.warn(
        f"slice {kind!r}: expected a label for each question, got none for {len(left_out)} of "
        f"{len(query_ids)}, such as {left_out[0]!r}, which are in no slice{unknown}; label them "
        "'other' to see them",
        EvaluationWarning,
        stacklevel=3,
    )


def known_groups(texts: RetrievalDataset | None, query_ids: tuple[str, ...]) -> Rows | None:
    """Return the groups of the evaluated queries; None if the dataset lacks some of them."""
    if texts is None or not query_ids or not texts.queries.keys() >= set(query_ids):
        return None
    return document_groups(texts.select(query_ids))
