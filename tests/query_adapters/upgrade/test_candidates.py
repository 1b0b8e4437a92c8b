"""Tests of the comparison of candidates, and of the estimate of embedding again."""

import numpy as np
import pytest

from query_adapters import EmbeddedDataset, LinearAdapter
from query_adapters.typing import Rows, Vectors
from query_adapters.upgrade.candidates import AGAIN, BRIDGE, OLD, Reembedding, Scores, scores_of
from query_adapters.upgrade.result import decide

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


OLD_QUESTIONS = dataset(DOCUMENTS, 1.0, 1)
NEW_QUESTIONS = dataset(DOCUMENTS, 0.6, 2, of_two_models=True)
TRULY = scores_of(dataset(DOCUMENTS, 0.6, 2), None, "ndcg@10", "cosine")
TODAY = scores_of(OLD_QUESTIONS, None, "ndcg@10", "cosine")


def estimate(rows: Rows) -> float:
    again = Reembedding(rows=rows, vectors=DOCUMENTS[rows], metric="ndcg@10", similarity="cosine")
    return float(again.estimate(NEW_QUESTIONS, OLD_QUESTIONS, None, TODAY).mean())


def test_with_every_document_in_the_sample_the_estimate_is_the_true_score() -> None:
    assert estimate(np.arange(N)) == pytest.approx(TRULY.mean())


def test_an_estimate_from_half_of_the_documents_errs_toward_todays_score_if_at_all() -> None:
    labelled = NEW_QUESTIONS.labelled
    others = np.setdiff1d(np.arange(N), labelled)
    found = [
        estimate(np.union1d(labelled, np.random.default_rng(seed).choice(others, 100, False)))
        for seed in range(5)
    ]
    assert TRULY.mean() > TODAY.mean() + 0.05
    assert TODAY.mean() + 0.05 < np.mean(found) < TRULY.mean() + 0.01


def test_the_estimate_may_start_from_the_bridge_instead_of_the_old_model() -> None:
    bridge = LinearAdapter.identity(DIM)
    again = Reembedding(rows=np.arange(N), vectors=DOCUMENTS, metric="ndcg@10", similarity="cosine")
    scores = scores_of(NEW_QUESTIONS, bridge, "ndcg@10", "cosine")
    found = again.estimate(NEW_QUESTIONS, NEW_QUESTIONS, bridge, scores)
    np.testing.assert_allclose(found, TRULY)


def scores(**means: float) -> Scores:
    """Return scores with these means and the same noise."""
    names = {"old": OLD, "bridge": BRIDGE, "again": AGAIN}
    noise = np.random.default_rng(0).normal(size=(len(means), 100)) / 20
    rows = zip(means.items(), noise, strict=True)
    return Scores(
        per_question={names[key]: mean + row for (key, mean), row in rows},
        groups=None,
        answers=np.arange(100),
    )


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
    ],
)
def test_the_decision_follows_the_scores(means: dict[str, float], decision: str) -> None:
    assert decide(scores(**means), BRIDGE, "strict") == decision


def test_the_guard_decides_how_sure_a_gain_must_be() -> None:
    barely = scores(old=0.5, bridge=0.509)
    assert barely.p_value(BRIDGE, OLD) > 0.05
    assert decide(barely, BRIDGE, "strict") == "stay"
    assert decide(barely, BRIDGE, "off") == "bridge"


def test_means_and_differences_have_intervals_around_them() -> None:
    found = scores(old=0.5, bridge=0.6)
    mean, difference = found.means()[BRIDGE], found.difference(BRIDGE, OLD)
    assert mean.low < 0.6 < mean.high
    assert difference.low < 0.1 < difference.high
    assert difference.mean == pytest.approx(mean.mean - found.means()[OLD].mean)
