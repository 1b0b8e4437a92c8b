"""Tests of the weight of a hybrid query."""

import numpy as np
import pytest

from query_adapters.fusion.retrievers import RetrievedList
from query_adapters.fusion.retrievers.hybrid_weight import choose_weight
from query_adapters.fusion.retrievers.questions import AskedQuestions
from tests.query_adapters.fusion.retrievers.planted import planted

ALPHAS = (1.0, 0.5, 0.0)


def hybrid(*, is_shuffled: bool = False) -> AskedQuestions:
    """Return the results of alpha * dense + (1 - alpha) * words for each weight."""
    asked = planted(is_shuffled=is_shuffled)
    lists = [
        [
            mixed(alpha, dense, words)
            for dense, words in zip(asked.lists[0], asked.lists[1], strict=True)
        ]
        for alpha in ALPHAS
    ]
    names = tuple(f"alpha {alpha}" for alpha in ALPHAS)
    return AskedQuestions(dataset=asked.dataset, names=names, lists=lists)


def mixed(alpha: float, dense: RetrievedList, words: RetrievedList) -> RetrievedList:
    scores = dict.fromkeys([*dense.ids, *words.ids], 0.0)
    for share, found in ((alpha, dense), (1 - alpha, words)):
        for key, score in zip(found.ids, found.scores or (), strict=True):
            scores[key] += share * score
    return RetrievedList(sorted(scores, key=lambda key: -scores[key]))


def test_a_better_weight_is_chosen() -> None:
    asked = hybrid()
    result = choose_weight(asked, ALPHAS)
    assert result.decision == "retriever"
    assert result.alpha in (0.5, 0.0)
    for place, alpha in enumerate(ALPHAS):
        expected = asked.scores(place, metric="ndcg@10")[0].mean()
        assert result.means[alpha] == pytest.approx(expected)
    assert result.means[result.alpha] > result.means[1.0] + 0.1
    assert str(result).startswith(f"Use alpha {result.alpha:g}.")
    assert "ndcg@10 by alpha: 0: 0." in str(result)


def test_the_base_is_kept_without_a_gain() -> None:
    result = choose_weight(hybrid(is_shuffled=True), ALPHAS)
    assert result.decision == "base"
    assert result.alpha == 1.0
    assert str(result).startswith("Keep alpha 1.")


def test_the_gain_of_a_candidate_is_the_difference_from_the_base() -> None:
    result = choose_weight(hybrid(), ALPHAS)
    best = result.selection.best
    assert best is not None
    gain = result.means[best.candidate] - result.means[1.0]
    assert np.isclose(best.overall.mean, gain)
