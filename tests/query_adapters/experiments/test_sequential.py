"""Tests of the tests that may be looked at at any time."""

import json
from itertools import chain
from math import comb, exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.errors import InvalidDatasetError
from query_adapters.experiments import SequentialTest, SplitTest, interleave, outcome
from query_adapters.experiments.evidence import BETS, PSI, log_evidence, radius

OUTCOMES = st.lists(st.sampled_from([-1, 0, 1]), max_size=60)


def after(*outcomes: float, alpha: float = 0.05) -> SequentialTest:
    test = SequentialTest(alpha=alpha)
    test.update(outcomes)
    return test


class TestEvidence:
    def test_is_the_mean_over_bets_by_hand(self) -> None:
        bets = 2.0 ** (-np.arange(2, 37) / 4)
        terms = [exp(bet * 3 + (log(1 - bet) + bet) * 5) for bet in bets]
        assert float(log_evidence(3, 5)) == pytest.approx(log(sum(terms) / len(bets)))

    @pytest.mark.parametrize("tie", [0.0, 0.5, 0.9])
    def test_is_at_most_1_on_average_without_a_difference(self, tie: float) -> None:
        n, win = 12, (1 - tie) / 2
        mean = 0.0
        for wins in range(n + 1):  # exactly, over all counts of 12 outcomes
            for losses in range(n + 1 - wins):
                ties = n - wins - losses
                chance = comb(n, wins) * comb(n - wins, losses) * win ** (wins + losses) * tie**ties
                mean += chance * exp(float(log_evidence(wins - losses, wins + losses)))
        assert 0.5 < mean <= 1

    def test_bounds_each_outcome_as_the_proof_needs(self) -> None:
        x = np.linspace(-1, 1, 201)[:, None]
        assert (np.exp(BETS * x - PSI * x**2) <= 1 + BETS * x + 1e-12).all()

    @pytest.mark.parametrize("squares", [0, 1, 10, 1_000, 100_000])
    @pytest.mark.parametrize("alpha", [0.3, 0.05, 0.001])
    def test_reaches_1_over_alpha_at_the_radius(self, squares: int, alpha: float) -> None:
        assert float(log_evidence(radius(squares, alpha), squares)) == pytest.approx(-log(alpha))


class TestSequential:
    @given(outcomes=OUTCOMES)
    def test_p_value_interval_and_decision_agree(self, outcomes: list[int]) -> None:
        test = after(*outcomes)
        low, high = test.interval
        assert (test.p_value <= 0.05) == (low > 0 or high < 0) == (test.decision != "undecided")
        assert -1 <= low <= test.difference <= high <= 1

    @given(outcomes=OUTCOMES)
    def test_the_challenger_and_the_incumbent_are_treated_alike(self, outcomes: list[int]) -> None:
        one, other = after(*outcomes), after(*(-value for value in outcomes))
        assert one.p_value == pytest.approx(other.p_value)
        assert one.interval == pytest.approx([-bound for bound in reversed(other.interval)])

    @given(parts=st.lists(OUTCOMES, max_size=5))
    def test_portions_give_the_same_sums_and_the_smallest_p_value_of_all_looks(
        self, parts: list[list[int]]
    ) -> None:
        looked, alone = SequentialTest(), [1.0]
        for number, part in enumerate(parts, start=1):
            looked.update(part)
            alone.append(after(*chain.from_iterable(parts[:number])).p_value)
        assert looked.p_value == pytest.approx(min(alone))
        assert looked.interval == after(*chain.from_iterable(parts)).interval

    def test_a_decision_stays(self) -> None:
        test = after(*[1] * 60)
        assert test.decision == "challenger"
        test.update([-1] * 60)
        assert (test.decision, test.difference) == ("challenger", 0)

    def test_ties_do_not_change_the_evidence(self) -> None:
        pairs = [1, 1, 1, -1] * 20
        assert after(*pairs, *[0] * 1_000).p_value == after(*pairs).p_value

    def test_says_what_to_do(self) -> None:
        assert str(after(*[1, 0] * 40)).startswith(
            "The challenger is better: put it live. After 80 sessions the difference is +0.5000, "
            "between +0."
        )
        assert str(after(*[-1] * 40)).startswith("The incumbent is better: keep it")
        assert str(SequentialTest()) == (
            "Not decided: go on, and look again later. After 0 sessions the difference is "
            "+0.0000, between -1.0000 and +1.0000 (95% interval); p = 1, valid at any look."
        )

    @pytest.mark.parametrize("wrong", [1.5, -2, float("nan"), 10**400])
    def test_outcomes_out_of_range_are_refused_and_none_is_added(self, wrong: float) -> None:
        test = SequentialTest()
        with pytest.raises(ValueError, match="outcomes: expected numbers from -1 to 1"):
            test.update([1, wrong])
        assert test.n == 0

    @pytest.mark.parametrize("alpha", [0, 1, -0.1, float("nan")])
    def test_an_alpha_outside_0_to_1_is_refused(self, alpha: float) -> None:
        with pytest.raises(ValueError, match="alpha: expected a number between 0 and 1"):
            SequentialTest(alpha=alpha)


