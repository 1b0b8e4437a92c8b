"""Tests of position propensities: given, from swaps, and from questions that recur."""

import numpy as np
import pytest

from query_adapters.errors import InvalidDatasetError
from query_adapters.feedback import Propensities
from query_adapters.feedback.click_model import ClickModel
from query_adapters.feedback.clicks import ClickTable
from query_adapters.feedback.propensities import all_pairs
from tests.query_adapters.feedback.simulated import shown, users


def table(n_questions: int, n_sessions: int, eta: float, *, shuffled: bool = False) -> ClickTable:
    lists, _ = users(n_questions, n_sessions, eta=eta, shuffled=shuffled)
    return ClickTable.of(lists, [one.weight for one in lists])


def test_cells_count_lists_and_clicks_by_question_document_and_rank() -> None:
    lists = [
        shown("q", ["a", "b"], clicked=["b", "b"], name="1"),
        shown("Q?", ["b", "a"], clicked=["b"], name="2"),
        shown("q", ["a", "b"], name="3"),
    ]
    found = ClickTable.of(lists, [1.0, 1.0, 0.5])
    assert found.documents == ("a", "b")
    assert found.pair_of.tolist() == [0, 0, 1, 1]
    assert found.ranks.tolist() == [0, 1, 0, 1]
    assert found.shown.tolist() == [1.5, 1.0, 1.0, 1.5]
    assert found.clicked.tolist() == [0.0, 0.0, 1.0, 1.0]
    assert found.best_ranks.tolist() == [0, 0]


@pytest.mark.parametrize(
    "values", [[], [0.0], [1, -0.5], [1, float("nan")], [1.1], [[1.0]]], ids=str
)
def test_propensities_that_are_none_are_refused(values: list[float]) -> None:
    with pytest.raises(InvalidDatasetError, match="each above 0 and at most 1"):
        Propensities(np.array(values))


def test_ranks_below_the_last_one_have_its_propensity_and_clipping_holds() -> None:
    found = Propensities.power_law(1, depth=4)
    assert found.at(np.array([0, 3, 9])).tolist() == [1, 0.25, 0.25]
    assert found.at(np.array([0, 3]), least=0.5).tolist() == [1, 0.5]
    with pytest.raises(InvalidDatasetError, match="exponent"):
        Propensities.power_law(-1, depth=4)


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_swaps_reveal_the_propensities(eta: float) -> None:
    found = all_pairs(table(600, 10, eta, shuffled=True))
    assert found is not None
    assert found.values == pytest.approx(np.arange(1, 7) ** -eta, abs=0.1)


def test_two_ranks_of_one_document_give_the_ratio_of_the_click_rates() -> None:
    lists = [
        shown(f"q{n}", ["a", "b"] if s % 2 else ["b", "a"], name=f"/{s}",
              clicked=["a"] if (s % 2 and s < 8) or s == 0 else [])
        for n in range(40) for s in range(10)
    ]  # fmt: skip
    found = all_pairs(ClickTable.of(lists, [1.0] * len(lists)))
    assert found is not None
    assert found.values.tolist() == pytest.approx([1, 0.25], abs=0.01)  # 1 of 5 against 4 of 5


def test_one_ranking_has_no_swaps() -> None:
    assert all_pairs(table(50, 3, 1.0)) is None


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_questions_that_recur_reveal_propensities_and_noise(eta: float) -> None:
    model = ClickModel.fitted(table(800, 10, eta), None)
    assert model.propensities == pytest.approx(np.arange(1, 7) ** -eta, abs=0.1)
    assert model.relevant == pytest.approx(0.9, abs=0.04)
    assert model.other == pytest.approx(0.1, abs=0.03)


def test_probabilities_are_right_as_often_as_they_say() -> None:
    lists, answers = users(1_500, 6, eta=1.0, seed=3)
    clicks = ClickTable.of(lists, [1.0] * len(lists))
    model = ClickModel.fitted(clicks, Propensities.power_law(1, depth=6))
    right = np.isin(clicks.documents, list(answers.values()))
    for low in np.arange(0.1, 1, 0.2):
        part = (model.probabilities >= low) & (model.probabilities < low + 0.2)
        assert right[part].mean() == pytest.approx(model.probabilities[part].mean(), abs=0.1)
