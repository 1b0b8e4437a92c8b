"""Tests of who asks in LangChain: config, arguments, chains; and of nested runs."""

from operator import itemgetter
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnablePassthrough

from langchain_adapter import CanaryRetriever, InterleavedRetriever
from query_adapters.errors import InvalidDatasetError, QueryAdaptersWarning
from query_adapters.experiments import arm_of, in_session
from tests.integrations.langchain import ListedRetriever

QUESTION = "how far is the harbour?"
USERS = [f"user {number}" for number in range(8)]
ARMS = {user: arm_of(user, share=0.5, salt="adapter-v2") for user in USERS}


def canary(**options: Any) -> CanaryRetriever:
    own, other = (ListedRetriever(rankings={QUESTION: [key]}) for key in ("own", "other"))
    return CanaryRetriever(own, other, experiment="adapter-v2", share=0.5, **options)


def arm(found: list[Document]) -> str | None:
    mark = found[0].metadata.get("experiments", {})
    return mark.get("adapter-v2")  # type: ignore[no-any-return]


def of(user: str, key: str = "session_id") -> RunnableConfig:
    return {"configurable": {key: user}}


async def test_who_asks_is_read_from_the_config() -> None:
    assert set(ARMS.values()) == {"incumbent", "challenger"}
    for user in USERS:
        assert arm(canary().invoke(QUESTION, of(user))) == ARMS[user]
        assert arm(await canary().ainvoke(QUESTION, of(user))) == ARMS[user]
        named = canary(session_key="thread_id")
        assert arm(named.invoke(QUESTION, of(user, "thread_id"))) == ARMS[user]
        assert arm(named.with_config(of(user, "thread_id")).invoke(QUESTION)) == ARMS[user]
        assert arm(named.invoke(QUESTION, of(user))) is None


async def test_an_argument_counts_before_the_config_and_that_before_the_block() -> None:
    one, other = (next(u for u in USERS if ARMS[u] == a) for a in ("incumbent", "challenger"))
    assert arm(canary().invoke(QUESTION, of(one), session=other)) == "challenger"
    with in_session(other):
        assert arm(canary().invoke(QUESTION)) == "challenger"
        assert arm(canary().invoke(QUESTION, of(one))) == "incumbent"
    assert arm(await canary().ainvoke(QUESTION, session=other)) == "challenger"


async def test_a_chain_and_a_batch_pass_the_config_on() -> None:
    context = RunnablePassthrough.assign(context=itemgetter("question") | canary())
    chain = {"question": RunnablePassthrough()} | context | RunnableLambda(itemgetter("context"))
    for user in USERS:
        assert arm(chain.invoke(QUESTION, of(user))) == ARMS[user]
        assert arm(await chain.ainvoke(QUESTION, of(user))) == ARMS[user]
    found = canary().batch([QUESTION] * len(USERS), [of(user) for user in USERS])
    assert [arm(one) for one in found] == [ARMS[user] for user in USERS]


async def test_retrievers_inside_see_the_config() -> None:
    seen: list[Any] = []

    def search(question: str, config: RunnableConfig) -> list[Document]:
        seen.append(config["configurable"]["tenant"])
        return [Document("text", id="a")]

    inner = RunnableLambda(search)
    retriever = InterleavedRetriever(inner, inner, experiment="adapter-v2")
    retriever.invoke(QUESTION, of("one", "tenant"))
    await retriever.ainvoke(QUESTION, of("two", "tenant"))
    assert seen == ["one", "one", "two", "two"]


def test_k_can_be_given_per_call() -> None:
    one, other = (ListedRetriever(rankings={QUESTION: list(ids)}) for ids in ("abc", "bcd"))
    retriever = InterleavedRetriever(one, other, experiment="adapter-v2", k=4)
    assert len(retriever.invoke(QUESTION)) == 4
    assert len(retriever.invoke(QUESTION, k=2)) == 2
    with pytest.raises(ValueError, match="at least 1, got 0"):
        retriever.invoke(QUESTION, k=0)


def test_ids_can_be_in_the_metadata() -> None:
    one, other = (ListedRetriever(rankings={QUESTION: list(ids)}) for ids in ("ab", "cd"))
    retriever = InterleavedRetriever(one, other, experiment="adapter-v2", id_key="_id")
    assert set(retriever.teams(retriever.invoke(QUESTION))) == {"a!", "b!", "c!", "d!"}


def test_documents_without_an_id_fail_the_challenger_and_refuse_the_incumbent() -> None:
    def search(question: str) -> list[Document]:
        return [Document("text")]

    without, own = RunnableLambda(search), ListedRetriever(rankings={QUESTION: ["a"]})
    with pytest.warns(QueryAdaptersWarning, match="expected a document with an id"):
        found = InterleavedRetriever(own, without, experiment="x").invoke(QUESTION)
    assert [document.id for document in found] == ["a"]
    with pytest.raises(InvalidDatasetError, match="expected a document with an id"):
        InterleavedRetriever(without, own, experiment="x").invoke(QUESTION)


class Recording(BaseCallbackHandler):
    """Records the name and the parent of each retriever's run."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, bool]] = []

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.runs.append((kwargs["name"], kwargs["parent_run_id"] is not None))


def test_runs_of_both_are_nested() -> None:
    recorder, inner = Recording(), ListedRetriever(rankings={QUESTION: ["a"]})
    retriever = InterleavedRetriever(inner, inner, experiment="x", name="both")
    retriever.invoke(QUESTION, {"callbacks": [recorder]})
    assert recorder.runs == [("both", False), *[("ListedRetriever", True)] * 2]
