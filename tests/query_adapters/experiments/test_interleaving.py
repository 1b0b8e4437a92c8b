"""Tests of team-draft interleaving, against values by hand and what every list has to satisfy."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_adapters.experiments import Arm, interleave, outcome, session_outcome
from query_adapters.experiments.interleaving import draft, interleaved

IDS = st.lists(st.sampled_from("abcdefgh"), max_size=8)
COINS = st.lists(st.booleans(), min_size=10, max_size=10)
OWN: Arm = "incumbent"
OTHER: Arm = "challenger"
CLICKED = st.sets(st.sampled_from("abcdefgh"))


def by_hand(text: str) -> dict[str, Arm | None]:
    """Return the teams of "a- bI cC": a without a team, b the incumbent's, c the challenger's."""
    names: dict[str, Arm | None] = {"I": OWN, "C": OTHER, "-": None}
    return {word[0]: names[word[1]] for word in text.split()}


@pytest.mark.parametrize(
    ("incumbent", "challenger", "coins", "expected"),
    [
        # the rankings of the paper's example; a coin is 1 where the challenger is first
        ("abcdgh", "beafgh", (0, 0, 0), "aI bC cI eC dI fC"),
        ("abcdgh", "beafgh", (1, 0, 0), "bC aI cI eC dI fC"),
        ("abcdgh", "beafgh", (0, 1, 1), "aI bC eC cI fC dI"),
        ("abcdgh", "beafgh", (1, 1, 0), "bC aI eC cI dI fC"),
        ("xabc", "xbac", (1, 0, 0), "x- bC aI cI"),  # agreed at the top, then drafted
        ("ab", "ab", (1, 1), "a- b-"),
        ("ab", "abcd", (0, 0, 0, 0), "a- b- cC dC"),  # the longer list goes on alone
        ("abcd", "e", (0, 0, 0, 0), "aI eC bI cI dI"),
        ("", "ab", (0, 0), "aC bC"),
        ("ab", "", (1, 1), "aI bI"),
        ("", "", (), ""),
        ("aab", "bba", (0, 0), "aI bC"),  # repeated ids count once
    ],
)
def test_lists_are_those_of_the_draft_by_hand(
    incumbent: str, challenger: str, coins: tuple[int, ...], expected: str
) -> None:
    found = interleaved(incumbent, challenger, 6, map(bool, coins))
    assert list(found.teams.items()) == list(by_hand(expected).items())
    assert found.ids == tuple(found.teams)


@given(incumbent=IDS, challenger=IDS, k=st.integers(1, 10), coins=COINS)
def test_a_list_is_a_merge_of_beginnings_of_both_rankings(
    incumbent: list[str], challenger: list[str], k: int, coins: list[bool]
) -> None:
    teams = dict(interleaved(incumbent, challenger, k, coins).teams)
    longest = dict(interleaved(incumbent, challenger, 10, coins).teams)
    assert list(teams.items()) == list(longest.items())[:k]  # a smaller k is a beginning
    assert len(teams) == min(k, len({*incumbent, *challenger}))
    for team, ranking in ((OWN, incumbent), (OTHER, challenger)):
        picked = [key for key in teams if teams[key] == team]
        distinct = list(dict.fromkeys(ranking))
        assert picked == [key for key in distinct if key in picked]  # in the ranking's order
        last = max((distinct.index(key) for key in picked), default=-1)
        assert set(distinct[: last + 1]) <= set(teams)  # nothing better is left out


@given(incumbent=IDS, challenger=IDS, coins=COINS)
def test_teams_are_balanced_while_both_rankings_last(
    incumbent: list[str], challenger: list[str], coins: list[bool]
) -> None:
    k = min(len(set(incumbent)), len(set(challenger)))
    teams = list(interleaved(incumbent, challenger, k, coins).teams.values())
    assert abs(teams.count(OWN) - teams.count(OTHER)) <= 1


@given(incumbent=IDS, challenger=IDS, k=st.integers(1, 8), clicked=CLICKED)
def test_exchanging_the_systems_exchanges_the_outcomes(
    incumbent: list[str], challenger: list[str], k: int, clicked: set[str]
) -> None:
    for coins in product((False, True), repeat=3):
        one = interleaved(incumbent, challenger, k, coins)
        other = interleaved(challenger, incumbent, k, [not coin for coin in coins])
        assert one.ids == other.ids
        assert outcome(one.teams, clicked) == -outcome(other.teams, clicked)


@given(ranking=IDS, k=st.integers(1, 10), clicked=CLICKED)
def test_equal_systems_are_shown_as_they_are_and_give_no_preference(
    ranking: list[str], k: int, clicked: set[str]
) -> None:
    found = interleave(ranking, ranking, k, seed="any")
    assert found.ids == tuple(dict.fromkeys(ranking))[:k]
    assert outcome(found.teams, clicked) == 0


def test_each_position_belongs_to_either_team_equally_often_over_all_coins() -> None:
    counts: Counter[tuple[int, str]] = Counter()
    for coins in product((False, True), repeat=3):
        teams = draft(["abcdef", "ghijkl"], 6, coins)
        counts.update((place, team) for place, team in enumerate(teams.values()))
    assert set(counts.values()) == {4}


def test_seeds_are_reproducible_and_their_coins_are_fair() -> None:
    first = [
        next(iter(interleave("ab", "cd", 2, seed=f"session {number}").ids))
        for number in range(2_000)
    ]
    assert abs(first.count("a") - 1_000) < 4 * 2_000**0.5 / 2
    # a fixed value: another machine or version has to draw the same list
    assert interleave("abc", "acd", 3, seed="session 1").ids == ("a", "c", "b")


def test_a_list_has_at_least_one_place() -> None:
    with pytest.raises(ValueError, match="at least 1 id in the list, got 0"):
        interleave("ab", "ba", 0, seed="")


class TestOutcome:
    TEAMS = by_hand("a- bI cC dI eC")

    @pytest.mark.parametrize(
        ("clicked", "expected"),
        [
            ("", 0),
            ("a", 0),
            ("c", 1),
            ("b", -1),
            ("bc", 0),
            ("bcd", -1),
            ("ccb", 0),
            ("cz", 1),
            ("z", 0),
        ],
    )
    def test_the_team_with_more_clicked_ids_wins(self, clicked: str, expected: int) -> None:
        assert outcome(self.TEAMS, clicked) == expected

    def test_a_session_prefers_what_most_of_its_questions_prefer(self) -> None:
        assert [session_outcome(given) for given in ([1, 1, -1], [0, -1], [1, -1], [])] == [
            1,
            -1,
            0,
            0,
        ]
