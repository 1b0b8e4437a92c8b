"""Tests of learned weights: gains that are there, and gains that are not."""

from dataclasses import replace

import numpy as np
import pytest

from query_adapters.fusion.retrievers import RetrievedList
from query_adapters.fusion.retrievers.questions import AskedQuestions
from query_adapters.fusion.retrievers.training import candidates, learn_weights
from tests.query_adapters.fusion.retrievers.planted import dataset_of, planted


def ndcg(asked: AskedQuestions, weights: object) -> float:
    """Return the mean nDCG@10 of one relevant document, computed from ranks."""
    gains = []
    for number, answer in enumerate(asked.dataset.qrels.values()):
        lists = [asked.lists[place][number] for place in weights.asked]  # type: ignore[attr-defined]
        ranked = [key for key, _ in weights.ranked(lists)][:10]  # type: ignore[attr-defined]
        (key,) = answer
        gains.append(1 / np.log2(2 + ranked.index(key)) if key in ranked else 0.0)
    return float(np.mean(gains))


def test_candidates_are_the_base_with_each_other_and_with_all() -> None:
    assert candidates(["b", "c"]) == [("b",), ("c",), ("b", "c")]
    assert candidates(["b"]) == [("b",)]


@pytest.mark.parametrize("with_scores", [True, False])
def test_a_better_retriever_gets_a_weight_and_helps_on_other_questions(with_scores: bool) -> None:
    result = learn_weights(planted(with_scores=with_scores))
    assert result.decision == "retriever"
    assert result.weights.by_name["words"] > 0.5
    assert result.p_value is not None
    assert result.p_value <= 0.05
    others = planted(seed=1, with_scores=with_scores)
    base = others.scores(0, metric="ndcg@10")[0].mean()
    assert ndcg(others, result.weights) > base + 0.1


def test_the_expected_gain_is_near_that_on_other_questions() -> None:
    result = learn_weights(planted(200))
    others = planted(200, seed=1)
    gain = ndcg(others, result.weights) - others.scores(0, metric="ndcg@10")[0].mean()
    assert result.expected_gain is not None
    assert abs(result.expected_gain.mean - gain) < 0.08


def test_with_shuffled_labels_the_base_is_kept() -> None:
    kept = [learn_weights(planted(80, seed=seed, is_shuffled=True)).decision for seed in range(10)]
    assert kept.count("base") >= 8


def test_the_base_alone_is_kept_where_the_others_are_noise() -> None:
    asked = planted()
    noise = replace(asked, names=("dense", "noise"), lists=[asked.lists[0], asked.lists[2]])
    result = learn_weights(noise)
    assert result.decision == "base"
    assert result.weights.is_base_alone
    assert result.weights.by_name == {"dense": 1.0, "noise": 0.0}
    text = str(result)
    assert text.startswith("Keep dense alone.")
    assert "Weights: dense 1 (by score), noise 0 (by score)." in text
    assert "ndcg@10 of each alone: dense " in text


def test_the_guard_can_be_turned_off() -> None:
    result = learn_weights(planted(12), guard="off")
    assert result.decision == "retriever"


def test_the_unit_of_a_retriever_does_not_change_what_is_learned() -> None:
    asked = planted(40)
    moved = [
        RetrievedList(found.ids, [1_000 * score - 5 for score in found.scores or ()])
        for found in asked.lists[1]
    ]
    other = replace(asked, lists=[asked.lists[0], moved, asked.lists[2]])
    weights = learn_weights(asked).weights.weights
    assert learn_weights(other).weights.weights == pytest.approx(weights, rel=1e-3)


def test_the_order_of_the_others_does_not_change_what_is_learned() -> None:
    asked = planted(40)
    turned = replace(
        asked,
        names=("dense", "noise", "words"),
        lists=[asked.lists[0], asked.lists[2], asked.lists[1]],
    )
    weights = learn_weights(asked).weights.by_name
    assert learn_weights(turned).weights.by_name == pytest.approx(weights, rel=1e-3)


def test_questions_without_results_are_no_obstacle() -> None:
    asked = planted(40)
    lists = [[RetrievedList([]), *found[1:]] for found in asked.lists]
    assert learn_weights(replace(asked, lists=lists)).decision == "retriever"


def test_a_rule_that_returns_one_document_gets_a_weight() -> None:
    asked = planted(60)
    rule = [RetrievedList(key for key in answer) for answer in asked.dataset.qrels.values()]
    result = learn_weights(replace(asked, names=("dense", "rule"), lists=[asked.lists[0], rule]))
    assert result.weights.by_name["rule"] > 1
    assert result.weights.scales[1].by == "rank"


def test_too_few_questions_keep_the_base() -> None:
    lists = [[RetrievedList("ab", [2, 1])], [RetrievedList("ba", [2, 1])]]
    asked = AskedQuestions(dataset=dataset_of("b", "ab"), names=("dense", "words"), lists=lists)
    result = learn_weights(asked)
    assert result.decision == "base"
    assert result.weights.is_base_alone
    assert "too few questions" in str(result)


def test_another_seed_is_another_split_of_the_same_questions() -> None:
    one, other = (learn_weights(planted(40), seed=seed) for seed in (0, 1))
    assert one.weights == other.weights
    assert one.expected_gain != other.expected_gain
