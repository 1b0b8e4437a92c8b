"""Both doors' engines on a provider on loopback: nothing is paid twice, and no key is told."""

import asyncio
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import langchain_adapter
import llama_index_finetune_plugin
from query_adapters.data.dataset import RetrievalDataset
from query_adapters.errors import ProviderRefusedError
from tests.providers import langchain, llama_index
from tests.providers.expected import (
    DOCUMENT_BATCHES,
    QUESTION_BATCHES,
    RATE_LIMIT_ERRORS,
    ROLES,
    SERVER_ERRORS,
    WRONG_KEY_ERRORS,
    Serve,
    each_provider,
    ignore_own_warnings,
)
from tests.servers.chat import RATE_LIMITED, Fault
from tests.servers.embeddings import KEY, EmbeddingServer

DOCUMENTS = {f"d{i}": f"document {i}" for i in range(70)}
QUESTIONS = {f"question {i}": f"d{i % 70}" for i in range(80)}
DATASET = RetrievalDataset.from_relevant_docs(
    {text: text for text in QUESTIONS}, DOCUMENTS, {text: [key] for text, key in QUESTIONS.items()}
)
OPTIONS: dict[str, Any] = {"guard": "off", "n_folds": 2, "strengths": [0.1]}

pytestmark = ignore_own_warnings


@dataclass(frozen=True)
class Door:
    """A framework's engine and its models of the providers."""

    engine_class: Callable[..., Any]
    models: Mapping[str, Callable[..., Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def engine(self, provider: str, server: EmbeddingServer, output: Path, **settings: Any) -> Any:
        model = self.models[provider](server, **self.settings, **settings)
        return self.engine_class(DATASET, model, model_output_path=output, **OPTIONS)


LLAMA_INDEX = llama_index_finetune_plugin.EmbeddingAdapterFinetuneEngine, llama_index.MODELS
DOORS = {
    "LlamaIndex": Door(*LLAMA_INDEX),
    "LangChain": Door(langchain_adapter.EmbeddingAdapterFinetuneEngine, langchain.MODELS),
}
MORE_DOORS = {**DOORS, "LlamaIndex, 4 workers": Door(*LLAMA_INDEX, {"num_workers": 4})}


@pytest.fixture(autouse=True)
def own_loop() -> Iterator[None]:
    """An event loop that is closed again: LlamaIndex's workers leave open what they must make."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    return MORE_DOORS[request.param]


def sizes(server: EmbeddingServer, role: str | None, kind: str) -> list[int]:
    """Return how many texts of a kind each request in a role had."""
    return [len(texts) for texts in server.asked(role) if texts[0].startswith(kind)]


@each_provider
@pytest.mark.parametrize("door", MORE_DOORS, indirect=True)
def test_the_engine_asks_for_each_text_once_and_in_batches(
    provider: str, door: Door, serve: Serve, tmp_path: Path
) -> None:
    server = serve([RATE_LIMITED])
    engine = door.engine(provider, server, tmp_path)
    engine.finetune()
    asked_as, kept_as = ROLES[provider]
    assert set(server.paid.values()) == {1}
    assert {text for role, text in server.paid if role == asked_as} >= set(QUESTIONS)
    assert sizes(server, asked_as, "question") == QUESTION_BATCHES[provider]
    assert sizes(server, kept_as, "document") == DOCUMENT_BATCHES[provider]
    assert len(QUESTIONS) + len(DOCUMENTS) == server.paid.total()
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())
    engine.get_finetuned_model().verify()


@each_provider
@pytest.mark.parametrize("at", ["questions", "documents"])
def test_a_run_that_breaks_down_goes_on_without_paying_for_finished_batches_again(
    provider: str, door: Door, at: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve(breaks_after=2 if at == "questions" else len(QUESTION_BATCHES[provider]) + 1)
    engine = door.engine(provider, server, tmp_path, tries=1)
    with pytest.raises(SERVER_ERRORS[provider]) as caught:
        engine.finetune()
    (note,) = caught.value.__notes__
    assert note.endswith(f"texts are kept in {tmp_path / 'embeddings.sqlite'}: run again to go on")
    server.breaks_after = None
    engine.finetune()
    assert set(server.paid.values()) == {1}
    assert len(server.paid) == len(QUESTIONS) + len(DOCUMENTS)


@each_provider
def test_a_rate_limit_that_outlasts_the_client_ends_a_run_and_not_what_it_paid_for(
    provider: str, door: Door, serve: Serve, tmp_path: Path
) -> None:
    server = serve([Fault(), RATE_LIMITED])
    server.faults += [RATE_LIMITED] * 100  # whatever is under way at once
    engine = door.engine(provider, server, tmp_path, tries=1)
    with pytest.raises(RATE_LIMIT_ERRORS[provider]) as caught:
        engine.finetune()
    assert caught.value.__notes__[0].startswith("0 of 79 query texts are kept")
    server.faults.clear()
    engine.finetune()
    assert set(server.paid.values()) == {1}


@each_provider
def test_a_key_that_is_refused_is_named_after_one_request_and_never_told(
    provider: str, door: Door, serve: Serve, tmp_path: Path
) -> None:
    server = serve(key="another")
    engine = door.engine(provider, server, tmp_path)
    told = r"refused the key \(HTTP 401\).*check the key"
    with pytest.raises(ProviderRefusedError, match=told) as refused:
        engine.finetune()
    assert isinstance(refused.value.__cause__, WRONG_KEY_ERRORS[provider])
    assert [r.status for r in server.requests] == [401]
    assert KEY not in "".join(traceback.format_exception(refused.value))
