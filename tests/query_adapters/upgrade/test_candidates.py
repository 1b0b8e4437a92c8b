"""Tests of the comparison of candidates, and of the estimate of embedding again."""

import numpy as np
import pytest

from query_adapters import EmbeddedDataset
from query_adapters.embedders.two_models import Served
from query_adapters.typing import Guard, Rows, Vectors
from query_adapters.upgrade.candidates import (
    AGAIN,
    BOTH_LABELS,
    BRIDGE,
    OLD,
    OLD_LABELS,
    Scores,
    scores_of,
)
from query_adapters.upgrade.decision import Choice, decide
from query_adapters.upgrade.reembedding import Reembedding

N, DIM = 400, 10
RNG = np.random.default_rng(0)
DOCUMENTS = RNG.normal(size=(N, DIM)).astype(np.float32)
RELEVANT = tuple(np.array([row]) for row in range(0, N, 4))
ASKED = DOCUMENTS[::4]


def dataset(
    documents: Vectors, noise: float, seed: int, *, of_two_models: bool = False
) -> EmbeddedDataset:
    drawn = np.random.default_rng(seed).normal(size=ASKED.shape).astype(np.float32)
    return EmbeddedDataset(ASKED + noise * drawn, documents, RELEVANT, of_two_models=of_two_models)


NEW_QUESTIONS = dataset(DOCUMENTS, 0.6, 2, of_two_models=True)
TRULY = scores_of(dataset(DOCUMENTS, 0.6, 2), None, "ndcg@10", "cosine")


def estimate(rows: Rows) -> float:
    again = Reembedding(rows=rows, vectors=DOCUMENTS[rows], metric="ndcg@10", similarity="cosine")
    return float(again.estimate(NEW_QUESTIONS).mean())


@pytest.mark.parametrize("rows", [np.arange(N), np.arange(0, N, 4)], ids=["all", "labelled"])
def test_without_other_documents_to_judge_by_the_estimate_is_the_score_itself(rows: Rows) -> None:
    over = dataset(DOCUMENTS, 0.6, 2).over(rows)
    assert estimate(rows) == pytest.approx(scores_of(over, None, "ndcg@10", "cosine").mean())


def test_an_estimate_from_a_part_of_the_documents_allows_for_the_others() -> None:
    labelled = NEW_QUESTIONS.labelled
    others = np.setdiff1d(np.arange(N), labelled)
    parts = [
        np.union1d(labelled, np.random.default_rng(seed).choice(others, 100, False))
        for seed in range(5)
    ]
    asked = dataset(DOCUMENTS, 0.6, 2)
    on_parts = [scores_of(asked.over(rows), None, "ndcg@10", "cosine").mean() for rows in parts]
    easier = np.array(on_parts) - TRULY.mean()
    errors = np.abs([estimate(rows) - TRULY.mean() for rows in parts])
    assert easier.min() > 0.03
    assert (errors < easier).all()
    assert errors.mean() < easier.mean() / 2


NAMES = {
    "old": OLD,
    "adapted": OLD_LABELS,
    "bridge": BRIDGE,
    "both": BOTH_LABELS,
    "again": AGAIN,
}


def scores(**means: float) -> Scores:
    """Return scores with these means and the same noise."""
    noise = np.random.default_rng(0).normal(size=(len(means), 100)) / 20
    rows = zip(means.items(), noise, strict=True)
    return Scores(
        per_question={NAMES[key]: mean + row for (key, mean), row in rows},
        groups=None,
        answers=np.arange(100),
    )


def decided(means: dict[str, float], *, guard: Guard = "strict", max_loss: float = 0) -> Choice:
    served: dict[Served, str] = {"new": BRIDGE}
    if "old" in means:
        served = {"old": OLD_LABELS if "adapted" in means else OLD, **served}
    if "both" in means:
        served["both"] = BOTH_LABELS
    return decide(scores(**means), served, guard, max_loss=max_loss)


@pytest.mark.parametrize(
    ("means", "decision"),
    [
        ({"old": 0.5, "bridge": 0.6, "again": 0.6}, "bridge"),
        ({"old": 0.5, "bridge": 0.5, "again": 0.5}, "stay"),
        ({"old": 0.5, "bridge": 0.4, "again": 0.6}, "re-embed"),
        ({"old": 0.5, "bridge": 0.6, "again": 0.7}, "re-embed"),
        ({"old": 0.5, "bridge": 0.6}, "bridge"),
        ({"bridge": 0.4, "again": 0.4}, "bridge"),
        ({"bridge": 0.4, "again": 0.5}, "re-embed"),
        ({"old": 0.5, "adapted": 0.7, "bridge": 0.6}, "adapt"),
        ({"old": 0.5, "adapted": 0.6, "bridge": 0.7}, "bridge"),
        ({"old": 0.5, "adapted": 0.6, "bridge": 0.6, "both": 0.7}, "both"),
        ({"old": 0.5, "adapted": 0.6, "bridge": 0.5, "both": 0.601}, "adapt"),
        ({"old": 0.5, "adapted": 0.4, "bridge": 0.4, "both": 0.45}, "stay"),
    ],
)
def test_the_decision_follows_the_scores(means: dict[str, float], decision: str) -> None:
    assert decided(means).decision == decision


def test_until_the_index_is_embedded_again_the_best_candidate_is_advised() -> None:
    choice = decided({"old": 0.5, "bridge": 0.5, "both": 0.6, "again": 0.8})
    assert (choice.decision, choice.until_then) == ("re-embed", "both")
    assert choice.advice.startswith("embed the index again")
    assert "ask both models" in choice.advice


def test_the_guard_decides_how_sure_a_gain_must_be() -> None:
    barely = {"old": 0.5, "bridge": 0.509}
    assert scores(**barely).p_value(BRIDGE, OLD) > 0.05
    assert decided(barely).decision == "stay"
    assert decided(barely, guard="off").decision == "bridge"


@pytest.mark.parametrize(("max_loss", "decision"), [(0, "stay"), (0.02, "stay"), (0.05, "bridge")])
def test_a_cheaper_model_may_lose_what_is_accepted(max_loss: float, decision: str) -> None:
    assert decided({"old": 0.53, "bridge": 0.5}, max_loss=max_loss).decision == decision


def test_the_best_of_several_candidates_must_be_surer_than_a_single_one() -> None:
    found = scores(old=0.5, bridge=0.512, adapted=0.511)
    alone = found.p_value(BRIDGE, OLD)
    assert alone < found.p_value(BRIDGE, OLD, among=(OLD_LABELS, BRIDGE))


def test_means_and_differences_have_intervals_around_them() -> None:
    found = scores(old=0.5, bridge=0.6)
    mean, difference = found.means()[BRIDGE], found.difference(BRIDGE, OLD)
    assert mean.low < 0.6 < mean.high
    assert difference.low < 0.1 < difference.high
    assert difference.mean == pytest.approx(mean.mean - found.means()[OLD].mean)
