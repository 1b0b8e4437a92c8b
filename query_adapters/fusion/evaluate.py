"""Evaluate the learned retriever, and the default hybrids, on a dataset's own documents."""

from collections.abc import Iterator, Mapping, Sequence

from tqdm.auto import tqdm

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.evaluate import Evaluation, evaluate_run
from query_adapters.evaluation.metrics import DEFAULT_METRICS, parse_metrics
from query_adapters.evaluation.search import exact_search
from query_adapters.fusion.exact_retriever import (
    ExactRetriever,
    lexical_of,
    searched_texts,
    unit_ids,
)
from query_adapters.fusion.hybrids import (
    RANK_FUSION,
    RELATIVE_SCORES,
    reciprocal_rank_fusion,
    relative_score_fusion,
)
from query_adapters.fusion.model import DEPTH, FusionModel
from query_adapters.fusion.similarities import similarities
from query_adapters.fusion.storage import SavedFusion
from query_adapters.lexical import LexicalIndex
from query_adapters.typing import Similarity, Texts


def evaluate_fusion(
    dataset: EmbeddedDataset,
    fusion: FusionModel | SavedFusion,
    *,
    texts: RetrievalDataset,
    chunks: Texts | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    show_progress: bool = False,
) -> Evaluation:
    """Return the scores of the learned retriever over the documents of the dataset.

    It ranks as the retrievers of both integrations do on a store that holds these documents, after
    their `refresh()`; the nearest documents are found exactly.

    Args:
        dataset: The embedded dataset.
        fusion: The learned retriever, with its record or without.
        texts: The dataset's texts; with units, its corpus holds one text for each unit.
        chunks: With units, the texts of their vectors by id. Units are ranked by their best one.
        metrics: Names such as "ndcg@10".
        show_progress: Whether to show a progress bar.

    Raises:
        DimensionMismatchError: If the adapter maps vectors of another length.
        InvalidDatasetError: If texts and vectors differ in number.
        MissingExtraError: If exact words have a weight and the extra `hybrid` is not installed.
        TypeError: If `fusion` is neither a FusionModel nor a SavedFusion.
        UnknownMetricError: If a metric is unknown.
    """
    k = max(metric.k for metric in parse_metrics(metrics))
    retriever = ExactRetriever.of(fusion, dataset, texts, chunks)
    rows = range(len(texts.queries))
    ranked = tqdm(
        retriever.ranked(rows, k=k), "Ranking", total=len(rows), disable=not show_progress
    )
    rankings = [list(retriever.each_unit(found))[:k] for found in ranked]
    return _evaluation(rankings, texts, metrics)


def evaluate_hybrids(
    dataset: EmbeddedDataset,
    *,
    texts: RetrievalDataset,
    chunks: Texts | None = None,
    lexical: LexicalIndex | None = None,
    metrics: Sequence[str] = DEFAULT_METRICS,
    similarity: Similarity = "cosine",
    depth: int = DEPTH,
) -> dict[str, Evaluation]:
    """Return the scores of the frameworks' default hybrids of the base model and BM25, by name.

    They are reciprocal rank fusion and relative scores, one half each; see
    `query_adapters.fusion.hybrids`.

    Args:
        dataset: The embedded dataset.
        texts: As in `evaluate_fusion`.
        chunks: As in `evaluate_fusion`.
        lexical: An index of exact words, to save splitting texts that it holds already.
        metrics: Names such as "ndcg@10".
        similarity: What the search ranks by.
        depth: How many of the best documents either of the two contributes.

    Raises:
        InvalidDatasetError: If texts and vectors differ in number.
        MissingExtraError: If the extra `hybrid` is not installed.
        UnknownMetricError: If a metric is unknown.
    """
    k = max(metric.k for metric in parse_metrics(metrics))
    documents = searched_texts(dataset, texts, chunks)
    unit_of = unit_ids(dataset, texts, list(documents))
    words = lexical_of(documents, lexical)
    found = [
        (near, _best_words(words, question, max(k, depth)))
        for near, question in zip(
            _nearest(dataset, list(documents), similarity, depth=max(k, depth)),
            texts.queries.values(),
            strict=True,
        )
    ]
    fused = {
        RANK_FUSION: [reciprocal_rank_fusion([list(one) for one in pair]) for pair in found],
        RELATIVE_SCORES: [relative_score_fusion(pair) for pair in found],
    }
    return {
        name: _evaluation([_units(one, unit_of)[:k] for one in rankings], texts, metrics)
        for name, rankings in fused.items()
    }


def _units(ranking: Sequence[str], unit_of: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(unit_of[key] for key in ranking))


def _nearest(
    dataset: EmbeddedDataset, ids: Sequence[str], similarity: Similarity, *, depth: int
) -> Iterator[dict[str, float]]:
    """Yield the similarities of each query's nearest documents by id, best first."""
    found = exact_search(dataset.queries, dataset.documents, k=depth, similarity=similarity)
    for query, rows in zip(dataset.queries, found, strict=True):
        scores = similarities(query[None], dataset.documents[rows], similarity)[0]
        yield {ids[row]: float(score) for row, score in zip(rows.tolist(), scores, strict=True)}


def _best_words(lexical: LexicalIndex, question: str, depth: int) -> dict[str, float]:
    """Return BM25 of the documents with the best exact words by id, best first."""
    ids, scores = lexical.match(question).top(depth)
    return dict(zip(ids, scores.tolist(), strict=True))


def _evaluation(
    rankings: Sequence[Sequence[str]], texts: RetrievalDataset, metrics: Sequence[str]
) -> Evaluation:
    run = dict(zip(texts.queries, rankings, strict=True))
    qrels = {query: texts.qrels[query] for query in run}
    return evaluate_run(run, qrels, metrics=metrics, weights=texts.weights)
