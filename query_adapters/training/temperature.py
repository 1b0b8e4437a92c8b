"""Fit the temperature of the softmax to the scores of the base model."""

from math import inf, log

import numpy as np
from scipy.optimize import minimize_scalar

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.training.linear_score import LinearScore
from query_adapters.training.pooled import full_loss
from query_adapters.training.prior_map import PriorMap
from query_adapters.training.softmax import Positives
from query_adapters.typing import Vectors

MAX_QUERIES, MAX_DOCUMENTS = 1_000, 8_000  # of a larger dataset, an evenly spaced part is used
LOWEST, HIGHEST = 0.3, 60.0  # τ times the standard deviation of a query's scores
ACCURACY = 0.02  # of log τ
QUERY_LENGTHS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # factors to try for Euclidean distance


def fitted_temperature(dataset: EmbeddedDataset, prior: PriorMap, score: LinearScore) -> float:
    """Return the τ that minimises the softmax loss of the prior on the training queries.

    Models differ in how far apart their scores lie: cosines of all-MiniLM-L6-v2 span most of
    0..1, those of multilingual-e5-small lie between 0.7 and 0.9. A softmax over scores times τ
    is as sharp for one as for the other. The loss is convex in τ. For Euclidean distance the
    length of the mapped queries is fitted too: where it is wrong, no τ fits, and a far too low τ
    has the least loss, with which a map would not learn the length.

    Args:
        dataset: Training queries with their documents.
        prior: The map that scores them.
        score: The scaling of queries and documents.

    Source: Guo et al., On Calibration of Modern Neural Networks (2017), 4.2 (temperature scaling).
    """
    part = _part(dataset)
    documents = score.scaled_documents(part.documents[part.labelled_rows.rows])
    mapped, offsets = prior(score.scaled_queries(part.queries)), score.offsets(documents)
    positives = Positives.of(part).shared(mapped, documents, offsets, most=1)
    lengths = (1.0,) if score.keeps_length else QUERY_LENGTHS
    fits = [_fitted(part, np.float32(c) * mapped, documents, offsets, positives) for c in lengths]
    return min(fits)[1]


def _fitted(
    dataset: EmbeddedDataset,
    mapped: Vectors,
    documents: Vectors,
    offsets: Vectors,
    positives: Positives,
) -> tuple[float, float]:
    """Return the least loss, and the τ that gives it."""
    spread = float((mapped @ documents.T + offsets).std(axis=1).mean(dtype=np.float64))
    if spread == 0:
        return inf, 1.0

    def loss(log_tau: float) -> float:
        tau = np.float32(np.exp(log_tau))
        return full_loss(dataset, tau * documents, tau * offsets, positives)(mapped)[0]

    bounds = log(LOWEST / spread), log(HIGHEST / spread)
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": ACCURACY})
    return float(found.fun), float(np.exp(found.x))


def _part(dataset: EmbeddedDataset) -> EmbeddedDataset:
    n_queries = len(dataset.queries)
    step = max(1, n_queries // MAX_QUERIES, len(dataset.labelled_rows.rows) // MAX_DOCUMENTS)
    return dataset.select(np.arange(0, n_queries, step)) if step > 1 else dataset
