"""Tests of handlers that log what retrievers show, in both integrations."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters.adapters import LinearAdapter
from query_adapters.experiments import in_session, session_outcomes
from query_adapters.feedback import FeedbackLog
from query_adapters.monitoring import shown_lists
from tests.integrations.framework import Framework

QUESTION, IDS = "how far is the harbour?", ["b", "a", "c"]
Asked = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Watching:
    """An integration's handler, as the tests use it.

    Attributes:
        handler: The class.
        retrievers: The integration's package, which holds the retrievers of experiments.
        asks: Takes a retriever, a question and handlers, and asks under them.
        aasks: The same with one handler, asynchronously.
    """

    handler: Any
    retrievers: Any
    asks: Callable[..., Any]
    aasks: Callable[..., Any]

    def ask(self, retriever: Any, question: str, *handlers: Any) -> Any:
        """Ask, and wait until the handlers have written everything."""
        try:
            return self.asks(retriever, question, *handlers)
        finally:
            assert all(handler.flush(5) for handler in handlers)

    async def aask(self, retriever: Any, question: str, handler: Any) -> Any:
        """Ask asynchronously, and wait as `ask` does."""
        found = await self.aasks(retriever, question, handler)
        assert handler.flush(5)
        return found


@contextmanager
def listening(handler: Any) -> Iterator[None]:
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(handler)
    try:
        yield
    finally:
        dispatcher.event_handlers.remove(handler)


def ask_llama_index(retriever: Any, question: str, *handlers: Any) -> Any:
    with ExitStack() as stack:
        for handler in handlers:
            stack.enter_context(listening(handler))
        return retriever.retrieve(question)


async def aask_llama_index(retriever: Any, question: str, handler: Any) -> Any:
    with listening(handler):
        return await retriever.aretrieve(question)


def ask_langchain(retriever: Any, question: str, *handlers: Any) -> Any:
    return retriever.invoke(question, {"callbacks": list(handlers)})


async def aask_langchain(retriever: Any, question: str, handler: Any) -> Any:
    return await retriever.ainvoke(question, {"callbacks": [handler]})


WATCHING = {
    "llama_index": Watching(
        handler=llama_index_finetune_plugin.RetrievalEventHandler,
        retrievers=llama_index_finetune_plugin,
        asks=ask_llama_index,
        aasks=aask_llama_index,
    ),
    "langchain": Watching(
        handler=langchain_adapter.RetrievalCallbackHandler,
        retrievers=langchain_adapter,
        asks=ask_langchain,
        aasks=aask_langchain,
    ),
}


@pytest.fixture
def watching(framework: Framework) -> Watching:
    return WATCHING[framework.name]


@pytest.fixture
def log(tmp_path: Path) -> FeedbackLog:
    return FeedbackLog(tmp_path / "feedback.jsonl")


def test_what_is_shown_is_logged_and_a_click_finds_it(
    framework: Framework, watching: Watching, log: FeedbackLog
) -> None:
    retriever = framework.listed_retriever({QUESTION: IDS})
    handler = watching.handler(log=log)
    with in_session("user 1"), shown_lists() as shown:
        watching.ask(retriever, QUESTION, handler)
    log.clicked(shown[-1], "a")
    (one,) = log.read().lists
    assert (one.question, list(one.ids), one.session) == (QUESTION, IDS, "user 1")
    assert one.system == "ListedRetriever"
    assert [event.document for event in one.events] == ["a"]
    scores = [0.9, 0.6, 0.3] if framework.name == "llama_index" else []
    assert list(one.scores) == pytest.approx(scores)


async def test_asynchronously_too(
    framework: Framework, watching: Watching, log: FeedbackLog
) -> None:
    retriever = framework.listed_retriever({QUESTION: IDS})
    with in_session("user 1"), shown_lists() as shown:
        await watching.aask(retriever, QUESTION, watching.handler(log=log, system="faq"))
    assert [(one.id, one.system, one.session) for one in log.read().lists] == [
        (shown[0].id, "faq", "user 1")
    ]


@pytest.mark.parametrize("is_async", [False, True])
async def test_of_two_retrievers_in_one_the_joined_list_counts(
    framework: Framework, watching: Watching, log: FeedbackLog, is_async: bool
) -> None:
    own, other = (framework.listed_retriever({QUESTION: list(ids)}) for ids in ("abc", "dea"))
    retriever = watching.retrievers.InterleavedRetriever(own, other, experiment="x")
    handler = watching.handler(log=log)
    for _ in range(2):
        if is_async:
            await watching.aask(retriever, QUESTION, handler)
        else:
            watching.ask(retriever, QUESTION, handler)
    first, again = log.read().lists
    assert set(first.ids) == set("abcde") == set(again.ids)
    assert first.system == "x"
    assert dict(first.teams).keys() == set("abcde")
    assert {"incumbent", "challenger"} <= set(first.teams.values())


def test_clicks_on_a_logged_list_tell_which_retriever_is_preferred(
    framework: Framework, watching: Watching, log: FeedbackLog
) -> None:
    own, other = (framework.listed_retriever({QUESTION: list(ids)}) for ids in ("abc", "ade"))
    retriever = watching.retrievers.InterleavedRetriever(own, other, experiment="x")
    with in_session("one"), shown_lists() as shown:
        found = watching.ask(retriever, QUESTION, watching.handler(log=log))
    log.clicked(shown[-1], "d")
    (one,) = log.read().lists
    assert one.teams == retriever.teams(found)
    assert one.teams["a"] is None
    assert session_outcomes([one]) == {"one": 1}


def test_a_canary_is_logged_under_the_arm_that_served(
    framework: Framework, watching: Watching, log: FeedbackLog
) -> None:
    own, other = (framework.listed_retriever({QUESTION: list(ids)}) for ids in ("ab", "cd"))
    retriever = watching.retrievers.CanaryRetriever(own, other, experiment="x", share=0)
    with in_session("one"):
        watching.ask(retriever, QUESTION, watching.handler(log=log))
        retriever.share = 1
        watching.ask(retriever, QUESTION, watching.handler(log=log))
    watching.ask(retriever, QUESTION, watching.handler(log=log))
    assert [one.system for one in log.read().lists] == [
        "x:incumbent",
        "x:challenger",
        "CanaryRetriever",
    ]


def test_the_adapter_in_use_is_noted(
    framework: Framework, watching: Watching, log: FeedbackLog, base: Any
) -> None:
    retriever = framework.listed_retriever({QUESTION: IDS})
    model = framework.adapted(base, None)
    handler = watching.handler(log=log, model=model)
    watching.ask(retriever, QUESTION, handler)
    model.adapter = LinearAdapter(2 * np.eye(len(framework.calls.query(base, QUESTION))))
    watching.ask(retriever, QUESTION, handler)
    fingerprint = model.adapter.fingerprint
    assert [one.system for one in log.read().lists] == [
        "ListedRetriever@base",
        f"ListedRetriever@{fingerprint}",
    ]
    with pytest.raises(TypeError, match="expected an adapted embedding model"):
        watching.handler(log=log, model=object())


def test_a_request_does_not_fail_with_the_log_and_the_failure_is_said_once(
    framework: Framework, watching: Watching, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder").mkdir()
    handler = watching.handler(log=FeedbackLog(tmp_path / "folder"))
    retriever = framework.listed_retriever({QUESTION: IDS})
    with caplog.at_level(logging.WARNING, logger="query_adapters.monitoring"):
        for _ in range(2):
            assert len(watching.ask(retriever, QUESTION, handler)) == 3
    (record,) = caplog.records
    assert "a retrieval was not noted" in record.getMessage()


def test_a_retriever_that_fails_and_one_that_finds_nothing_leave_no_list(
    framework: Framework, watching: Watching, log: FeedbackLog
) -> None:
    retriever = framework.listed_retriever({QUESTION: IDS, "nothing?": []})
    handler = watching.handler(log=log)
    watching.ask(retriever, "nothing?", handler)
    with pytest.raises(KeyError):
        watching.ask(retriever, "unknown?", handler)
    watching.ask(retriever, QUESTION, handler)  # it is no part of the one that failed
    assert [one.question for one in log.read().lists] == [QUESTION]


def test_two_handlers_log_the_same(
    framework: Framework, watching: Watching, tmp_path: Path
) -> None:
    logs = [FeedbackLog(tmp_path / name) for name in ("one", "other")]
    own, other = (framework.listed_retriever({QUESTION: list(ids)}) for ids in ("ab", "cd"))
    retriever = watching.retrievers.InterleavedRetriever(own, other, experiment="x")
    watching.ask(retriever, QUESTION, *(watching.handler(log=log) for log in logs))
    assert [len(log.read().lists) for log in logs] == [1, 1]


def test_a_log_without_texts_needs_vectors(
    framework: Framework, watching: Watching, tmp_path: Path
) -> None:
    log = FeedbackLog(tmp_path / "log", questions="vector")
    with pytest.raises(ValueError, match="expected vector_of=, got none"):
        watching.handler(log=log)
    with pytest.raises(ValueError, match="got none of them"):
        watching.handler()
    handler = watching.handler(log=log, vector_of=lambda question: [float(len(question)), 1.0])
    watching.ask(framework.listed_retriever({QUESTION: IDS}), QUESTION, handler)
    (one,) = log.read().lists
    assert one.question is None
    assert one.vector is not None
    assert one.vector.tolist() == [len(QUESTION), 1.0]