class TestSplit:
    def test_the_outcome_of_a_value_is_weighed_by_its_arm(self) -> None:
        test = SplitTest(share=0.25)
        test.update(["challenger", "incumbent"], [1.0, 1.0])
        # (1 - 0.5) / 0.25, and -(1 - mean of 0.5 and 1) / 0.75
        assert test.difference == pytest.approx((0.5 / 0.25 - 0.25 / 0.75) / 2)
        assert test.means == {"incumbent": 1.0, "challenger": 1.0}

    def test_portions_give_the_same_sums(self) -> None:
        rng = np.random.default_rng(1)
        arms = ["challenger" if one else "incumbent" for one in rng.random(300) < 0.3]
        values = rng.random(300)
        whole, parts = SplitTest(share=0.3), SplitTest(share=0.3)
        whole.update(arms, values)
        for start in range(0, 300, 50):
            parts.update(arms[start : start + 50], values[start : start + 50])
        assert parts.difference == pytest.approx(whole.difference)
        assert parts.interval == pytest.approx(whole.interval)
        assert parts.means == pytest.approx(whole.means)

    @pytest.mark.parametrize("share", [0.5, 0.1])
    def test_its_interval_covers_the_difference_and_finds_it(self, share: float) -> None:
        rng = np.random.default_rng(2)
        of_challenger = rng.random(20_000) < share
        values = rng.random(20_000) < np.where(of_challenger, 0.4, 0.3)
        test = SplitTest(share=share)
        test.update(["challenger" if one else "incumbent" for one in of_challenger], values)
        low, high = test.interval
        assert 0 < low < 0.1 < high
        assert test.decision == "challenger"

    def test_a_split_that_is_not_the_stated_one_is_no_ground_for_a_decision(self) -> None:
        test = SplitTest(share=0.5)
        test.update(["challenger"] * 480 + ["incumbent"] * 520, [1] * 480 + [0] * 520)
        total, squares = (480 - 500) / 0.5, 1_000 * 0.25 / 0.25
        assert test.split_p_value == min(1, 2 * exp(-float(log_evidence(-total, squares))))
        decisions = [test.decision]
        test.update(["incumbent"] * 200, [0] * 200)  # values of the challenger are missing
        assert test.split_p_value < 0.001
        assert [*decisions, test.decision] == ["challenger", "undecided"]
        assert str(test).startswith(
            "Do not decide: of 1,200 users or sessions, 40.0% are in the challenger's arm, 50.0% "
        )

    @pytest.mark.parametrize("share", [0.5, 0.05])
    def test_a_split_as_stated_is_seldom_doubted(self, share: float) -> None:
        rng = np.random.default_rng(4)
        for _ in range(20):
            test = SplitTest(share=share)
            drawn = rng.random(5_000) < share
            test.update(["challenger" if one else "incumbent" for one in drawn], drawn * 0)
            assert test.split_p_value > 0.001

    def test_wrong_arms_and_values_are_refused(self) -> None:
        test = SplitTest(share=0.5)
        for arms, values, message in (
            (["control"], [1], "arms: expected 'incumbent' or 'challenger', got 'control'"),
            (["incumbent"], [1, 0], "values: expected one for each of 1 arms, got 2"),
            (["incumbent"], [1.5], "values: expected numbers from 0 to 1, got 1.5"),
        ):
            with pytest.raises(ValueError, match=message):
                test.update(arms, values)
        assert test.n == 0
        with pytest.raises(ValueError, match="share: expected a number between 0 and 1"):
            SplitTest(share=1)


