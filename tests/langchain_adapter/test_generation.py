"""The LangChain twin, through the real SDKs against a provider on loopback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_cohere import ChatCohere
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_openai import ChatOpenAI

from langchain_adapter import generate_questions
from langchain_adapter.embedder import LangChainEmbedder
from langchain_adapter.generation import (
    LangChainTextGenerator,
    question_generator,
    sources_of,
    texts_of,
)
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import GenerationError, InvalidDatasetError
from tests.servers.chat import (
    BROKEN_DOWN,
    EMPTY,
    HANGS,
    MALFORMED,
    RATE_LIMITED,
    REFUSES,
    TRUNCATED,
    ChatServer,
    Fault,
    questions_about,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # of the SDKs
FAULTS = [RATE_LIMITED, BROKEN_DOWN, HANGS, TRUNCATED, MALFORMED, REFUSES]


def openai(server: ChatServer) -> BaseChatModel:
    settings: dict[str, Any] = {"base_url": f"{server.url}/v1", "api_key": "k", "max_retries": 0}
    return ChatOpenAI(model="gpt-4o-mini", **settings)


def cohere(server: ChatServer) -> BaseChatModel:
    settings: dict[str, Any] = {"base_url": server.url, "cohere_api_key": "k"}
    return ChatCohere(model="command-r", **settings)


def make_documents(n: int) -> list[Document]:
    return [Document(f"Chunk marker-{i} says this.", id=f"d{i}") for i in range(n)]


def own_questions(dataset: RetrievalDataset) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for query, grades in dataset.qrels.items():
        for chunk in grades:
            found.setdefault(chunk, []).append(dataset.queries[query])
    return found


@pytest.mark.parametrize("make_llm", [openai, cohere])
@pytest.mark.parametrize("structured", [True, False])
def test_whatever_the_provider_does_no_question_is_filed_under_another_chunk(
    make_llm: Callable[..., BaseChatModel], structured: bool, tmp_path: Path
) -> None:
    faults = {f"marker-{i}": [fault] for i, fault in enumerate(FAULTS)}
    with ChatServer({**faults, "marker-6": [EMPTY] * 3}) as server:
        generated = question_generator(
            make_llm(server),
            journal=tmp_path / "answers.jsonl",
            structured=structured,
            timeout=1.5,
        ).run(texts_of(make_documents(9)))
        asked = [request for requests in server.requests.values() for request in requests]
    assert own_questions(generated.dataset) == {
        f"d{i}": questions_about(f"marker-{i}") for i in range(9) if i != 6
    }
    assert generated.failures == {"d6": "expected 2 questions, got 0"}
    assert all(("response_format" in request) == structured for request in asked)
    assert server.n_paid == 8 + 1 + 3


def test_a_second_run_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with ChatServer() as server:
        first, again = (
            generate_questions(make_documents(4), openai(server), output_path=path)
            for _ in range(2)
        )
        assert server.n_paid == 4
        with pytest.raises(InvalidDatasetError, match="none of them among those given"):
            generate_questions([Document("other")], openai(server), output_path=path)
        assert server.asked.total() == 4
    assert first == again


def test_a_key_that_is_refused_ends_the_run_at_once() -> None:
    with ChatServer({f"marker-{i}": [Fault(401)] for i in range(50)}) as server:
        with pytest.raises(GenerationError, match="ChatOpenAI/gpt-4o-mini may not be asked"):
            generate_questions(make_documents(50), openai(server), concurrency=4)
        assert server.asked.total() <= 8


def test_sixteen_requests_are_under_way_at_once_and_never_more() -> None:
    with ChatServer(hold_until=16) as server:
        generate_questions(make_documents(60), openai(server), concurrency=16)
        assert server.most_in_flight == 16


def test_a_model_without_structured_output_answers_in_plain_text() -> None:
    llm = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"])
    dataset = generate_questions([Document("text")], llm, structured=True)
    assert list(dataset.queries.values()) == ["What is it?", "Who wrote it?"]
    assert LangChainTextGenerator(llm).model_name == "FakeListChatModel/fake-list-chat-model"


def test_a_model_that_calls_a_function_gives_its_arguments() -> None:
    from langchain_core.language_models import FakeMessagesListChatModel
    from langchain_core.messages import AIMessage

    class Calling(FakeMessagesListChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

    call = {"name": "Questions", "args": {"questions": ["How far?", "Who?"]}, "id": "1"}
    llm = Calling(responses=[AIMessage("", tool_calls=[call])])
    dataset = generate_questions([Document("text")], llm)
    assert list(dataset.queries.values()) == ["How far?", "Who?"]


def test_a_base_model_of_langchains_own_checks_the_questions(make_base: Callable[..., Any]) -> None:
    llm = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"])
    base = make_base()
    for embedder in (base, LangChainEmbedder(base)):
        made = question_generator(llm, embedder=embedder).run({"d": "text"})
        assert made.summary.dropped["own chunk not in the base's top 10"] == 0
    assert len(base.calls) > 0


@pytest.mark.parametrize("options", [{"embedder": object()}, {"judge": "x"}, {"llm": "gpt-4"}])
def test_what_is_no_model_is_refused_before_anything_is_asked(options: dict[str, Any]) -> None:
    llm = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"])
    with pytest.raises(TypeError, match=r"expected a LangChain .* model .*got (object|str)"):
        generate_questions([Document("text")], **{"llm": llm, **options})
    assert llm.i == 0


def test_a_model_with_bound_arguments_is_one_too() -> None:
    llm: Any = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"]).bind(stop=["x"])
    assert len(generate_questions([Document("text")], llm, structured=False).queries) == 2


def test_documents_without_ids_get_the_same_ones_on_every_run() -> None:
    documents = [Document("a", metadata={"page": 1}), Document("a", metadata={"page": 2})]
    first, second = (list(texts_of(documents)) for _ in range(2))
    assert first == second
    assert len(set(first)) == 2
    assert texts_of([Document("a", id="x")]) == {"x": "a"}
    with pytest.raises(InvalidDatasetError, match="'x' stands for two texts"):
        texts_of([Document("a", id="x"), Document("b", id="x")])


def test_sources_are_those_that_loaders_name() -> None:
    documents = [Document("a", id="x", metadata={"source": "f.pdf"}), Document("b", id="y")]
    assert sources_of(documents) == {"x": "f.pdf"}
