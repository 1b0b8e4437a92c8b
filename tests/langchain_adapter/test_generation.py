"""Tests of LangChain-specific generation: function calls, bound models, missing ids."""

from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel

from langchain_adapter import generate_questions
from langchain_adapter.embedder import LangChainEmbedder
from langchain_adapter.generation import question_generator, sources_of, texts_of
from langchain_adapter.text_generator import LangChainTextGenerator

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # raised inside the SDKs


def test_a_model_is_named_by_its_class_and_its_own_name() -> None:
    llm = FakeListChatModel(responses=["1. What is it?"])
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


def test_an_embedder_of_the_core_checks_the_questions(base: Any) -> None:
    llm = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"])
    made = question_generator(llm, embeddings=LangChainEmbedder(base)).run({"d": "text"})
    assert made.summary.dropped["own chunk not in the base's top 10"] == 0
    assert len(base.calls) > 0


def test_no_model_is_asked_if_another_argument_is_refused() -> None:
    llm = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"])
    with pytest.raises(TypeError, match=r"expected a LangChain .* model .*got object"):
        generate_questions([Document("text")], llm, embeddings=object())
    assert llm.i == 0


def test_a_model_with_bound_arguments_is_accepted() -> None:
    llm: Any = FakeListChatModel(responses=["1. What is it?\n2. Who wrote it?"]).bind(stop=["x"])
    assert len(generate_questions([Document("text")], llm, structured=False).queries) == 2


def test_documents_without_ids_get_the_same_ids_on_every_run() -> None:
    documents = [Document("a", metadata={"page": 1}), Document("a", metadata={"page": 2})]
    first, second = (list(texts_of(documents)) for _ in range(2))
    assert first == second
    assert len(set(first)) == 2


def test_sources_are_those_in_the_metadata() -> None:
    documents = [Document("a", id="x", metadata={"source": "f.pdf"}), Document("b", id="y")]
    assert sources_of(documents) == {"x": "f.pdf"}
