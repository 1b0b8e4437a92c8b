"""Tests of learning the head: kept where a feature finds answers, and not where nothing does."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from query_adapters.adapters import LinearAdapter
from query_adapters.data.embedded import EmbeddedDataset
from query_adapters.evaluation.judging import judge_rows
from query_adapters.evaluation.metrics import Metric
from query_adapters.fusion import FusionModel, ScoringHead
from query_adapters.fusion.similarities import similarities
from query_adapters.fusion.training import FusionTrainer
from query_adapters.typing import Rows, Values, Vectors
from tests.query_adapters.conftest import rotated
from tests.query_adapters.fusion.planted import (
    TRAINER,
    Planted,
    base_kept,
    found_by_nothing,
    found_by_votes,
    found_by_words,
    trained_head,
)

SEEN = replace(TRAINER, seen_share=1.0)  # the same documents are asked for again


def ndcg(ranking: Rows, dataset: EmbeddedDataset) -> float:
    scores = Metric.parse("ndcg@10")(judge_rows(ranking, dataset.relevant, dataset.grades))
    return float(scores.mean())


def best(scores: Values | Vectors) -> Rows:
    ranking: Rows = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    return ranking


def one_answer_each(**settings: Any) -> Planted:
    """Return questions that one rotation finds, each with a document of its own, without words."""
    queries, documents, rows = rotated(n_documents=80, n_queries=80, noise=0.5, **settings)
    dataset = EmbeddedDataset(queries, documents, tuple(np.array([row]) for row in rows))
    return Planted(dataset=dataset, words=np.zeros((80, 80), dtype=np.float32))


def test_a_unit_of_one_vector_is_a_document() -> None:
    planted = found_by_votes()
    units = np.arange(len(planted.dataset.documents))
    labelled = replace(planted, dataset=replace(planted.dataset, units=units))
    on_documents, on_units = (trained_head(one, trainer=SEEN) for one in (planted, labelled))
    np.testing.assert_allclose(on_units.head.weights, on_documents.head.weights, rtol=1e-6)
    assert on_units.expected_gain == on_documents.expected_gain


@pytest.mark.parametrize("seed", [0, 1])
def test_where_exact_words_find_the_answer_they_get_a_weight_that_helps_new_questions(
    seed: int,
) -> None:
    training = trained_head(found_by_words(seed=seed))
    assert (training.decision, training.selection.is_kept) == ("retriever", True)
    assert training.head.by_name["lexical"] > 0
    assert training.expected_gain is not None
    assert training.expected_gain.low > 0.5
    fresh = found_by_words(seed=seed + 100)
    alone = similarities(fresh.dataset.queries, fresh.dataset.documents, "cosine")
    learned = best(alone + training.head.by_name["lexical"] * fresh.words)
    gain = ndcg(learned, fresh.dataset) - ndcg(best(alone), fresh.dataset)
    assert gain == pytest.approx(training.expected_gain.mean, abs=0.15)


@pytest.mark.slow
def test_where_labels_are_dealt_at_random_hardly_any_head_is_kept() -> None:
    kept = [
        trained_head(found_by_nothing(n_queries=40, seed=seed), result_of=base_kept)
        for seed in range(10)
    ]
    assert sum(training.selection.is_kept for training in kept) <= 2
    for training in kept:
        assert training.head.is_zero != training.selection.is_kept
        assert training.decision == ("retriever" if training.selection.is_kept else "base")


def test_where_the_same_is_asked_again_votes_get_a_weight_that_helps_new_questions() -> None:
    whole = found_by_votes(times=5)
    data, is_new = whole.dataset, np.arange(100) % 5 == 0
    asked, new = data.select(np.flatnonzero(~is_new)), data.select(np.flatnonzero(is_new))
    training = trained_head(replace(whole, dataset=asked), trainer=SEEN, result_of=base_kept)
    assert training.decision == "retriever"
    assert training.head.has_votes
    assert training.head.by_name["lexical"] == 0
    model = FusionModel(
        adapter=LinearAdapter.identity(data.dim),
        head=training.head,
        queries=asked.queries,
        answers=tuple((str(rows[0]),) for rows in asked.relevant),
    )
    ids = [str(row) for row in range(len(data.documents))]
    rankings = [
        model.ranked(model.prepared("", query), ids, data.documents, texts_of=lambda _: [])
        for query in new.queries
    ]
    learned = ndcg(np.array([[int(row.id) for row in found[:10]] for found in rankings]), new)
    alone = ndcg(best(similarities(new.queries, new.documents, "cosine")), new)
    assert learned > alone + 0.5


def test_votes_do_not_help_where_every_document_is_new() -> None:
    unseen = replace(TRAINER, seen_share=0.0)
    training = trained_head(found_by_votes(), trainer=unseen, result_of=base_kept)
    assert not training.head.has_votes


def test_where_features_add_nothing_the_adapter_stays_alone() -> None:
    training = trained_head(one_answer_each())
    assert training.selection.chosen is not None
    assert training.selection.chosen.candidate == ()
    assert training.head.is_zero
    assert training.decision == "adapter"
    text = str(training)
    assert text.startswith("Keep the adapter alone.\nExpected gain over the base model: +0.0")
    assert "Weights beside the similarity: none." in text


def test_the_verdict_of_a_kept_head_in_words() -> None:
    training = trained_head(found_by_words())
    gain = training.expected_gain
    assert gain is not None
    lines = str(training).splitlines()
    assert lines[0] == "Use the learned retriever."
    assert lines[1] == (
        f"Expected gain over the base model: {gain.mean:+.3f} ndcg@10, 95 % interval "
        f"[{gain.low:+.3f}, {gain.high:+.3f}] (out-of-fold, 60 training questions)."
    )
    assert (
        lines[2]
        == f"Confidence: p = {training.p_value:.2g}, selection among 5 candidates included."
    )
    assert lines[3].startswith("By kind of question: +0.")
    weight = training.head.by_name["lexical"]
    assert lines[4] == f"Weights beside the similarity: lexical {weight:.2g}."
    assert lines[5] == "Next step: deploy it, and measure it once on held-out questions."


def test_a_head_that_is_not_kept_has_no_weights_and_says_what_the_best_candidate_gained() -> None:
    training = trained_head(found_by_nothing(), result_of=base_kept)
    assert not training.selection.is_kept
    assert training.head.is_zero
    assert training.p_value is not None
    assert training.p_value > 0.025
    text = str(training)
    assert text.startswith("Keep the base model alone.\nExpected gain of the best candidate over")
    assert "Weights beside the similarity: none." in text


@pytest.mark.parametrize("n_queries", [1, 2])
def test_too_few_questions_keep_the_adapter_alone(n_queries: int) -> None:
    whole = found_by_words()
    same = tuple(whole.dataset.relevant[0] for _ in range(n_queries))
    rows = np.arange(n_queries)
    dataset = replace(
        whole.dataset.select(rows), relevant=same, query_groups=np.zeros(n_queries, np.int64)
    )
    training = trained_head(replace(whole, dataset=dataset))
    assert training.head.is_zero
    assert training.expected_gain is None
    assert training.p_value is None
    assert "not measured; there are too few questions" in str(training)
    assert "label more questions, at least about 50" in training.advice
    assert training.decision == "base"


@pytest.mark.parametrize("n_queries", [2, 3, 7])
def test_a_handful_of_questions_is_enough_to_run(n_queries: int) -> None:
    training = trained_head(found_by_words(n_queries=n_queries, n_documents=20))
    assert np.isfinite(training.head.weights).all()
    assert training.n_queries == n_queries


def test_without_texts_exact_words_are_no_candidate() -> None:
    training = trained_head(found_by_words(), with_text=False)
    assert training.selection.n_candidates == 4
    assert training.head.by_name["lexical"] == 0


@pytest.mark.parametrize("guard", ["off", "expected"])
def test_another_guard_is_followed_and_named(guard: Any) -> None:
    trainer = replace(TRAINER, guard=guard)
    kept = trained_head(found_by_words(), trainer=trainer)
    assert kept.decision == "retriever"
    assert f'Guard: "{guard}", ' in str(kept)
    assert kept.advice == "deploy it, and measure it once on held-out questions"


def test_guard_off_keeps_a_head_that_strict_refuses_and_says_that_nothing_is_proved() -> None:
    planted = found_by_nothing(seed=5)
    strict = trained_head(planted, result_of=base_kept)
    off = trained_head(planted, trainer=replace(TRAINER, guard="off"), result_of=base_kept)
    assert (strict.decision, off.decision) == ("base", "retriever")
    assert not off.head.is_zero
    assert str(off).startswith('Learned retriever kept without proof of a gain (guard="off").')
    assert off.advice == "compare it with the base on held-out questions before you deploy it"


def test_the_same_seed_gives_the_same_weights() -> None:
    planted = found_by_words()
    one, other = trained_head(planted), trained_head(planted)
    assert one.head.weights.tolist() == other.head.weights.tolist()
    assert one.p_value == other.p_value


@pytest.mark.parametrize(("share", "is_kept"), [(0.7, True), (0.97, False)])
def test_the_strict_guard_keeps_what_chance_explains_in_one_case_of_forty(
    share: float, is_kept: bool
) -> None:
    planted = found_by_words(n_queries=40)
    is_other = np.random.default_rng(3).random((40, 1)) < share  # words of another question
    words = np.where(is_other, planted.words[::-1], planted.words)
    training = trained_head(replace(planted, words=words), result_of=base_kept)
    assert training.p_value is not None
    assert training.selection.is_kept == (training.p_value <= 0.025) == is_kept


def test_of_many_questions_evenly_spaced_ones_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("query_adapters.fusion.training.MAX_QUERIES", 25)
    planted = found_by_words(n_queries=60)
    asked = []

    def lexical(query: int) -> Vectors:
        asked.append(query)
        return planted.lexical(query)

    trained = TRAINER.fit(planted.dataset)
    training = FusionTrainer(trainer=TRAINER).fit(planted.dataset, trained, lexical=lexical)
    assert training.n_queries == 20
    assert sorted(set(asked)) == list(range(0, 60, 3))
    assert training.head.by_name["lexical"] > 0
    assert "20 training questions" in str(training)


def test_votes_weigh_less_where_more_questions_vote_than_weights_were_fitted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = found_by_votes(times=6)
    every_second = whole.dataset.select(np.arange(0, len(whole.dataset.queries), 2))
    of_half = trained_head(replace(whole, dataset=every_second), trainer=SEEN, result_of=base_kept)
    monkeypatch.setattr("query_adapters.fusion.training.MAX_QUERIES", len(every_second.queries))
    of_all = trained_head(whole, trainer=SEEN, result_of=base_kept)
    assert of_all.n_queries == of_half.n_queries == len(every_second.queries)
    assert of_half.head.has_votes
    for name, weight in of_half.head.by_name.items():
        assert of_all.head.by_name[name] == pytest.approx(weight * (0.5 if "votes" in name else 1))


def test_over_an_adapter_to_refine_gains_are_over_that_adapter() -> None:
    planted = found_by_words(n_queries=40)
    start = LinearAdapter(np.random.default_rng(0).normal(size=(8, 8)))
    trained = TRAINER.fit(planted.dataset, start=start)
    training = FusionTrainer(trainer=TRAINER).fit(
        planted.dataset, trained, lexical=planted.lexical, start=start
    )
    assert training.decision == "retriever"
    assert "Expected gain over the original adapter: +" in str(training)


def test_the_adapter_to_refine_is_what_scores_questions_if_no_other_was_kept() -> None:
    documents = one_answer_each().dataset.documents
    data = EmbeddedDataset(documents, documents, tuple(np.arange(80)[:, None]))  # the base is right
    start = LinearAdapter(np.linalg.qr(np.random.default_rng(5).normal(size=(8, 8)))[0])
    kept = replace(TRAINER.fit(data), adapter=start, chosen=None, reference="start")
    training = FusionTrainer(trainer=TRAINER).fit(data, kept, lexical=None, start=start)
    assert training.expected_gain is not None
    assert training.expected_gain.mean < 0.1  # alone it gains nothing over itself


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_every_similarity_learns_where_words_find_the_answer(similarity: Any) -> None:
    trainer = replace(TRAINER, similarity=similarity)
    training = trained_head(found_by_words(n_queries=40), trainer=trainer, result_of=base_kept)
    assert training.decision == "retriever"
    assert training.head.by_name["lexical"] > 0


def test_the_record_holds_verdict_and_weights_as_json() -> None:
    training = trained_head(found_by_words(n_queries=40))
    record = json.loads(json.dumps(training.to_record()))
    assert record["verdict"] == str(training)
    assert record["decision"] == "retriever"
    assert record["n_queries"] == 40
    assert ScoringHead.from_record(record["weights"]).weights.tolist() == (
        training.head.weights.tolist()
    )
    assert record["elapsed_seconds"] >= 0
