"""Tests of the evaluation on a dataset: the learned retriever, and the hybrids beside it.

tests/integrations/fusion_contract.py holds its rankings to those of the live retrievers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.errors import DimensionMismatchError, InvalidDatasetError, UnknownMetricError
from query_adapters.evaluation import evaluate_run, evaluate_vectors
from query_adapters.fusion import FusionModel, ScoringHead, evaluate_fusion, evaluate_hybrids
from query_adapters.fusion.exact_retriever import lexical_of
from query_adapters.fusion.hybrids import reciprocal_rank_fusion, relative_score_fusion
from query_adapters.lexical import LexicalIndex, Tokenizer
from query_adapters.typing import Similarity
from tests.query_adapters.fusion.test_model import (
    ADAPTER,
    ANSWERS,
    DIM,
    IDS,
    TEXTS,
    TRAINING,
    VECTORS,
    WEIGHTS,
    WORDS,
    index_of,
    naive_scores,
)

N = 15
RNG = np.random.default_rng(2)
DATASET = RetrievalDataset(
    {f"q{row}": " ".join(RNG.choice(WORDS, size=4)) for row in range(N)},
    TEXTS,
    {f"q{row}": {f"d{row}": 1.0, f"d{row + 20}": 2.0} for row in range(N)},
)
EMBEDDED = EmbeddedDataset(
    RNG.normal(size=(N, DIM)).astype(np.float32),
    np.stack([VECTORS[key] for key in IDS]),
    tuple(np.array([row, row + 20]) for row in range(N)),
    tuple(np.array([1.0, 2.0]) for _ in range(N)),
)
METRICS = ["ndcg@10", "mrr@3"]


@pytest.fixture(scope="module")
def model() -> FusionModel:
    """Return a model whose features all have a weight."""
    return FusionModel(
        adapter=ADAPTER,
        head=ScoringHead(WEIGHTS),
        queries=TRAINING,
        answers=ANSWERS,
        lexical=index_of(TEXTS),
    )


def best_of_all(model: FusionModel, k: int) -> dict[str, list[str]]:
    """Return the documents with the highest scores, from the formulas of the features."""
    run = {}
    for (query, question), vector in zip(DATASET.queries.items(), EMBEDDED.queries, strict=True):
        scores = naive_scores(model, question, vector, texts=TEXTS)
        run[query] = sorted(IDS, key=lambda key: -scores[key])[:k]
    return run


@pytest.mark.parametrize("similarity", get_args(Similarity))
def test_rankings_and_scores_are_those_of_a_loop_over_all_documents(
    similarity: Similarity, model: FusionModel
) -> None:
    model = replace(model, similarity=similarity)
    found = evaluate_fusion(EMBEDDED, model, texts=DATASET, metrics=METRICS)
    assert found.run == best_of_all(model, 10)
    expected = evaluate_run(found.run, DATASET.qrels, metrics=METRICS)
    assert found.means == expected.means
    assert found.query_ids == tuple(DATASET.queries)
    assert found.first_relevant.tolist() == expected.first_relevant.tolist()


def test_as_many_documents_are_scored_as_the_metrics_count(model: FusionModel) -> None:
    alone = replace(model, head=ScoringHead({}), lexical=None, depth=3)
    found = evaluate_fusion(EMBEDDED, alone, texts=DATASET, metrics=["recall@30", "hit_rate@1"])
    assert {len(ranking) for ranking in found.run.values()} == {30}


def test_without_weights_it_is_the_adapter_alone(model: FusionModel) -> None:
    alone = replace(model, head=ScoringHead({}), lexical=None)
    found = evaluate_fusion(EMBEDDED, alone, texts=DATASET, metrics=METRICS)
    adapted = evaluate_vectors(EMBEDDED, ADAPTER, texts=DATASET, metrics=METRICS)
    assert found.run == adapted.run
    assert found.means == adapted.means


def test_exact_words_are_those_of_the_dataset_whatever_was_saved(model: FusionModel) -> None:
    other = {key: "wordc wordc" for key in IDS[:9]} | {"gone": "worda", "d30": TEXTS["d30"]}
    found = evaluate_fusion(EMBEDDED, replace(model, lexical=index_of(other)), texts=DATASET)
    assert found.run == evaluate_fusion(EMBEDDED, model, texts=DATASET).run


def test_the_order_of_the_judgements_does_not_matter(model: FusionModel) -> None:
    turned = replace(DATASET, qrels=dict(reversed([*DATASET.qrels.items()])))
    found = evaluate_fusion(EMBEDDED, model, texts=turned)
    assert found.query_ids == tuple(DATASET.queries)
    expected = evaluate_fusion(EMBEDDED, model, texts=DATASET)
    assert found.per_query["ndcg@10"].tolist() == expected.per_query["ndcg@10"].tolist()


@pytest.mark.parametrize("similarity", get_args(Similarity))
def test_hybrids_fuse_the_base_and_bm25(similarity: Similarity) -> None:
    depth, lexical = 12, index_of(TEXTS)
    options: dict[str, Any] = {"similarity": similarity, "metrics": METRICS, "depth": depth}
    found = evaluate_hybrids(EMBEDDED, texts=DATASET, lexical=lexical, **options)
    base = evaluate_vectors(
        EMBEDDED, texts=DATASET, similarity=similarity, metrics=[f"recall@{depth}"]
    ).run
    plain = FusionModel(
        adapter=LinearAdapter.identity(DIM),
        head=ScoringHead({}),
        queries=TRAINING,
        answers=ANSWERS,
        similarity=similarity,
    )
    for (query, question), vector in zip(DATASET.queries.items(), EMBEDDED.queries, strict=True):
        prepared = plain.prepared(question, vector)
        vectors = np.stack([VECTORS[key] for key in base[query]])
        ranked = plain.ranked(prepared, base[query], vectors, texts_of=list)
        near = {document.id: document.score for document in ranked}
        ids, scores = lexical.match(question).top(depth)
        words = dict(zip(ids, scores.tolist(), strict=True))
        fused = reciprocal_rank_fusion([base[query], ids])
        assert found["reciprocal rank fusion"].run[query] == fused[:10]
        assert found["relative scores"].run[query] == relative_score_fusion([near, words])[:10]
    for evaluation in found.values():
        assert (
            evaluation.means == evaluate_run(evaluation.run, DATASET.qrels, metrics=METRICS).means
        )


def test_hybrids_make_their_own_index_of_exact_words() -> None:
    own = evaluate_hybrids(EMBEDDED, texts=DATASET)
    given = evaluate_hybrids(EMBEDDED, texts=DATASET, lexical=LexicalIndex.build(blocks(IDS)))
    assert {name: one.run for name, one in own.items()} == {
        name: one.run for name, one in given.items()
    }


def blocks(ids: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    return [(list(ids), [TEXTS[key] for key in ids])]


def test_texts_that_are_known_are_not_split_again() -> None:
    class Counting(Tokenizer):
        def __call__(self, text: str) -> list[str]:
            split.append(text)
            return super().__call__(text)

    split: list[str] = []
    known = LexicalIndex.build(blocks(IDS), tokenizer=Counting())
    split.clear()
    assert lexical_of(DATASET.corpus, known) is known
    fewer = LexicalIndex.build(blocks(IDS[1:]), tokenizer=Counting())
    split.clear()
    assert set(lexical_of(DATASET.corpus, fewer).ids) == set(IDS)
    assert split == [TEXTS["d0"]]


def test_bad_input_is_refused(model: FusionModel) -> None:
    fewer = DATASET.select(["q1", "q2"])
    with pytest.raises(InvalidDatasetError, match="pass the dataset that was embedded"):
        evaluate_fusion(EMBEDDED, model, texts=fewer)
    with pytest.raises(InvalidDatasetError, match="pass the dataset that was embedded"):
        evaluate_hybrids(EMBEDDED, texts=fewer)
    with pytest.raises(UnknownMetricError, match="ndgc"):
        evaluate_fusion(EMBEDDED, model, texts=DATASET, metrics=["ndgc@10"])
    with pytest.raises(DimensionMismatchError):
        evaluate_fusion(
            EMBEDDED, replace(model, adapter=LinearAdapter.identity(DIM + 1)), texts=DATASET
        )
