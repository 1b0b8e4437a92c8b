"""Data for which the best query map is known: the inverse of a rotation."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.integrations.framework import Framework
from tests.integrations.recording import hashed

DIM = 16
MIXING = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0]
BATCH = 20


def document_vector(text: str) -> list[float]:
    vector = np.array(hashed(text, DIM))
    unit: list[float] = (vector / np.linalg.norm(vector)).tolist()
    return unit


def query_vector(text: str) -> list[float]:
    """Return the vector of "... about X": the sum of X, a fixed rotation of X and noise.

    A linear map on queries can undo the rotation and improve the ranking.
    """
    subject = np.array(document_vector(text.split(" about ")[1]))
    noise = np.array(document_vector(text))
    vector: list[float] = (MIXING @ subject + subject / 2 + noise / 2).tolist()
    return vector


def corpus_of(first: int, n_documents: int) -> dict[str, str]:
    return {f"id {i}": f"subject {i}" for i in range(first, first + n_documents)}


def make_dataset(framework: Framework, corpus: dict[str, str]) -> Any:
    """Return two questions about each document."""
    pairs = [(f"q{q} {key}", key) for key in corpus for q in range(2)]
    return framework.dataset(
        {query: f"question {query[:2]} about {corpus[key]}" for query, key in pairs},
        corpus,
        {query: [key] for query, key in pairs},
    )


DOCUMENTS, OTHERS = corpus_of(0, 120), corpus_of(1_000, 80)


def make_planted(framework: Framework, query: Callable[[str], list[float]] = query_vector) -> Any:
    """Return a recording model whose ranking a linear map improves."""
    return framework.make_base(
        model_name="planted", query=query, document=document_vector, batch_size=BATCH
    )
