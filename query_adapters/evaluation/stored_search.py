"""Evaluate an embedding model by exact search over vectors that an index already stores."""

import warnings
from collections.abc import Collection, Sequence

from query_adapters.data.dataset import QADataset, RetrievalDataset, to_retrieval_dataset
from query_adapters.data.units import Units
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import EvaluationWarning, InvalidDatasetError
from query_adapters.evaluation.evaluate import Evaluation, evaluate_run
from query_adapters.evaluation.metrics import parse_metrics
from query_adapters.evaluation.search import search_run
from query_adapters.typing import Similarity, Vectors


def evaluate_stored_vectors(
    dataset: RetrievalDataset | QADataset,
    embedder: TextEmbedder,
    *,
    ids: Sequence[str],
    vectors: Vectors,
    similarity: Similarity | None,
    metrics: Sequence[str],
    units: Units | None = None,
) -> Evaluation:
    """Return the scores of exact search over stored document vectors.

    Args:
        dataset: Queries with their relevant documents.
        embedder: Embeds the queries: the base model, or one with an adapter.
        ids: Ids of the stored documents.
        vectors: Their vectors, `(len(ids), dim)`.
        similarity: What the store ranks by; None for cosine.
        metrics: Names such as "ndcg@10".
        units: Units of the documents, if labels are on units: they are ranked instead, each by
            its best document.

    Raises:
        InvalidDatasetError: If no relevant document is stored.
        DimensionMismatchError: If the model's vectors differ in length from the stored ones.
        UnknownMetricError: If a metric is unknown, or has no cut-off.
    """
    depth = max(metric.k for metric in parse_metrics(metrics))
    texts = to_retrieval_dataset(dataset)
    _check_ids(texts.labelled_documents, ids if units is None else units.ids)
    queries = embedder.embed_queries(list(texts.queries.values()))
    run = search_run(
        dict(zip(texts.queries, queries, strict=True)),
        ids,
        vectors,
        k=depth,
        similarity=similarity or "cosine",
        units=units,
    )
    return evaluate_run(run, texts.qrels, metrics=metrics, weights=texts.weights)


def _check_ids(relevant: Sequence[str], stored: Sequence[str]) -> None:
    """Warn of relevant documents that are not stored; refuse if none is."""
    known: Collection[str] = set(stored)
    absent = [key for key in relevant if key not in known]
    if not absent:
        return
    problem = (
        f"expected the dataset's relevant documents in the index, got {len(absent)} of "
        f"{len(relevant)} that are not in it, such as {absent[0]!r}, where the index has "
        f"{stored[0]!r}; "
    )
    if len(absent) == len(relevant):
        raise InvalidDatasetError(
            f"{problem}make the dataset of the index's documents, by their ids"
        )
    warnings.warn(
        f"{problem}they count as not found: pass the index that holds them, or leave those "
        "queries out",
        EvaluationWarning,
        stacklevel=4,
    )
