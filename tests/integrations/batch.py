"""Queries and documents with known vectors, and two ways to evaluate a retriever."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.typing import Run
from tests.integrations.framework import Framework

Row = Sequence[float]
N_QUERIES, N_DOCUMENTS, DIM = 12, 30, 8


def dataset_of(n_queries: int, n_documents: int) -> RetrievalDataset:
    queries = {f"q{i}": f"question {i}" for i in range(n_queries)}
    corpus = {f"d{i}": f"text {i}" for i in range(n_documents)}
    return RetrievalDataset.from_relevant_docs(queries, corpus, {q: ["d0"] for q in queries})


def model_of(framework: Framework, queries: Sequence[Row], documents: Sequence[Row]) -> Any:
    """Return a model with these vectors for the texts "question <i>" and "text <i>"."""
    known = {f"question {i}": list(row) for i, row in enumerate(queries)}
    known |= {f"text {i}": list(row) for i, row in enumerate(documents)}
    return framework.make_base(query=known.__getitem__, document=known.__getitem__)


def retriever_of(framework: Framework, model: Any, n_documents: int, k: int = 5) -> Any:
    texts = {f"d{i}": f"text {i}" for i in range(n_documents)}
    return framework.stores.retriever(framework.stores.in_memory(texts, model), k)


def one_by_one(framework: Framework, retriever: Any, dataset: RetrievalDataset) -> Run:
    return {q: framework.stores.found(retriever, text) for q, text in dataset.queries.items()}


def in_batch(
    framework: Framework, retriever: Any, dataset: RetrievalDataset, **options: Any
) -> Run:
    evaluator = framework.evaluator(retriever, ["mrr@1"], **options)
    run: Run = evaluator.evaluate_dataset(dataset).run
    return run


async def ain_batch(
    framework: Framework, retriever: Any, dataset: RetrievalDataset, **options: Any
) -> Run:
    evaluator = framework.evaluator(retriever, ["mrr@1"], **options)
    run: Run = (await evaluator.aevaluate_dataset(dataset)).run
    return run


def rows(numbers: st.SearchStrategy[float], dim: int = 3) -> st.SearchStrategy[list[list[float]]]:
    return st.lists(st.lists(numbers, min_size=dim, max_size=dim), min_size=1, max_size=12)


def random_model(framework: Framework) -> Any:
    """Return a model with random vectors for 12 queries and 30 documents."""
    rng = np.random.default_rng(0)
    queries, documents = (rng.normal(size=(n, DIM)).tolist() for n in (N_QUERIES, N_DOCUMENTS))
    return model_of(framework, queries, documents)


def random_dataset() -> RetrievalDataset:
    """Return a dataset of these documents and queries, with one query duplicated."""
    once = dataset_of(N_QUERIES, N_DOCUMENTS)
    queries = {**once.queries, "again": "question 3"}
    return RetrievalDataset.from_relevant_docs(
        queries, dict(once.corpus), {query: ["d0"] for query in queries}
    )
