"""Tests of chat models by name through the providers' SDKs, with a local server."""

from collections.abc import Callable

import pytest

from query_adapters.errors import GenerationError, MissingKeyError, UnknownModelError
from query_adapters.generation import (
    GENERATORS,
    CallOptions,
    QuestionGenerator,
    TextGenerator,
    resolve_generator,
)
from tests.servers.chat import BROKEN_DOWN, EMPTY, RATE_LIMITED, ChatServer, Fault, questions_about

OPENAI, COHERE = "openai:gpt-4o-mini", "cohere:command-a-03-2025"
CHUNKS = {"one": "About marker-1.", "two": "About marker-2."}
Connect = Callable[..., TextGenerator]
both_providers = pytest.mark.parametrize("name", [OPENAI, COHERE])


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes a model by name and connects it to the server."""

    def make(name: str, url: str) -> TextGenerator:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        monkeypatch.setenv("CO_API_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setenv("CO_API_KEY", "k")
        return resolve_generator(name)

    return make


@both_providers
def test_questions_about_every_chunk_come_back(name: str, connect: Connect) -> None:
    with ChatServer() as server:
        made = QuestionGenerator(llm=connect(name, server.url)).run(CHUNKS)
    asked = [*questions_about("marker-1"), *questions_about("marker-2")]
    assert list(made.dataset.queries.values()) == asked
    assert made.summary.model_name == name.partition(":")[2]
    assert server.requests["marker-1"][0]["model"] == name.partition(":")[2]


@both_providers
@pytest.mark.parametrize("fault", [RATE_LIMITED, BROKEN_DOWN, EMPTY], ids=["429", "500", "empty"])
def test_what_fails_is_asked_again_by_the_generator_alone(
    name: str, fault: Fault, connect: Connect
) -> None:
    options = CallOptions(backoff=0.01)
    with ChatServer({"marker-1": [fault]}) as server:
        made = QuestionGenerator(llm=connect(name, server.url), options=options).run(CHUNKS)
    assert len(made.dataset.queries) == 4
    assert server.asked == {"marker-1": 2, "marker-2": 1}


@both_providers
def test_a_refused_key_is_named_after_one_request(name: str, connect: Connect) -> None:
    with ChatServer({"marker-1": [Fault(401)] * 9}) as server:
        generator = QuestionGenerator(llm=connect(name, server.url))
        with pytest.raises(GenerationError, match="expected a valid key"):
            generator.run({"one": CHUNKS["one"]})
    assert server.asked == {"marker-1": 1}


@both_providers
def test_without_a_key_there_is_no_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "CO_API_KEY", "COHERE_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingKeyError, match="nothing has been sent"):
        resolve_generator(name)


def test_a_provider_of_ones_own_can_be_registered(
    monkeypatch: pytest.MonkeyPatch, make_writer: Callable[..., TextGenerator]
) -> None:
    monkeypatch.setitem(GENERATORS, "mine", lambda model: make_writer(model_name=model))
    assert resolve_generator("mine:rules").model_name == "rules"


def test_an_unknown_provider_is_named() -> None:
    with pytest.raises(UnknownModelError, match="providers are openai, cohere"):
        resolve_generator("sentence-transformers:all-MiniLM-L6-v2")
