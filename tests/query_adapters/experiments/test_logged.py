"""Tests of what the sessions of a feedback log prefer."""

from pathlib import Path

from query_adapters.experiments import SequentialTest, session_outcomes
from query_adapters.feedback import FeedbackLog

TEAMS = {"a": None, "b": "incumbent", "c": "challenger", "d": "challenger"}


def test_a_session_counts_once_with_the_sign_of_its_questions(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    clicks = {
        "for the challenger": ["c", "cd", "b"],  # 1 + 1 - 1
        "for the incumbent": ["b", "a"],
        "for neither": ["c", "b"],
        "without clicks": [""],
        "on what both rank alike": ["a"],
    }
    for session, lists in clicks.items():
        for clicked in lists:
            shown = log.shown("how far?", list(TEAMS), teams=TEAMS, session=session)
            for document in clicked:
                log.clicked(shown, document)
    outcomes = session_outcomes(log.read().lists)
    assert list(outcomes) == list(clicks)
    assert list(outcomes.values()) == [1, -1, 0, 0, 0]
    test = SequentialTest()
    test.update(list(outcomes.values()))
    assert (test.n, test.difference) == (5, 0.0)


def test_citations_count_ratings_and_lists_without_teams_do_not(tmp_path: Path) -> None:
    log = FeedbackLog(tmp_path / "log")
    cited, rated = (log.shown("how far?", list(TEAMS), teams=TEAMS) for _ in range(2))
    plain = log.shown("how far?", list(TEAMS), session="plain")
    log.cited(cited, "c")
    log.rated(rated, 5.0, "c")
    log.clicked(plain, "c")
    assert session_outcomes(log.read().lists) == {cited.id: 1, rated.id: 0}
