"""Tests of who asks and which arm serves them."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from query_adapters.experiments import arm_of, in_session
from query_adapters.experiments.arms import current_session, digest, fair_coins

KEYS = [f"user {number}" for number in range(10_000)]


def of_challenger(share: float, salt: str = "adapter-v2") -> set[str]:
    return {key for key in KEYS if arm_of(key, share=share, salt=salt) == "challenger"}


def test_the_share_of_users_is_met_and_nobody_leaves_when_it_is_raised() -> None:
    few, more = of_challenger(0.05), of_challenger(0.2)
    assert few < more
    for share, found in ((0.05, few), (0.2, more)):
        spread = (len(KEYS) * share * (1 - share)) ** 0.5
        assert abs(len(found) - len(KEYS) * share) < 4 * spread
    assert (of_challenger(0), len(of_challenger(1))) == (set(), len(KEYS))


def test_experiments_draw_their_users_independently() -> None:
    both = of_challenger(0.2) & of_challenger(0.2, "adapter-v3")
    assert abs(len(both) - 400) < 4 * (400 * 0.96) ** 0.5


@pytest.mark.parametrize("key", ["", "ü", "\ud800", "a\x00b", "x" * 10_000])
def test_any_text_is_a_key(key: str) -> None:
    assert arm_of(key, share=1, salt=key) == "challenger"


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share: expected a number from 0 to 1"):
        arm_of("user", share=share, salt="x")


def test_draws_are_the_same_on_every_machine() -> None:
    assert digest("a", "b", n_bytes=2) != digest("ab", n_bytes=2)
    assert digest("a", "\ud800", n_bytes=4).hex() == "9d6a538e"
    assert list(fair_coins("x", 9)) == list(fair_coins("x", 30))[:9]


class TestSession:
    def test_is_that_of_the_block_and_of_contexts_copied_in_it(self) -> None:
        assert current_session() is None
        with in_session("one"):
            copied = copy_context()
            with in_session("two"):
                assert current_session() == "two"
            assert current_session() == "one"
        assert current_session() is None
        assert copied.run(current_session) == "one"

    async def test_tasks_do_not_see_each_others_session(self) -> None:
        async def ask(key: str) -> str | None:
            with in_session(key):
                await asyncio.sleep(0)
                return current_session()

        keys = [str(number) for number in range(20)]
        assert await asyncio.gather(*map(ask, keys)) == keys

    def test_can_be_read_from_a_variable_or_a_function(self) -> None:
        variable: ContextVar[str] = ContextVar("variable")
        assert current_session(variable) is None
        variable.set("from the variable")
        assert current_session(variable) == "from the variable"
        assert current_session(lambda: 17) == "17"  # type: ignore[arg-type]
        assert current_session(lambda: "") is None
