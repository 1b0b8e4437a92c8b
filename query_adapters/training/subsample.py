"""Subsample a large dataset for the comparison of candidates."""

from math import ceil

import numpy as np

from query_adapters.adapters import QueryAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Rows, Similarity

MAX_QUERIES = 2_500
MAX_DOCUMENTS = 100_000
MIN_PER_DOCUMENT = 4  # queries kept per document, so that the seen view stays measurable
NEAREST = 20  # documents kept per query: its nearest ones


def selection_sample(
    dataset: EmbeddedDataset,
    *,
    similarity: Similarity,
    seed: int,
    start: QueryAdapter | None = None,
    device: str = "cpu",
) -> EmbeddedDataset:
    """Return the dataset with at most 2,500 of its queries and 100,000 of its documents.

    Queries are sampled document by document, so that some documents keep several queries and both
    cross-validation views can be measured. The sample of documents holds the relevant ones, the
    nearest ones of each query, and a random part of the rest. A small dataset is returned as it is.

    Args:
        dataset: Training queries with their documents.
        similarity: Similarity that the store ranks by.
        seed: Seed of the sampling.
        start: Adapter that maps queries before they are compared with documents.
        device: Where they are compared, as in `exact_search`.
    """
    rng = np.random.default_rng(seed)
    if len(dataset.queries) > MAX_QUERIES:
        dataset = dataset.select(_sampled_queries(dataset, rng))
    if len(dataset.documents) > MAX_DOCUMENTS:
        dataset = dataset.over(_sampled_documents(dataset, similarity, rng, start, device))
    return dataset


def _sampled_queries(dataset: EmbeddedDataset, rng: np.random.Generator) -> Rows:
    """Return rows of queries: a few of each document, documents in random order."""
    documents = np.array([rows[0] for rows in dataset.relevant])
    _, group, counts = np.unique(documents, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(group))
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    rank_in_group = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    limit = max(MIN_PER_DOCUMENT, ceil(MAX_QUERIES / len(counts)))
    eligible = by_group[rank_in_group < limit]
    order = rng.permutation(len(counts))[group[eligible]]
    return np.sort(eligible[np.argsort(order, kind="stable")][:MAX_QUERIES])


def _sampled_documents(
    dataset: EmbeddedDataset,
    similarity: Similarity,
    rng: np.random.Generator,
    start: QueryAdapter | None,
    device: str,
) -> Rows:
    """Return documents to search; of units, as many as have so many vectors on average."""
    most = MAX_DOCUMENTS * dataset.n_units // len(dataset.documents)
    queries = dataset.queries if start is None else start(dataset.queries)
    found = exact_search(
        queries,
        dataset.documents,
        k=NEAREST,
        similarity=similarity,
        units=dataset.units,
        device=device,
    )
    needed = np.union1d(dataset.labelled, found)
    others = np.setdiff1d(np.arange(dataset.n_units), needed, assume_unique=True)
    drawn = rng.choice(others, min(len(others), max(0, most - len(needed))), False)
    return np.union1d(needed, drawn)
