"""The part of a large dataset on which candidates are compared: all of it where it is small."""

from math import ceil

import numpy as np

from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.search import exact_search
from query_adapters.typing import Rows, Similarity

MOST_QUERIES = 2_500
MOST_DOCUMENTS = 100_000
LEAST_PER_DOCUMENT = 4  # so that documents with several questions keep several
NEAREST = 20  # of each question, among the documents that are kept


def selection_sample(
    dataset: EmbeddedDataset, *, similarity: Similarity, seed: int
) -> EmbeddedDataset:
    """Return the dataset with at most 2,500 of its questions over 100,000 of its documents.

    Questions are drawn document by document, so that new questions about documents that have
    some can still be told from questions about others. Kept are their relevant documents, those
    nearest to each question, and of the rest a random part.
    """
    rng = np.random.default_rng(seed)
    if len(dataset.queries) > MOST_QUERIES:
        dataset = dataset.select(_sampled_queries(dataset, rng))
    if len(dataset.documents) > MOST_DOCUMENTS:
        dataset = dataset.over(_sampled_documents(dataset, similarity, rng))
    return dataset


def _sampled_queries(dataset: EmbeddedDataset, rng: np.random.Generator) -> Rows:
    """Return rows of questions: a few of each document, documents in random order."""
    documents = np.array([rows[0] for rows in dataset.relevant])
    _, group, counts = np.unique(documents, return_inverse=True, return_counts=True)
    shuffled = rng.permutation(len(group))
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    turns = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    most = max(LEAST_PER_DOCUMENT, ceil(MOST_QUERIES / len(counts)))
    eligible = by_group[turns < most]
    order = rng.permutation(len(counts))[group[eligible]]
    return np.sort(eligible[np.argsort(order, kind="stable")][:MOST_QUERIES])


def _sampled_documents(
    dataset: EmbeddedDataset, similarity: Similarity, rng: np.random.Generator
) -> Rows:
    found = exact_search(dataset.queries, dataset.documents, k=NEAREST, similarity=similarity)
    needed = np.union1d(dataset.labelled, found)
    others = np.setdiff1d(np.arange(len(dataset.documents)), needed, assume_unique=True)
    drawn = rng.choice(others, min(len(others), max(0, MOST_DOCUMENTS - len(needed))), False)
    return np.union1d(needed, drawn)