def begun() -> list[SequentialTest | SplitTest]:
    split = SplitTest(share=0.2, alpha=0.1)
    split.update(["incumbent", "challenger", "incumbent"], [0.5, 1, 0])
    return [after(1, 0, -1, 1, alpha=0.01), split]


class TestState:
    @pytest.mark.parametrize("test", begun(), ids=lambda test: type(test).__name__)
    def test_a_test_goes_on_from_its_file(self, test: Any, tmp_path: Path) -> None:
        loaded = type(test).load(test.save(tmp_path / "test.json"))
        assert loaded.to_record() == test.to_record()
        assert str(loaded) == str(test)
        more = [(["challenger"], [1]), ([1],)][isinstance(test, SequentialTest)]
        for one in (test, loaded):
            one.update(*more)
        assert loaded.to_record() == test.to_record()

    @pytest.mark.parametrize("test", begun(), ids=lambda test: type(test).__name__)
    def test_altered_states_are_refused(self, test: Any, tmp_path: Path) -> None:
        path = test.save(tmp_path / "test.json")
        good = json.loads(path.read_text())
        evidence = good["evidence"]
        altered: tuple[Any, ...] = (
            [],
            {},
            {**good, "format": 2},
            {**good, "test": "OtherTest"},
            {**good, "alpha": 2},
            {**good, "alpha": "a"},
            {key: value for key, value in good.items() if key != "alpha"},
            *({**good, "evidence": {**evidence, key: -1}} for key in ("n", "squares", "log_above")),
            {**good, "evidence": {**evidence, "n": 4.5}},
            {**good, "evidence": {**evidence, "total": 99}},
            {**good, "evidence": {**evidence, "total": None}},
            {**good, "evidence": {}},
        )
        for wrong in altered:
            path.write_text(json.dumps(wrong))
            with pytest.raises(InvalidDatasetError, match=r"expected|incomplete"):
                type(test).load(path)

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="none"):
            SequentialTest.load(tmp_path / "none.json")


def clicks_on(ids: tuple[str, ...], relevant: str, rng: np.random.Generator) -> list[str]:
    """Return what a user clicks who looks from the top and stops at what is relevant."""
    clicked = []
    for key in ids:
        if rng.random() < (0.9 if key == relevant else 0.1):
            clicked.append(key)
            if rng.random() < (0.9 if key == relevant else 0.2):
                break
    return clicked


def simulated(rank: int, n: int, rng: np.random.Generator, start: int = 0) -> list[int]:
    """Return outcomes; the relevant document is third for the incumbent, `rank` for the other."""
    others = [f"d{number}" for number in range(9)]
    incumbent = [*others[:2], "good", *others[2:]]
    challenger = [*reversed(others)]
    challenger.insert(rank - 1, "good")
    found = []
    for number in range(start, start + n):
        shown = interleave(incumbent, challenger, 10, seed=f"session {number}")
        found.append(outcome(shown.teams, clicks_on(shown.ids, "good", rng)))
    return found


class TestSimulatedUsers:
    def test_systems_of_equal_quality_are_seldom_told_apart_at_any_look(self) -> None:
        rng, decided = np.random.default_rng(0), 0
        for simulation in range(20):
            test = SequentialTest()
            for look in range(10):
                start = 1_000 * simulation + 50 * look
                test.update(simulated(3, 50, rng, start))
            decided += test.decision != "undecided"
        assert decided <= 2

    def test_a_better_system_is_found(self) -> None:
        rng, test = np.random.default_rng(1), SequentialTest()
        while test.decision == "undecided" and test.n < 3_000:
            test.update(simulated(2, 100, rng, test.n))
        assert test.decision == "challenger"

    def test_peeking_two_hundred_times_keeps_the_error_rate(self) -> None:
        rng, tie = np.random.default_rng(3), 0.3
        chances = [(1 - tie) / 2, tie, (1 - tie) / 2]
        drawn = rng.multinomial(50, chances, size=(400, 200)).cumsum(axis=1)
        total, squares = drawn[..., 2] - drawn[..., 0], drawn[..., 0] + drawn[..., 2]
        evidence = np.maximum(log_evidence(total, squares), log_evidence(-total, squares))
        ever = (evidence >= log(2 / 0.05)).any(axis=1).mean()
        fixed = (total**2 > 1.96**2 * squares).any(axis=1).mean()
        assert ever <= 0.05 < 0.2 < fixed  # a z test that is looked at each time is often wrong
