"""What the sessions of a feedback log prefer, where two rankings were interleaved."""

from collections import defaultdict
from collections.abc import Iterable
from typing import cast

from query_adapters.experiments.arms import Arm
from query_adapters.experiments.interleaving import outcome, session_outcome
from query_adapters.feedback.records import ShownList


def session_outcomes(lists: Iterable[ShownList]) -> dict[str, int]:
    """Return what each session prefers: 1 challenger, -1 incumbent, 0 neither.

    Its values are what `SequentialTest.update` takes. Lists without teams, whose documents were not
    interleaved, are left out. Documents that were clicked and those that the answer cites count;
    ratings do not, since what is a good one depends on their scale.

    Args:
        lists: Shown lists of one experiment with their events, such as `FeedbackLog.read().lists`
            of one `system`.

    Returns:
        The outcome by session; a list without a session is one of its own, by the list's id.
    """
    outcomes: defaultdict[str, list[int]] = defaultdict(list)
    for one in lists:
        if one.teams:
            teams = cast("dict[str, Arm | None]", one.teams)
            outcomes[one.session or one.id].append(outcome(teams, _used(one)))
    return {session: session_outcome(found) for session, found in outcomes.items()}


def _used(one: ShownList) -> list[str]:
    """Return the ids of documents that were clicked or cited."""
    events = (event for event in one.events if event.kind in ("clicked", "cited"))
    return [event.document for event in events if event.document is not None]
