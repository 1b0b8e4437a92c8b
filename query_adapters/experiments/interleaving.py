"""Team-draft interleaving: two rankings as one list, and which of them its clicks prefer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from query_adapters.experiments.arms import ARMS, CHALLENGER, INCUMBENT, Arm, fair_coins


@dataclass(frozen=True)
class Interleaved:
    """One list of two rankings.

    Attributes:
        teams: The team of each id, in the order of the list; None for the ids at the top on which
            both rankings agree, whose clicks tell nothing.
    """

    teams: Mapping[str, Arm | None]

    @property
    def ids(self) -> tuple[str, ...]:
        """The list, best first."""
        return tuple(self.teams)


def interleave(
    incumbent: Sequence[str], challenger: Sequence[str], k: int, *, seed: str
) -> Interleaved:
    """Return a list of at most `k` ids of two rankings, and which of them each id is from.

    In each round both rankings add their best id that is not yet in the list; a coin decides which
    is first. Where one ranking has no more ids, the other fills the list. What both have at the
    top, in the same order, belongs to none. Equal rankings are returned as they are, without teams.
    A smaller `k` gives the beginning of the same list.

    Args:
        incumbent: Ids of what serves now, best first; a repeated id counts once.
        challenger: Ids of what may replace it.
        k: The most ids in the list, at least 1.
        seed: What the coins depend on, such as session and question: the same one gives the same
            list on every machine.

    Raises:
        ValueError: If `k` is below 1.

    Source: Radlinski, Kurup, Joachims, How Does Clickthrough Data Reflect Retrieval Quality?
        (2008), algorithm 2; that ids which both rank alike get no team removes noise alone.

    Example:
        >>> interleave(["a", "b", "c"], ["a", "c", "d"], 3, seed="session 1").teams
        {'a': None, 'c': 'challenger', 'b': 'incumbent'}
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1 id in the list, got {k}; raise it")
    return interleaved(incumbent, challenger, k, fair_coins(seed, k))


def interleaved(
    incumbent: Sequence[str], challenger: Sequence[str], k: int, coins: Iterable[bool]
) -> Interleaved:
    """Return the list that these coins give; other arguments as in `interleave`.

    Args:
        incumbent: Ids of what serves now, best first.
        challenger: Ids of what may replace it.
        k: The most ids in the list.
        coins: For each round, whether the challenger is first; `k` are always enough.
    """
    rankings = [list(dict.fromkeys(ids)) for ids in (incumbent, challenger)]
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(*rankings, strict=False))
    agreed = [key for key, _ in pairs]
    drafted = draft([ids[len(agreed) :] for ids in rankings], max(0, k - len(agreed)), coins)
    return Interleaved({**dict.fromkeys(agreed[:k]), **drafted})


def outcome(teams: Mapping[str, Arm | None], clicked: Iterable[str]) -> int:
    """Return what the clicks on an interleaved list prefer: 1 challenger, -1 incumbent, 0 neither.

    Each clicked id counts once, for its team; the team with more of them wins. Clicks on ids that
    were not in the list count for none.

    Args:
        teams: `Interleaved.teams`.
        clicked: Ids that were clicked, rated well or cited by the answer.

    Source: Radlinski, Kurup, Joachims (2008), the comparison of team-draft interleaving.
    """
    credited = [teams.get(key) for key in set(clicked)]
    difference = credited.count(CHALLENGER) - credited.count(INCUMBENT)
    return (difference > 0) - (difference < 0)


def session_outcome(outcomes: Iterable[int]) -> int:
    """Return what a session with several questions prefers: the sign of the sum of its outcomes.

    Questions of one session are not independent, so that a test takes one outcome per session.

    Args:
        outcomes: What `outcome` returned for each question.
    """
    total = sum(outcomes)
    return (total > 0) - (total < 0)


def draft(rankings: Sequence[Sequence[str]], k: int, coins: Iterable[bool]) -> dict[str, Arm]:
    """Return at most `k` ids of both rankings with their teams, without regard to what they share.

    Args:
        rankings: The incumbent's and the challenger's, each of distinct ids.
        k: The most ids.
        coins: For each round, whether the challenger is first.
    """
    taken: dict[str, Arm] = {}
    left = [(arm, iter(ids)) for arm, ids in zip(ARMS, rankings, strict=True)]
    turned = left[::-1]
    for challenger_first in coins if k else ():
        before = len(taken)
        for arm, ids in turned if challenger_first else left:
            for key in ids:
                if key not in taken:
                    taken[key] = arm
                    break
            if len(taken) == k:
                return taken
        if len(taken) == before:
            break
    return taken
