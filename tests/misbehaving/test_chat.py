"""Test that question generation takes no answer of a chat model that is none."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from langchain_adapter.text_generator import LangChainTextGenerator
from llama_index_finetune_plugin.text_generator import LlamaIndexTextGenerator
from query_adapters.errors import GenerationError
from query_adapters.generation import (
    CallOptions,
    QuestionGenerator,
    TextGenerator,
    resolve_generator,
)
from tests.misbehaving.answers import KEY, NO_ANSWERS
from tests.providers import langchain, llama_index
from tests.providers.expected import ignore_own_warnings
from tests.servers.misbehaving import Answer, MisbehavingServer, as_json

MODELS = {"openai": "openai:gpt-4o-mini", "cohere": "cohere:command-a-03-2025"}
CHUNKS = {"one": "About marker-1."}
OPTIONS = CallOptions(retry_limit=2, backoff=0.001, timeout=20)
Make = Callable[[str, Any], TextGenerator]
PATHS: Mapping[str, Make] = {
    "ours": lambda provider, server: resolve_generator(MODELS[provider]),
    "LlamaIndex": lambda provider, server: LlamaIndexTextGenerator(
        llama_index.LLMS[provider](server)
    ),
    "LangChain": lambda provider, server: LangChainTextGenerator(langchain.LLMS[provider](server)),
}
CHAT_ANSWERS: Mapping[str, Answer] = {
    **NO_ANSWERS,
    "a message of null": as_json({"choices": [{"index": 0, "message": None}], "message": None}),
    "content of a number": as_json(
        {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": 7}}],
            "message": {"role": "assistant", "content": 7},
        }
    ),
}
pytestmark = ignore_own_warnings
each_provider = pytest.mark.parametrize("provider", MODELS)


def outcome(llm: TextGenerator) -> str:
    """Return what is wrong with how a run ends; empty if nothing."""
    try:
        made = QuestionGenerator(llm=llm, options=OPTIONS).run(CHUNKS)
    except GenerationError as error:
        return "" if KEY not in str(error) else str(error)
    except Exception as error:
        return repr(error)
    return f"accepted {dict(made.dataset.queries)}"


@each_provider
@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_is_none_ends_as_a_failed_chunk(
    provider: str, path: str, server: MisbehavingServer
) -> None:
    llm, found = PATHS[path](provider, server), {}
    for name, answer in CHAT_ANSWERS.items():
        server.always(answer)
        found[name] = outcome(llm)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@each_provider
def test_a_server_of_another_kind_stops_a_run_after_three_chunks(
    provider: str, server: MisbehavingServer
) -> None:
    server.always(NO_ANSWERS["HTML"])
    options = CallOptions(retry_limit=1, concurrency=1)
    generator = QuestionGenerator(llm=PATHS["ours"](provider, server), options=options)
    with pytest.raises(GenerationError, match=r"refused the first 3 requests.*got '<html>"):
        generator.run({str(row): f"marker-{row}" for row in range(50)})
    assert len(server.requests) == 3
