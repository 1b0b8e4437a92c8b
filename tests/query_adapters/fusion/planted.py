"""Questions whose answers only one feature finds, and questions that nothing finds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.fusion.training import FusionTrainer, FusionTraining
from query_adapters.training import AdapterTrainer, TrainingResult
from query_adapters.typing import Vectors

TRAINER = AdapterTrainer(strengths=(0.3,), whitenings=(0.0,), memories=(None,), n_folds=2)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """Questions with their lexical features.

    Attributes:
        dataset: The questions.
        words: Lexical feature of every document for every question, `(n_queries, n_documents)`.
    """

    dataset: EmbeddedDataset
    words: Vectors

    def lexical(self, query: int) -> Vectors:
        """Return the lexical feature of every document for one question."""
        row: Vectors = self.words[query]
        return row


def unit_rows(rng: np.random.Generator, n: int, dim: int) -> Vectors:
    """Return random vectors at length 1."""
    vectors = rng.normal(size=(n, dim))
    units: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return units


def found_by_words(
    *, n_queries: int = 60, n_documents: int = 60, dim: int = 8, seed: int = 0
) -> Planted:
    """Return questions with random vectors, whose words are in their answer and in few others."""
    rng = np.random.default_rng(seed)
    documents, queries = unit_rows(rng, n_documents, dim), unit_rows(rng, n_queries, dim)
    answers = rng.permutation(np.arange(n_queries) % n_documents)
    shape = (n_queries, n_documents)
    words = np.where(rng.random(shape) < 0.1, rng.uniform(0, 0.6, size=shape), 0)
    words[np.arange(n_queries), answers] = rng.uniform(0.5, 1, size=n_queries)
    dataset = EmbeddedDataset(queries, documents, tuple(answers[:, None]))
    return Planted(dataset=dataset, words=words.astype(np.float32))


def found_by_nothing(*, n_queries: int = 60, seed: int = 0) -> Planted:
    """Return questions whose labels are dealt at random."""
    planted = found_by_words(n_queries=n_queries, seed=seed)
    dealt = np.random.default_rng(seed + 1_000).permutation(n_queries)
    relevant = tuple(planted.dataset.relevant[row] for row in dealt)
    return replace(planted, dataset=replace(planted.dataset, relevant=relevant))


def found_by_votes(*, n_topics: int = 20, times: int = 4, dim: int = 8, seed: int = 0) -> Planted:
    """Return questions that are asked again in similar words; document vectors are random."""
    rng = np.random.default_rng(seed)
    topics = np.repeat(unit_rows(rng, n_topics, dim), times, axis=0)
    queries = topics + 0.15 * rng.normal(size=topics.shape) / np.sqrt(dim)
    documents = unit_rows(rng, 3 * n_topics, dim)
    answers = np.repeat(rng.permutation(3 * n_topics)[:n_topics], times)
    dataset = EmbeddedDataset(queries.astype(np.float32), documents, tuple(answers[:, None]))
    words = np.zeros((len(queries), len(documents)), dtype=np.float32)
    return Planted(dataset=dataset, words=words)


def adapted_on(dataset: EmbeddedDataset, trainer: AdapterTrainer = TRAINER) -> TrainingResult:
    """Return a trained adapter."""
    return trainer.fit(dataset)


def base_kept(dataset: EmbeddedDataset, trainer: AdapterTrainer = TRAINER) -> TrainingResult:
    """Return the result of training that kept the base."""
    trained = adapted_on(dataset, trainer)
    identity = LinearAdapter.identity(dataset.dim)
    verdict = replace(trained.verdict, decision="base")
    return replace(trained, adapter=identity, chosen=None, verdict=verdict)


def trained_head(
    planted: Planted,
    *,
    trainer: AdapterTrainer = TRAINER,
    result_of: Callable[..., TrainingResult] = adapted_on,
    with_text: bool = True,
    **settings: Any,
) -> FusionTraining:
    """Return the head learned beside an adapter."""
    return FusionTrainer(trainer=trainer, **settings).fit(
        planted.dataset,
        result_of(planted.dataset, trainer),
        lexical=planted.lexical if with_text else None,
    )
