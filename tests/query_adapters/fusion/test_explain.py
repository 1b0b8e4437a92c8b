"""Tests of the explanations: parts, ranks and words against the formulas and the rankings."""

import re
from dataclasses import replace
from math import exp

import numpy as np
import pytest

from query_adapters.adapters.storage import AdapterRecord, SavedAdapter
from query_adapters.errors import InvalidDatasetError
from query_adapters.evaluation import exact_search
from query_adapters.evaluation.explanation import ExplainedDocument, ExplainedQuestion
from query_adapters.fusion import (
    FusionModel,
    SavedFusion,
    ScoringHead,
    evaluate_fusion,
    explain_fusion,
)
from query_adapters.fusion.explain import weights_in_words
from tests.query_adapters.fusion.test_evaluate import DATASET, EMBEDDED
from tests.query_adapters.fusion.test_model import (
    ADAPTER,
    ANSWERS,
    IDS,
    TEXTS,
    TRAINING,
    WEIGHTS,
    index_of,
    naive_scores,
)

ROW, QUERY = 4, "q4"


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


def example_of(model: FusionModel, query: str = QUERY) -> ExplainedQuestion:
    example = explain_fusion(EMBEDDED, model, texts=DATASET, query_id=query).example
    assert example is not None
    return example


def test_the_best_documents_and_the_relevant_ones_are_shown_with_their_ranks(
    model: FusionModel,
) -> None:
    example = example_of(model)
    assert example.question == DATASET.queries[QUERY]
    order = evaluate_fusion(EMBEDDED, model, texts=DATASET, metrics=["recall@40"]).run[QUERY]
    near = exact_search(EMBEDDED.queries[[ROW]], EMBEDDED.documents, k=len(IDS))[0].tolist()
    wanted = {*order[:5], *DATASET.qrels[QUERY], IDS[near[0]]}
    assert [one.id for one in example.documents] == [key for key in order if key in wanted]
    for one in example.documents:
        assert one.rank == order.index(one.id) + 1
        assert one.rank_before == near.index(IDS.index(one.id)) + 1
        assert one.is_relevant == (one.id in DATASET.qrels[QUERY])
        assert one.text == TEXTS[one.id]
    assert any(one.rank != one.rank_before for one in example.documents)


def test_the_parts_add_up_to_the_score_and_votes_are_one_of_them(model: FusionModel) -> None:
    scores = naive_scores(model, DATASET.queries[QUERY], EMBEDDED.queries[ROW], texts=TEXTS)
    for one in example_of(model).documents:
        assert list(one.parts) == ["similarity", "exact words", "votes", "hubness"]
        assert sum(one.parts.values()) == pytest.approx(one.score, abs=1e-9)
        assert one.score == pytest.approx(scores[one.id], rel=1e-4, abs=1e-5)
    plain = replace(model, head=ScoringHead({"votes_10": 0.3}), lexical=None)
    assert {tuple(one.parts) for one in example_of(plain).documents} == {("similarity", "votes")}


def test_the_lead_over_the_first_of_the_base_is_told_part_by_part() -> None:
    best = ExplainedDocument(
        id="a",
        text="",
        is_relevant=True,
        rank_before=2,
        rank=1,
        score=0.9,
        parts={"similarity": 0.5, "votes": 0.4},
    )
    parts = {"similarity": 0.7, "votes": 0.0}
    before = replace(best, id="b", rank_before=1, rank=2, score=0.7, parts=parts)
    example = ExplainedQuestion(question="", documents=(best, before))
    assert example.overtaken == pytest.approx({"similarity": -0.2, "votes": 0.4})
    first_already = replace(best, rank_before=1)
    assert ExplainedQuestion(question="", documents=(first_already,)).overtaken == {}


def test_without_a_question_the_weights_alone_are_explained(model: FusionModel) -> None:
    explained = explain_fusion(EMBEDDED, model, texts=DATASET)
    assert (explained.example, explained.verdict) == (None, "")
    assert explained.weights == weights_in_words(model.head)


def test_a_saved_retriever_brings_its_verdict(model: FusionModel) -> None:
    record = AdapterRecord(training={"retriever": {"verdict": "Use it."}})
    saved = SavedFusion(model=model, saved=SavedAdapter(adapter=ADAPTER, record=record))
    assert explain_fusion(EMBEDDED, saved, texts=DATASET).verdict == "Use it."
    evaluated = evaluate_fusion(EMBEDDED, saved, texts=DATASET)
    assert evaluated.run == evaluate_fusion(EMBEDDED, model, texts=DATASET).run


def test_weights_are_in_words_and_in_units_of_the_similarity() -> None:
    weights = {one.part: one for one in weights_in_words(ScoringHead(WEIGHTS))}
    assert list(weights) == [
        "similarity", "exact words", "votes (β = 5)", "votes (β = 10)", "votes (β = 20)", "hubness"
    ]  # fmt: skip
    assert [one.weight for one in weights.values()] == [1.0, *WEIGHTS]
    assert "higher by 0.7." in weights["exact words"].meaning
    assert "loses 0.05 for each 0.1" in weights["hubness"].meaning
    for width, weight in ((5, 0.3), (10, 0.2), (20, 0.1)):
        found = re.findall(r"adds ([\d.e-]+\d)", weights[f"votes (β = {width})"].meaning)
        assert [float(one) for one in found] == pytest.approx(
            [weight, weight * exp(-width * 0.2)], rel=0.05
        )


def test_a_weight_of_0_says_why() -> None:
    some = {one.part: one.meaning for one in weights_in_words(ScoringHead({"lexical": 0.2}))}
    assert "leave it out" in some["hubness"]
    none = [one.meaning for one in weights_in_words(ScoringHead({}))[1:]]
    assert all("no weights were shown to gain" in meaning for meaning in none)


def test_bad_input_is_refused(model: FusionModel) -> None:
    with pytest.raises(TypeError, match=r"got str; .*read_fusion\(folder\)"):
        explain_fusion(EMBEDDED, "folder", texts=DATASET)  # type: ignore[arg-type]
    with pytest.raises(InvalidDatasetError, match="got 'q99'; its ids are such as 'q0'"):
        explain_fusion(EMBEDDED, model, texts=DATASET, query_id="q99")


def test_ranks_before_are_of_all_documents(model: FusionModel) -> None:
    ranks = [
        one.rank_before for query in DATASET.queries for one in example_of(model, query).documents
    ]
    assert ranks.count(1) == len(DATASET.queries)
    assert max(ranks) > 20
    assert np.all(np.array(ranks) >= 1)
