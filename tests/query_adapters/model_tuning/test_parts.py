"""Tests of the parts: loss, training rows, weight interpolation and evaluator."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.data.embedded import EmbeddedDataset, embed_dataset
from query_adapters.data.splits import document_groups
from query_adapters.embedders import SentenceTransformerEmbedder
from query_adapters.evaluation import evaluate_vectors
from query_adapters.model_tuning import TowerResult, TowerSettings
from query_adapters.model_tuning.decision import Judge
from query_adapters.model_tuning.evaluator import HeldOutEvaluator, looks
from query_adapters.model_tuning.lora import add_lora, folded
from query_adapters.model_tuning.models import copy_of, interpolated
from query_adapters.model_tuning.pairs import pairs, with_negatives
from query_adapters.model_tuning.query_loss import FrozenDocumentsLoss

pytestmark = pytest.mark.slow

SMALL = RetrievalDataset(
    {"q1": "asked1 asked2", "q2": "asked3", "q3": "asked4 asked5"},
    {"d1": "said1 said2", "d2": "said3", "d3": "said4 said5", "d4": "said6", "d5": "said7"},
    {"q1": {"d1": 1, "d3": 2}, "q2": {"d2": 1}, "q3": {"d3": 1}},
)


def unit(vector: NDArray[Any]) -> NDArray[Any]:
    directed: NDArray[Any] = vector / np.linalg.norm(vector)
    return directed


@pytest.mark.parametrize("use_all_docs", [True, False])
def test_the_loss_is_the_formula(base: SentenceTransformer, use_all_docs: bool) -> None:
    rng = np.random.default_rng(0)
    embedded = EmbeddedDataset(
        rng.normal(size=(3, 32)).astype(np.float32),
        rng.normal(size=(5, 32)).astype(np.float32),
        tuple(np.array(rows) for rows in ([0, 2], [1], [2])),
    )
    loss = FrozenDocumentsLoss(
        base, embedded, ranking="cosine", pull=0.3, use_all_docs=use_all_docs
    )
    base.eval()
    rows, texts = [2, 0], ["asked4 asked5", "asked1 asked2"]
    features = base.preprocess(texts)
    with torch.no_grad():
        actual = float(loss([features], torch.tensor(rows)))
    total = 0.0
    for text, row in zip(texts, rows, strict=True):
        query = unit(np.asarray(base.encode(text), dtype=np.float64))
        score = {d: 20 * query @ unit(embedded.documents[d]) for d in (0, 1, 2)}  # labelled rows
        relevant = list(embedded.relevant[row])
        against = sum(np.exp(score[d]) for d in score if d not in relevant)
        positives = relevant if use_all_docs else relevant[:1]
        terms = [-np.log(np.exp(score[d]) / (np.exp(score[d]) + against)) for d in positives]
        pull = 0.3 * np.sum((query - unit(embedded.queries[row])) ** 2)
        total += np.mean(terms) + pull
    assert actual == pytest.approx(total / 2, rel=1e-5)


def test_a_question_whose_documents_are_all_relevant_costs_nothing(
    base: SentenceTransformer,
) -> None:
    vectors = np.eye(2, 32, dtype=np.float32)
    embedded = EmbeddedDataset(vectors[:1], vectors, (np.array([0, 1]),))
    loss = FrozenDocumentsLoss(base, embedded, ranking="dot", pull=0.0)
    value = loss([base.preprocess(["asked1"])], torch.tensor([0]))
    value.backward()
    assert float(value.detach()) == 0
    assert all(torch.isfinite(p.grad).all() for p in base.parameters() if p.grad is not None)


def test_every_relevant_document_is_a_pair_or_the_first_alone() -> None:
    every = pairs(SMALL, use_all_docs=True)
    assert list(zip(every["anchor"], every["positive"], strict=True)) == [
        ("asked1 asked2", "said1 said2"),
        ("asked1 asked2", "said4 said5"),
        ("asked3", "said3"),
        ("asked4 asked5", "said4 said5"),
    ]
    assert pairs(SMALL, use_all_docs=False)["positive"] == ["said1 said2", "said3", "said4 said5"]


def test_hard_negatives_are_never_relevant_and_no_pair_is_lost(
    full: TowerResult, toy: RetrievalDataset
) -> None:
    knowing = SentenceTransformer(str(full.folder), device="cpu")
    rows = pairs(toy, use_all_docs=True)
    mined = with_negatives(rows, toy, knowing, TowerSettings(hard_negatives=2))
    parts = list(mined.values()) if isinstance(mined, dict) else [mined]
    relevant = set(zip(rows["anchor"], rows["positive"], strict=True))
    kept = {pair for part in parts for pair in zip(part["anchor"], part["positive"], strict=True)}
    assert kept == relevant
    negatives = {
        (row["anchor"], row["negative"]) for part in parts for row in part if "negative" in row
    }
    assert negatives
    assert not negatives & relevant
    assert {text for _, text in negatives} <= set(toy.corpus.values())


def test_where_nothing_can_be_mined_the_pairs_stay(base: SentenceTransformer) -> None:
    one = RetrievalDataset({"q": "asked1"}, {"d": "said1"}, {"q": {"d": 1}})
    rows = pairs(one, use_all_docs=True)
    mined = with_negatives(rows, one, base, TowerSettings(hard_negatives=1))
    assert mined is rows


def test_weights_lie_as_far_between_as_asked(base: SentenceTransformer, tiny: str) -> None:
    tuned = SentenceTransformer(tiny, device="cpu")
    with torch.no_grad():
        for parameter in tuned.parameters():
            parameter.add_(1)
    start = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    mixed = interpolated(base, tuned, 0.25)
    for name, tensor in mixed.state_dict().items():
        torch.testing.assert_close(tensor, start[name] + 0.25, msg=name)
    assert interpolated(base, tuned, 1.0) is tuned
    assert all(torch.equal(tensor, start[name]) for name, tensor in base.state_dict().items())


def test_folded_updates_give_the_vectors_that_they_gave_apart(
    base: SentenceTransformer, tiny: str
) -> None:
    trained = SentenceTransformer(tiny, device="cpu")
    add_lora(trained, 4)
    with torch.no_grad():
        for name, parameter in trained.named_parameters():
            if "lora_B" in name:
                parameter.add_(0.1)
    trained.eval()
    texts = ["asked1 asked2 asked3", "said4"]
    apart = trained.encode(texts)
    assert not np.allclose(apart, base.encode(texts), atol=1e-3)
    np.testing.assert_allclose(folded(base, trained).encode(texts), apart, atol=1e-5)


def test_the_guides_evaluator_and_ours_agree(
    base: SentenceTransformer, toy: RetrievalDataset
) -> None:
    evaluator = InformationRetrievalEvaluator(
        dict(toy.queries),
        dict(toy.corpus),
        {query: set(grades) for query, grades in toy.qrels.items()},
        mrr_at_k=[5, 10],
        ndcg_at_k=[5, 10],
        accuracy_at_k=[1, 5],
        precision_recall_at_k=[3, 10],
        map_at_k=[100],
        write_csv=False,
    )
    theirs = evaluator(base)
    names = {
        "cosine_accuracy@1": "hit_rate@1",
        "cosine_accuracy@5": "hit_rate@5",
        "cosine_precision@3": "precision@3",
        "cosine_recall@10": "recall@10",
        "cosine_mrr@5": "mrr@5",
        "cosine_mrr@10": "mrr@10",
        "cosine_ndcg@5": "ndcg@5",
        "cosine_ndcg@10": "ndcg@10",
        "cosine_map@100": "map@100",
    }
    embedder = SentenceTransformerEmbedder.from_model(base, model_name="m")
    ours = evaluate_vectors(embed_dataset(toy, embedder), metrics=tuple(names.values())).means
    assert {ours[name] for name in names.values()} != {0.0}
    for there, here in names.items():
        assert ours[here] == pytest.approx(theirs[there], abs=1e-6), here


def test_the_evaluator_keeps_each_questions_value_and_takes_stored_vectors(
    base: SentenceTransformer, toy: RetrievalDataset, tmp_path: Path
) -> None:
    documents = base.encode_document(list(toy.corpus.values()))
    own = HeldOutEvaluator(toy)(base)
    stored = HeldOutEvaluator(toy, documents=documents)(base, str(tmp_path), 1, 7)
    assert stored["ndcg@10"] == pytest.approx(own["held-out_cosine_ndcg@10"], abs=1e-6)
    nowhere = np.zeros_like(documents)
    assert HeldOutEvaluator(toy, documents=nowhere)(base)["ndcg@10"] != own["ndcg@10"]
    (values,) = looks(tmp_path)
    expected = evaluate_vectors(
        embed_dataset(toy, SentenceTransformerEmbedder.from_model(base, model_name="m"))
    ).per_query["ndcg@10"]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_the_judge_allows_for_the_looks_at_the_model(
    base: SentenceTransformer, toy: RetrievalDataset
) -> None:
    worse = copy_of(base)
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in worse.parameters():
            weights.add_(0.02 * torch.randn_like(weights))
    judge = Judge(held_out=toy, stored={})
    before = judge.evaluate(worse).per_query["ndcg@10"]
    rng = np.random.default_rng(0)
    others = [before + rng.normal(size=len(before)) for _ in range(20)]
    unseen, seen = (
        judge.judge(worse, base, interpolations=[1.0], looks=looks, keep_base_if_worse=True)
        for looks in ([], others)
    )
    assert unseen.p_value is not None
    assert seen.p_value is not None
    assert unseen.p_value < 0.05
    assert seen.p_value > 3 * unseen.p_value
    assert seen.comparison == unseen.comparison
    assert seen.comparison["ndcg@10"].n_groups == len(np.unique(document_groups(toy)))


def test_the_embedders_identity_changes_with_weights_prompts_and_length(
    base: SentenceTransformer,
) -> None:
    embedder = SentenceTransformerEmbedder.from_model(base, model_name="m")
    seen = {embedder.identity}
    assert embedder.identity in seen
    base.max_seq_length = 9
    seen.add(embedder.identity)
    base.prompts["query"] = "filler0 "
    seen.add(embedder.identity)
    with torch.no_grad():
        next(base.parameters())[0, 0] += 1
    seen.add(embedder.identity)
    assert len(seen) == 4
    assert embedder.embed_documents([]).shape == (0, 0)
    assert not np.allclose(embedder.embed_queries(["said1"]), embedder.embed_documents(["said1"]))
