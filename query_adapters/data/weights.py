"""Weights of questions: how much each one counts, in training, selection and metrics."""

import math
from collections.abc import Mapping
from numbers import Real
from types import MappingProxyType
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from query_adapters.errors import InvalidDatasetError
from query_adapters.text.shown import listed, quoted
from query_adapters.typing import Values


class WeightedQuestions(Protocol):
    """Protocol of questions with their weights, such as a RetrievalDataset."""

    @property
    def queries(self) -> Mapping[str, str]:
        """Question texts by id."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Weights by id; empty if all count alike."""


Questions = TypeVar("Questions", bound=WeightedQuestions)


def checked_weights(
    given: Mapping[str, float], queries: Mapping[str, object]
) -> Mapping[str, float]:
    """Return the weight of every question; nothing if all count alike.

    Args:
        given: Weights by id of the question; those without one count 1.
        queries: The questions.

    Raises:
        InvalidDatasetError: If a weight is not a finite number from 0, all are 0, or one is of an
            unknown question.
    """
    unknown = [key for key in given if key not in queries]
    wrong = [f"{key}: {weight}" for key, weight in given.items() if not _is_weight(weight)]
    for what, found in {"weights of unknown questions": unknown, "weights": wrong}.items():
        if found:
            raise InvalidDatasetError(
                f"{len(found)} {what}: {listed(map(quoted, found))}; expected a finite number from "
                "0 for questions of the dataset, correct or drop them"
            )
    weights = {key: float(given.get(key, 1.0)) for key in queries}
    if given and not any(weights.values()):
        raise InvalidDatasetError(
            f"weights: all {len(weights)} are 0; expected at least one above 0: give the questions "
            "that count a weight, or leave the weights out"
        )
    return MappingProxyType({} if len(set(weights.values())) <= 1 else weights)


def query_weights(dataset: WeightedQuestions) -> Values:
    """Return the weight of each question, `(n_queries,)`; all 1 if they count alike."""
    return np.array([dataset.weights.get(query, 1.0) for query in dataset.queries])


def relative_weights(weights: ArrayLike, n_queries: int) -> Values:
    """Return the weights over their mean, `(n_queries,)`; exactly 1 if they are equal or none."""
    found = np.asarray(weights, dtype=np.float64)
    if not len(found) or found.min() == found.max():
        return np.ones(n_queries)
    relative: Values = found / found.mean()
    return relative


def effective_number(weights: Values) -> float:
    """Return how many questions of equal weight tell as much, `(Σ w)² / Σ w²`.

    Source: Kish, Survey Sampling (1965), 11.7.
    """
    return float(weights.sum() ** 2 / (weights**2).sum())


def check_unweighted(dataset: Questions, what: str) -> Questions:
    """Return the dataset, whose questions count alike.

    Raises:
        InvalidDatasetError: If they do not.
    """
    if dataset.weights:
        raise InvalidDatasetError(
            f"{what}: expected questions that count alike, got weights of {len(dataset.weights)}; "
            "make the dataset without weights"
        )
    return dataset


def _is_weight(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value) and value >= 0  # type: ignore[operator]
