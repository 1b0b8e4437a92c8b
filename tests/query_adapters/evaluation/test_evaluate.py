"""Test that evaluation from vectors and from runs gives the same values."""

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidDatasetError, UnknownMetricError
from query_adapters.evaluation import (
    METRICS,
    Similarity,
    evaluate_run,
    evaluate_vectors,
    exact_search,
)

EVERY_METRIC = [f"{name}@{k}" for name in METRICS for k in (1, 3, 10, 100)]


def random_dataset(*, seed: int, n_queries: int = 25, n_documents: int = 40) -> EmbeddedDataset:
    """Return questions with one to four relevant documents of grades 1 to 3."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 5, size=n_queries)
    return EmbeddedDataset(
        rng.normal(size=(n_queries, 6)).astype(np.float32),
        (rng.normal(size=(n_documents, 6)) * rng.uniform(1, 5, (n_documents, 1))).astype(
            np.float32
        ),
        tuple(rng.choice(n_documents, size=n, replace=False) for n in counts),
        tuple(rng.integers(1, 4, size=n).astype(np.float64) for n in counts),
    )


def as_run(dataset: EmbeddedDataset, similarity: Similarity) -> dict[str, list[str]]:
    """Return the full ranking of each question with ids instead of rows."""
    n_documents = len(dataset.documents)
    found = exact_search(dataset.queries, dataset.documents, k=n_documents, similarity=similarity)
    return {f"q{query}": [f"d{row}" for row in rows] for query, rows in enumerate(found)}


def as_qrels(dataset: EmbeddedDataset) -> dict[str, dict[str, float]]:
    judged = zip(dataset.relevant, dataset.grades, strict=True)
    return {
        f"q{query}": {f"d{row}": float(grade) for row, grade in zip(rows, grades, strict=True)}
        for query, (rows, grades) in enumerate(judged)
    }


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean"])
@pytest.mark.parametrize("seed", range(5))
def test_vectors_and_their_run_score_the_same(similarity: Similarity, seed: int) -> None:
    dataset = random_dataset(seed=seed)
    of_vectors = evaluate_vectors(dataset, metrics=EVERY_METRIC, similarity=similarity)
    of_run = evaluate_run(as_run(dataset, similarity), as_qrels(dataset), metrics=EVERY_METRIC)
    assert list(of_vectors.per_query) == list(of_run.per_query) == EVERY_METRIC
    for name, values in of_vectors.per_query.items():
        np.testing.assert_allclose(values, of_run.per_query[name], atol=1e-12, err_msg=name)


@pytest.mark.parametrize("metric", EVERY_METRIC)
def test_a_metric_does_not_depend_on_those_asked_for_with_it(metric: str) -> None:
    dataset = random_dataset(seed=7)
    alone = evaluate_vectors(dataset, metrics=[metric]).per_query[metric]
    together = evaluate_vectors(dataset, metrics=EVERY_METRIC).per_query[metric]
    np.testing.assert_allclose(alone, together, atol=1e-12)


def test_the_adapter_is_applied_to_the_questions_alone() -> None:
    swap = LinearAdapter(np.eye(2, dtype=np.float32)[::-1])
    vectors = np.eye(2, dtype=np.float32)
    dataset = EmbeddedDataset(vectors, vectors, (np.array([1]), np.array([0])))
    assert evaluate_vectors(dataset, metrics=["recall@1"]).means == {"recall@1": 0.0}
    assert evaluate_vectors(dataset, swap, metrics=["recall@1"]).means == {"recall@1": 1.0}


def test_means_are_over_the_questions_and_are_shown_with_their_number() -> None:
    result = evaluate_run(
        {"a": ["x"], "b": ["y"]}, {"a": {"x": 1}, "b": {"x": 1}}, metrics=["mrr@10"]
    )
    assert result.means == {"mrr@10": 0.5}
    assert str(result) == "mrr@10 0.500  (2 queries)"


def test_an_unknown_metric_is_refused_on_both_ways() -> None:
    with pytest.raises(UnknownMetricError):
        evaluate_vectors(random_dataset(seed=0), metrics=["ndcg"])
    with pytest.raises(UnknownMetricError):
        evaluate_run({}, {"q": {"d": 1}}, metrics=["ndcg"])


def test_with_their_texts_vectors_give_ids_a_run_and_ranks() -> None:
    dataset = random_dataset(seed=3, n_queries=9, n_documents=12)
    graded = zip(dataset.relevant, dataset.grades, strict=True)
    texts = RetrievalDataset(
        {f"q{row}": "?" for row in range(9)},
        {f"d{row}": "text" for row in range(12)},
        {
            f"q{query}": {f"d{row}": grade for row, grade in zip(rows, grades, strict=True)}
            for query, (rows, grades) in enumerate(graded)
        },
    )
    found = evaluate_vectors(dataset, metrics=["ndcg@5"], texts=texts)
    again = evaluate_run(found.run, texts.qrels, metrics=["ndcg@5"])
    assert found.query_ids == again.query_ids
    assert found.means == again.means
    assert {len(ranking) for ranking in found.run.values()} == {5}
    for query, rank in zip(found.query_ids, found.first_relevant, strict=True):
        relevant = [place for place, d in enumerate(found.run[query], 1) if d in texts.qrels[query]]
        assert rank == min(relevant, default=0)
    with pytest.raises(InvalidDatasetError, match="9 questions and 11 documents, got 9 and 12"):
        evaluate_vectors(random_dataset(seed=3, n_queries=9, n_documents=11), texts=texts)


def test_units_are_judged_by_their_best_documents_as_in_a_run() -> None:
    rng = np.random.default_rng(4)
    units = np.concatenate([np.arange(15), rng.integers(15, size=25)])
    labels = random_dataset(seed=4, n_documents=15)
    dataset = EmbeddedDataset(
        labels.queries,
        random_dataset(seed=5).documents,
        labels.relevant,
        labels.grades,
        units=units,
    )
    texts = RetrievalDataset(
        {query: query for query in as_qrels(dataset)},
        {f"d{unit}": f"unit {unit}" for unit in range(15)},
        as_qrels(dataset),
    )
    chunks = exact_search(dataset.queries, dataset.documents, k=40)
    run = {
        f"q{query}": list(dict.fromkeys(f"d{units[row]}" for row in rows))
        for query, rows in enumerate(chunks)
    }
    found = evaluate_vectors(dataset, metrics=EVERY_METRIC, texts=texts)
    expected = evaluate_run(run, as_qrels(dataset), metrics=EVERY_METRIC)
    assert found.means == pytest.approx(expected.means)
    assert found.run == run
