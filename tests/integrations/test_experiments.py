"""Tests of a new retriever beside the one that serves, in both integrations."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import pytest

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters.errors import QueryAdaptersWarning
from query_adapters.experiments import SequentialTest, in_session, interleave, outcome
from query_adapters.experiments.arms import digest
from tests import rotated_model
from tests.integrations.framework import Framework

QUESTION = "how far is the harbour?"
OWN, OTHER = ["a", "b", "c", "d"], ["a", "d", "e", "f"]
USERS = [f"user {number}" for number in range(40)]


@dataclass(frozen=True)
class Live:
    """An integration's retrievers of experiments, as the tests call them.

    Attributes:
        interleaved: The class that interleaves.
        canary: The class that splits.
        top: Name of the option for the number of documents.
        ask: Takes a retriever and a question, returns what was found.
        aask: The same, asynchronously.
        metadata: Returns the id and metadata of each document that was found.
    """

    interleaved: Any
    canary: Any
    top: str
    ask: Callable[..., Any]
    aask: Callable[..., Any]
    metadata: Callable[[Any], list[tuple[str, Any]]]


LIVE = {
    "llama_index": Live(
        interleaved=llama_index_finetune_plugin.InterleavedRetriever,
        canary=llama_index_finetune_plugin.CanaryRetriever,
        top="similarity_top_k",
        ask=lambda retriever, question: retriever.retrieve(question),
        aask=lambda retriever, question: retriever.aretrieve(question),
        metadata=lambda found: [(one.node.node_id, one.node.metadata) for one in found],
    ),
    "langchain": Live(
        interleaved=langchain_adapter.InterleavedRetriever,
        canary=langchain_adapter.CanaryRetriever,
        top="k",
        ask=lambda retriever, question: retriever.invoke(question),
        aask=lambda retriever, question: retriever.ainvoke(question),
        metadata=lambda found: [(one.id, one.metadata) for one in found],
    ),
}


@pytest.fixture
def live(framework: Framework) -> Live:
    return LIVE[framework.name]


@pytest.fixture
def listed(framework: Framework) -> Callable[[list[str]], Any]:
    """Return a function that makes a retriever of these ids; it fails if there are none."""
    return lambda ids: framework.listed_retriever({QUESTION: ids} if ids else {})


Listed = Callable[[list[str]], Any]


def expected(session: str, k: int = 10) -> dict[str, str | None]:
    """Return the teams of the list that this session sees."""
    seed = digest("adapter-v2", session, QUESTION, n_bytes=16).hex()
    return dict(interleave(OWN, OTHER, k, seed=seed).teams)


class TestInterleaved:
    def test_shows_the_list_of_the_session_with_its_teams(self, live: Live, listed: Listed) -> None:
        retriever = live.interleaved(listed(OWN), listed(OTHER), experiment="adapter-v2")
        shown = set()
        for user in USERS:
            with in_session(user):
                found = live.ask(retriever, QUESTION)
                later = asyncio.run(_awaited(live.aask, retriever))
            assert retriever.teams(found) == expected(user)
            assert live.metadata(later) == live.metadata(found)
            shown.add(tuple(retriever.teams(found)))
            assert outcome(retriever.teams(found), ["e", "f"]) == 1
        assert len(shown) > 2

    def test_returns_at_most_as_many_as_asked_for(self, live: Live, listed: Listed) -> None:
        retriever = live.interleaved(
            listed(OWN), listed(OTHER), experiment="adapter-v2", **{live.top: 3}
        )
        with in_session("one"):
            found = live.ask(retriever, QUESTION)
        assert retriever.teams(found) == expected("one", 3)

    async def test_asks_both_at_the_same_time(self, live: Live, listed: Listed) -> None:
        own, other = listed(OWN), listed(OTHER)
        retriever = live.interleaved(own, own, experiment="adapter-v2")
        await live.aask(retriever, QUESTION)
        assert own.most_running == 2
        retriever = live.interleaved(own, other, experiment="adapter-v2")
        assert len(await live.aask(retriever, QUESTION)) == 6

    async def test_serves_the_incumbent_if_the_challenger_fails(
        self, live: Live, listed: Listed
    ) -> None:
        retriever = live.interleaved(
            listed(OWN), listed([]), experiment="adapter-v2", **{live.top: 3}
        )
        with pytest.warns(QueryAdaptersWarning, match="challenger of experiment 'adapter-v2'"):
            found = live.ask(retriever, QUESTION)
        for served in (found, await live.aask(retriever, QUESTION)):  # without another warning
            assert [key for key, _ in live.metadata(served)] == OWN[:3]
            assert retriever.teams(served) == {}
        assert retriever.n_failed == 2

    async def test_fails_where_the_incumbent_fails(self, live: Live, listed: Listed) -> None:
        retriever = live.interleaved(listed([]), listed(OTHER), experiment="adapter-v2")
        with pytest.raises(KeyError):
            live.ask(retriever, QUESTION)
        with pytest.raises(KeyError):
            await live.aask(retriever, QUESTION)

    def test_equal_retrievers_are_shown_as_they_are(self, live: Live, listed: Listed) -> None:
        retriever = live.interleaved(listed(OWN), listed(OWN), experiment="adapter-v2")
        assert retriever.teams(live.ask(retriever, QUESTION)) == dict.fromkeys(OWN)

    def test_documents_of_the_retrievers_are_not_changed(
        self, live: Live, framework: Framework
    ) -> None:
        model = framework.make_base()
        store = framework.stores.in_memory({"a": "five miles", "b": "four miles"}, model)
        own = framework.stores.retriever(store, 2)
        retriever = live.interleaved(own, own, experiment="adapter-v2")
        assert set(retriever.teams(live.ask(retriever, QUESTION))) == {"a", "b"}
        kept = live.metadata(live.ask(own, QUESTION))
        assert all("experiments" not in metadata for _, metadata in kept)

    def test_an_adapter_that_users_prefer_is_found_from_what_they_click(
        self, live: Live, framework: Framework
    ) -> None:
        model = framework.make_base(document=rotated_model.vector, query=rotated_model.vector)
        store = framework.stores.in_memory(rotated_model.CHUNKS, model)
        adapted = framework.linear(model, weight=rotated_model.ROTATION)
        retriever = live.interleaved(
            framework.stores.retriever(store, 10),
            framework.stores.retriever(framework.stores.served(store, adapted), 10),
            experiment="adapter-v2",
        )
        test = SequentialTest()
        for question, answers in rotated_model.TEST.items():
            with in_session(question):
                teams = retriever.teams(live.ask(retriever, question))
            test.update([outcome(teams, answers)])
        assert test.decision == "challenger"

    def test_wrong_arguments_are_refused(self, live: Live, listed: Listed) -> None:
        own = listed(OWN)
        with pytest.raises(TypeError, match="retrievers: expected"):
            live.interleaved(own, "text", experiment="x")
        with pytest.raises(ValueError, match="experiment: expected a name"):
            live.interleaved(own, own, experiment="")
        with pytest.raises(ValueError, match="at least 1"):
            live.interleaved(own, own, experiment="x", **{live.top: 0})
        with pytest.raises(ValueError, match="max_delay_s"):
            live.interleaved(own, own, experiment="x", max_delay_s=-1)


class TestCanary:
    async def test_serves_a_user_by_the_same_arm_and_says_which(
        self, live: Live, listed: Listed
    ) -> None:
        retriever = live.canary(listed(OWN), listed(OTHER), experiment="adapter-v2", share=0.5)
        served = set()
        for user in USERS:
            arm = retriever.arm_of(user)
            ids = OTHER if arm == "challenger" else OWN
            with in_session(user):
                for found in (live.ask(retriever, QUESTION), await live.aask(retriever, QUESTION)):
                    marks = [(key, one["experiments"]) for key, one in live.metadata(found)]
                    assert marks == [(key, {"adapter-v2": arm}) for key in ids]
            served.add(arm)
        assert served == {"incumbent", "challenger"}

    def test_without_a_session_the_incumbent_serves_and_nothing_is_marked(
        self, live: Live, listed: Listed
    ) -> None:
        retriever = live.canary(listed(OWN), listed(OTHER), experiment="adapter-v2", share=1)
        found = live.metadata(live.ask(retriever, QUESTION))
        assert [key for key, _ in found] == OWN
        assert all("experiments" not in metadata for _, metadata in found)

    def test_the_share_can_be_raised(self, live: Live, listed: Listed) -> None:
        retriever = live.canary(listed(OWN), listed(OTHER), experiment="adapter-v2", share=0)
        before = {user for user in USERS if retriever.arm_of(user) == "challenger"}
        retriever.share = 0.5
        halfway = {user for user in USERS if retriever.arm_of(user) == "challenger"}
        retriever.share = 1
        assert before == set() < halfway < set(USERS)
        assert {retriever.arm_of(user) for user in USERS} == {"challenger"}
        with pytest.raises(ValueError, match="share: expected a number from 0 to 1"):
            retriever.share = 2

    async def test_serves_the_incumbent_if_the_challenger_fails(
        self, live: Live, listed: Listed
    ) -> None:
        retriever = live.canary(listed(OWN), listed([]), experiment="adapter-v2", share=1)
        with in_session("one"):
            with pytest.warns(QueryAdaptersWarning, match="challenger of experiment 'adapter-v2'"):
                found = live.ask(retriever, QUESTION)
            for served in (found, await live.aask(retriever, QUESTION)):
                assert [key for key, _ in live.metadata(served)] == OWN
        assert retriever.n_failed == 2

    def test_who_asks_can_come_from_the_applications_own_variable(
        self, live: Live, listed: Listed
    ) -> None:
        variable: ContextVar[str | None] = ContextVar("user", default=None)
        for source in (variable, variable.get):
            retriever = live.canary(
                listed(OWN), listed(OTHER), experiment="adapter-v2", share=1, session=source
            )
            variable.set(None)
            assert live.metadata(live.ask(retriever, QUESTION))[-1][0] == "d"
            variable.set("one")
            assert live.metadata(live.ask(retriever, QUESTION))[-1][0] == "f"

    def test_experiments_can_be_nested(self, live: Live, listed: Listed) -> None:
        inner = live.interleaved(listed(OWN), listed(OTHER), experiment="adapter-v2")
        retriever = live.canary(listed(OWN), inner, experiment="interleaved users", share=1)
        with in_session("one"):
            found = live.ask(retriever, QUESTION)
        assert inner.teams(found) == expected("one")
        assert live.metadata(found)[0][1]["experiments"]["interleaved users"] == "challenger"

    def test_a_share_that_cannot_be_is_refused(self, live: Live, listed: Listed) -> None:
        with pytest.raises(ValueError, match="share: expected a number from 0 to 1, got 5"):
            live.canary(listed(OWN), listed(OWN), experiment="x", share=5)


async def _awaited(aask: Callable[..., Any], retriever: Any) -> Any:
    return await aask(retriever, QUESTION)
