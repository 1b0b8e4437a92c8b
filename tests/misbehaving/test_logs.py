"""Test that SDKs and frameworks log no secret while this package calls a provider through them."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from langchain_cohere import ChatCohere, CohereEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.cohere import Cohere
from llama_index.llms.openai import OpenAI

from langchain_adapter import LangChainEmbedder
from langchain_adapter.text_generator import LangChainTextGenerator
from llama_index_finetune_plugin import LlamaIndexEmbedder
from llama_index_finetune_plugin.text_generator import LlamaIndexTextGenerator
from query_adapters.providers.logs import redacting_logs
from tests.misbehaving.answers import KEY
from tests.providers.expected import ignore_own_warnings
from tests.servers.misbehaving import Answer, MisbehavingServer

pytestmark = ignore_own_warnings
ADDRESS = {"openai": "{}/v1", "cohere": "{}"}
LLAMA_INDEX: Mapping[str, Callable[[str], Any]] = {
    "openai embedding": lambda url: LlamaIndexEmbedder(
        OpenAIEmbedding(api_base=url, api_key=KEY, max_retries=2)
    ),
    "cohere embedding": lambda url: LlamaIndexEmbedder(
        CohereEmbedding(base_url=url, api_key=KEY, max_retries=2)
    ),
    "openai chat": lambda url: LlamaIndexTextGenerator(
        OpenAI(model="gpt-4o-mini", api_base=url, api_key=KEY, max_retries=2)
    ),
    "cohere chat": lambda url: LlamaIndexTextGenerator(
        Cohere(model="command-r", base_url=url, api_key=KEY, max_retries=2)
    ),
}
SETTINGS: dict[str, Any] = {"api_key": KEY, "max_retries": 2}
COHERE: dict[str, Any] = {"model": "m", "cohere_api_key": KEY}
UNUSED: dict[str, Any] = {"client": None, "async_client": None}
LANGCHAIN: Mapping[str, Callable[[str], Any]] = {
    "openai embedding": lambda url: LangChainEmbedder(
        OpenAIEmbeddings(base_url=url, check_embedding_ctx_length=False, **SETTINGS)
    ),
    "cohere embedding": lambda url: LangChainEmbedder(
        CohereEmbeddings(base_url=url, max_retries=2, **COHERE, **UNUSED)
    ),
    "openai chat": lambda url: LangChainTextGenerator(
        ChatOpenAI(model="gpt-4o-mini", base_url=url, **SETTINGS)
    ),
    "cohere chat": lambda url: LangChainTextGenerator(ChatCohere(base_url=url, **COHERE)),
}


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.wait.wait_exponential.__call__", lambda *_: 0.0)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


@pytest.mark.parametrize("status", [429, 500])
@pytest.mark.parametrize("kind", LLAMA_INDEX)
@pytest.mark.parametrize("models", [LLAMA_INDEX, LANGCHAIN], ids=["LlamaIndex", "LangChain"])
def test_what_is_logged_of_a_retry_tells_no_key(
    models: Mapping[str, Callable[[str], Any]],
    kind: str,
    status: int,
    server: MisbehavingServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = {"message": f"no {KEY}", "error": {"message": f"no {KEY}"}}
    server.always(Answer(json.dumps(body).encode(), status, {"X-Key": KEY}))
    model = models[kind](ADDRESS[kind.split()[0]].format(server.url))
    before = logging.getLogRecordFactory()
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception) as caught:  # noqa: PT011
        model.embed_queries(["q"]) if "embedding" in kind else asyncio.run(model.complete("p"))
    assert KEY not in caplog.text + str(caught.value)
    assert len(server.requests) > 1
    assert any("***" in message for message in caplog.messages)
    assert logging.getLogRecordFactory() is before


def test_records_are_as_they_were_before_and_after_calls_in_several_threads() -> None:
    def said(name: str) -> str:
        record = logging.getLogRecordFactory()(name, 30, "p", 1, "at %s", ("x?api_key=1234",), None)
        return record.getMessage()

    before, entered, left = logging.getLogRecordFactory(), threading.Event(), threading.Event()

    def call() -> None:
        with redacting_logs():
            entered.set()
            left.wait(20)

    other = threading.Thread(target=call)
    with redacting_logs():
        other.start()
        assert entered.wait(20)
    assert said("llama_index.llms") == "at x?api_key=***"  # the other call is still under way
    assert said("my_app") == "at x?api_key=1234"
    left.set()
    other.join()
    assert said("llama_index.llms") == "at x?api_key=1234"
    assert logging.getLogRecordFactory() is before


def test_a_factory_that_is_set_during_a_call_stays() -> None:
    before = logging.getLogRecordFactory()
    try:
        with redacting_logs():
            inner = logging.getLogRecordFactory()
            logging.setLogRecordFactory(lambda *args, **options: inner(*args, **options))
            mine = logging.getLogRecordFactory()
        for _ in range(3):
            with redacting_logs():
                assert logging.getLogRecordFactory() is not mine
            assert logging.getLogRecordFactory() is mine
    finally:
        logging.setLogRecordFactory(before)


def test_a_message_that_cannot_be_formatted_does_not_end_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redacting_logs():
        logging.getLogger("httpx").warning("x?api_key=1234 took %d s", "long")
    assert caplog.messages == ["x?api_key=*** took %d s (arguments that do not fit: TypeError)"]


def test_a_call_hides_secrets_though_the_factory_was_replaced_during_another_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = logging.getLogRecordFactory()
    try:
        with redacting_logs():
            logging.setLogRecordFactory(logging.LogRecord)
            with redacting_logs():
                logging.getLogger("httpx").warning("x?api_key=1234")
        assert logging.getLogRecordFactory() is logging.LogRecord
    finally:
        logging.setLogRecordFactory(before)
    assert caplog.messages == ["x?api_key=***"]
