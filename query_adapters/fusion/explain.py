"""Explain the learned retriever: its weights in words, and one question part by part."""

from collections.abc import Mapping
from math import exp

import numpy as np

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation.explanation import (
    ExplainedDocument,
    ExplainedQuestion,
    PartWeight,
    RetrieverExplanation,
)
from query_adapters.evaluation.search import exact_search
from query_adapters.fusion.exact_retriever import ExactRetriever
from query_adapters.fusion.features import HUBNESS, LEXICAL, SIMILARITY, VOTES, WIDTHS
from query_adapters.fusion.head import ScoringHead
from query_adapters.fusion.model import FusionModel
from query_adapters.fusion.storage import SavedFusion, parts_of
from query_adapters.typing import Rows, Similarity, Texts

SHOWN = 5  # documents of an explained question, without the relevant ones further down
WORDS_PART, VOTES_PART = "exact words", "votes"
PART_OF = {LEXICAL: WORDS_PART, **dict.fromkeys(VOTES, VOTES_PART)}
"""Names of parts in reports, where they differ from the features'; votes are one part."""


def explain_fusion(
    dataset: EmbeddedDataset,
    fusion: FusionModel | SavedFusion,
    *,
    texts: RetrievalDataset,
    chunks: Texts | None = None,
    query_id: str | None = None,
) -> RetrieverExplanation:
    """Return the weights of the learned retriever in words, and how it ranks one question.

    Args:
        dataset: The embedded dataset.
        fusion: The learned retriever; with its record, the verdict of training is told as well.
        texts: The dataset's texts; with units, its corpus holds one text for each unit.
        chunks: With units, the texts of their vectors by id. The best one of each unit is shown.
        query_id: Id of a question of the dataset; None for the weights alone.

    Raises:
        InvalidDatasetError: If the dataset lacks the question, or texts and vectors differ in
            number.
        MissingExtraError: If exact words have a weight and the extra `hybrid` is not installed.
        TypeError: If `fusion` is neither a FusionModel nor a SavedFusion.
    """
    model, saved = parts_of(fusion)
    return RetrieverExplanation(
        weights=weights_in_words(model.head),
        example=None if query_id is None else _example(dataset, model, texts, chunks, query_id),
        verdict=saved.record.training.get("retriever", {}).get("verdict", ""),
    )


def weights_in_words(head: ScoringHead) -> tuple[PartWeight, ...]:
    """Return the weights of a scoring head with what they say."""
    unit = PartWeight(part=SIMILARITY, weight=1.0, meaning="The unit of the other weights.")
    absent = _without_weights() if head.is_zero else _without_this_one()
    others = [
        PartWeight(
            part=_label(name), weight=weight, meaning=_meaning(name, weight) if weight else absent
        )
        for name, weight in head.by_name.items()
    ]
    return unit, *others


def _without_weights() -> str:
    return "No part in the score: no weights were shown to gain over the similarity alone."


def _without_this_one() -> str:
    return "No part in the score: the weights that did best on held-out questions leave it out."


def _label(name: str) -> str:
    if name in VOTES:
        return f"{VOTES_PART} (β = {WIDTHS[VOTES.index(name)]:g})"
    return PART_OF.get(name, name)


def _meaning(name: str, weight: float) -> str:
    if name == LEXICAL:
        return (
            "The document with the best exact words gains as much as by a similarity that is "
            f"higher by {weight:.2g}."
        )
    if name == HUBNESS:
        return (
            f"A document loses {0.1 * weight:.2g} for each 0.1 that its similarity to the five "
            "nearest training questions is higher."
        )
    alike = weight * exp(-0.2 * WIDTHS[VOTES.index(name)])
    return (
        f"A training question in the same words adds {weight:.2g} to its answers, one at a cosine "
        f"of 0.8 adds {alike:.2g}."
    )


def _example(
    dataset: EmbeddedDataset,
    fusion: FusionModel,
    texts: RetrievalDataset,
    chunks: Texts | None,
    query_id: str,
) -> ExplainedQuestion:
    if query_id not in texts.queries:
        raise InvalidDatasetError(
            f"query_id: expected a question of the dataset, got {query_id!r}; its ids are such as "
            f"{next(iter(texts.queries))!r}"
        )
    row, relevant = list(texts.queries).index(query_id), texts.qrels[query_id]
    retriever = ExactRetriever.of(fusion, dataset, texts, chunks)
    ranked = retriever.each_unit(next(retriever.ranked([row], k=SHOWN)))
    ranks = dict(zip(texts.corpus, _base_ranks(dataset, row, fusion.similarity), strict=True))
    documents = [
        ExplainedDocument(
            id=unit,
            text=retriever.documents[one.id],
            is_relevant=unit in relevant,
            rank_before=int(ranks[unit]),
            rank=rank,
            score=one.score,
            parts=_by_part(one.parts),
        )
        for rank, (unit, one) in enumerate(ranked.items(), start=1)
        if rank <= SHOWN or unit in relevant or ranks[unit] == 1
    ]
    return ExplainedQuestion(question=texts.queries[query_id], documents=tuple(documents))


def _base_ranks(dataset: EmbeddedDataset, row: int, similarity: Similarity) -> Rows:
    """Return the rank of every document or unit by the base model, from 1, `(n_units,)`."""
    n, query = dataset.n_units, dataset.queries[row : row + 1]
    found = exact_search(query, dataset.documents, k=n, similarity=similarity, units=dataset.units)[
        0
    ]
    ranks = np.empty(n, dtype=np.int64)
    ranks[found] = np.arange(1, n + 1)
    return ranks


def _by_part(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the features' shares of a score by part of a report."""
    sums: dict[str, float] = {}
    for name, value in parts.items():
        part = PART_OF.get(name, name)
        sums[part] = sums.get(part, 0.0) + value
    return sums
