"""Tests of a challenger whose failures fail no request."""

import asyncio
import threading
import time
import warnings
from collections.abc import Iterator

import pytest

from query_adapters.errors import QueryAdaptersWarning
from query_adapters.experiments import in_session
from query_adapters.experiments.arms import current_session
from query_adapters.experiments.serving import Challenge, marked, teams_in


def failing() -> str:
    raise ConnectionError("no route; key sk-abcdefgh1234ijklmnopqrst")


async def later(value: str) -> str:
    await asyncio.sleep(0)
    return value


async def failing_later() -> str:
    await asyncio.sleep(0)
    return failing()


@pytest.fixture
def warned() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def test_both_run_at_the_same_time_and_in_the_same_context() -> None:
    barrier = threading.Barrier(2, timeout=10)

    def ask() -> str | None:
        barrier.wait()
        return current_session()

    with in_session("one"):
        assert Challenge("x").beside(ask, ask) == ("one", "one")


async def test_both_are_awaited_at_the_same_time() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def one() -> str:
        first.set()
        await second.wait()
        return "one"

    async def other() -> str:
        await first.wait()
        second.set()
        return "other"

    assert await Challenge("x").abeside(one(), other()) == ("one", "other")


async def test_a_failing_challenger_is_one_warning_and_no_error(
    warned: list[warnings.WarningMessage],
) -> None:
    challenge = Challenge("adapter-v2")
    for _ in range(2):
        assert challenge.beside(lambda: "own", failing) == ("own", None)
        assert await challenge.abeside(later("own"), failing_later()) == ("own", None)
        assert challenge.served("challenger", lambda: "own", failing) == ("own", None)
        found = await challenge.aserved("challenger", lambda: later("own"), failing_later)
        assert found == ("own", None)
    assert challenge.n_failed == 8
    [one] = [warning for warning in warned if warning.category is QueryAdaptersWarning]
    assert "the challenger of experiment 'adapter-v2' failed (ConnectionError" in str(one.message)
    assert "sk-abc" not in str(one.message)


async def test_a_late_challenger_is_not_waited_for(
    warned: list[warnings.WarningMessage],
) -> None:
    challenge, ended = Challenge("x", max_delay_s=0.01), threading.Event()
    started = time.perf_counter()
    assert challenge.beside(lambda: "own", lambda: str(ended.wait(20))) == ("own", None)
    assert await challenge.abeside(later("own"), asyncio.sleep(20, "late")) == ("own", None)
    assert time.perf_counter() - started < 10
    assert challenge.n_failed == 2
    assert len(warned) == 1
    ended.set()


async def test_a_failing_incumbent_fails_as_without_an_experiment() -> None:
    challenge, ended = Challenge("x"), []

    async def challenger() -> str:
        try:
            return await asyncio.sleep(20, "other")
        finally:
            ended.append(True)

    with pytest.raises(ConnectionError):
        challenge.beside(failing, lambda: "other")
    with pytest.raises(ConnectionError):
        await challenge.abeside(failing_later(), challenger())
    await asyncio.sleep(0)
    assert ended == [True]  # it does not go on behind the request
    assert challenge.n_failed == 0


async def test_the_arm_decides_who_is_asked() -> None:
    challenge = Challenge("x")
    for arm, expected in (("incumbent", "own"), ("challenger", "other"), (None, "own")):
        served = challenge.served(arm, lambda: "own", lambda: "other")  # type: ignore[arg-type]
        assert served == (expected, arm)
        found = await challenge.aserved(
            arm,  # type: ignore[arg-type]
            lambda: later("own"),
            lambda: later("other"),
        )
        assert found == served


def test_requests_without_a_session_draw_anew_and_others_do_not() -> None:
    challenge = Challenge("x")
    own, other = [[(key, key) for key in text] for text in ("abcd", "efgh")]

    def lists(session: str | None) -> set[tuple[str, ...]]:
        found = [
            challenge.joined(own, other, 4, question="why?", session=session) for _ in range(40)
        ]
        return {tuple(key for key, _ in one) for one in found}

    assert len(lists("one")) == 1
    assert len(lists(None)) == 4  # two rounds


def test_marks_of_several_experiments_stay_apart() -> None:
    metadata = marked(marked({"page": 3}, "one", "challenger"), "other", None)
    assert metadata == {"page": 3, "experiments": {"one": "challenger", "other": None}}
    documents = [("a", metadata), ("b", {"page": 4})]
    assert teams_in(documents, "one") == {"a": "challenger"}
    assert teams_in(documents, "other") == {"a": None}
    assert teams_in(documents, "third") == {}


def test_a_name_and_a_delay_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="experiment: expected a name"):
        Challenge("")
    with pytest.raises(ValueError, match="max_delay_s: expected 0 or more seconds, got -1"):
        Challenge("x", max_delay_s=-1)
