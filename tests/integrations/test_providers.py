"""Tests of the providers' SDKs with a local server: roles, retries, request counts and keys."""

import asyncio
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from query_adapters.data.dataset import RetrievalDataset
from query_adapters.embedders.identity import identity_of
from query_adapters.errors import ProviderRefusedError
from tests.integrations.framework import Framework
from tests.providers.expected import (
    ADAPTER,
    DOCUMENT_BATCHES,
    QUESTION_BATCHES,
    RATE_LIMIT_ERRORS,
    ROLES,
    SERVER_ERRORS,
    WRONG_KEY_ERRORS,
    Serve,
    check_settings,
    check_vectors,
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

pytestmark = [pytest.mark.slow, ignore_own_warnings]


def engine_of(
    framework: Framework, provider: str, server: EmbeddingServer, output: Path, **settings: Any
) -> Any:
    model = framework.providers[provider](server, **settings)
    return framework.engines.adapter(DATASET, model, model_output_path=output, **OPTIONS)


@pytest.fixture(autouse=True)
def own_loop() -> Iterator[None]:
    """Provide an event loop and close it afterwards, as LlamaIndex leaves its own loop open.

    Async tests have a separate loop, in which LlamaIndex's workers do not run.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


# One model


@each_provider
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("faults", [[], [RATE_LIMITED] * 2], ids=["no fault", "rate limit"])
def test_requests_carry_roles_and_wait_for_a_rate_limit(
    framework: Framework, provider: str, asynchronous: bool, faults: list[Fault], serve: Serve
) -> None:
    server, calls = serve(faults), framework.calls
    model = framework.adapted(framework.providers[provider](server), ADAPTER)

    async def both() -> Any:
        return await calls.aquery(model, "q"), await calls.adocuments(model, ["a", "b"])

    if asynchronous:
        query, documents = asyncio.run(both())
    else:
        query, documents = calls.query(model, "q"), calls.documents(model, ["a", "b"])
    check_vectors(provider, query, documents)
    assert [r.status for r in server.requests] == [429 for _ in faults] + [200, 200]
    query_role, document_role = ROLES[provider]
    answered = [(r.texts, r.input_type) for r in server.requests if r.status == 200]
    assert answered == [(("q",), query_role), (("a", "b"), document_role)]
    check_settings(provider, server)


@each_provider
def test_an_identity_is_the_same_before_and_after_a_call(
    framework: Framework, provider: str, serve: Serve
) -> None:
    server = serve()
    make = framework.providers[provider]
    model = make(server)
    before = identity_of(model)
    framework.calls.query(model, "q")
    assert identity_of(model) == before == identity_of(make(server))


# A whole run


def sizes(server: EmbeddingServer, role: str | None, kind: str) -> list[int]:
    """Return the number of texts in each request of this role and kind."""
    return [len(texts) for texts in server.asked(role) if texts[0].startswith(kind)]


def check_run(framework: Framework, provider: str, server: EmbeddingServer, engine: Any) -> None:
    """Check that a complete run embeds each text once, in full batches."""
    engine.finetune()
    query_role, document_role = ROLES[provider]
    assert set(server.paid.values()) == {1}
    assert {text for role, text in server.paid if role == query_role} >= set(QUESTIONS)
    assert sizes(server, query_role, "question") == QUESTION_BATCHES[provider]
    assert sizes(server, document_role, "document") == DOCUMENT_BATCHES[provider]
    assert len(QUESTIONS) + len(DOCUMENTS) == server.paid.total()
    engine.get_finetuned_model().verify()


@each_provider
def test_the_engine_embeds_each_text_once_and_in_batches(
    framework: Framework, provider: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve([RATE_LIMITED])
    check_run(framework, provider, server, engine_of(framework, provider, server, tmp_path))
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())


@each_provider
@pytest.mark.parametrize("framework", ["llama_index"], indirect=True)
def test_workers_embed_each_text_once_and_in_batches(
    framework: Framework, provider: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve([RATE_LIMITED])
    engine = engine_of(framework, provider, server, tmp_path, num_workers=4)
    check_run(framework, provider, server, engine)
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.slow
@each_provider
@pytest.mark.parametrize("at", ["questions", "documents"])
def test_a_run_that_fails_resumes_without_paying_for_finished_batches_again(
    framework: Framework, provider: str, at: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve(breaks_after=2 if at == "questions" else len(QUESTION_BATCHES[provider]) + 1)
    engine = engine_of(framework, provider, server, tmp_path, tries=1)
    with pytest.raises(SERVER_ERRORS[provider]) as caught:
        engine.finetune()
    (note,) = caught.value.__notes__
    assert note.endswith(f"texts are kept in {tmp_path / 'embeddings.sqlite'}: run again to go on")
    server.breaks_after = None
    engine.finetune()
    assert set(server.paid.values()) == {1}
    assert len(server.paid) == len(QUESTIONS) + len(DOCUMENTS)


@each_provider
def test_a_rate_limit_that_outlasts_the_client_ends_a_run_and_keeps_what_was_paid_for(
    framework: Framework, provider: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve([Fault(), RATE_LIMITED])
    server.faults += [RATE_LIMITED] * 100  # enough for all concurrent requests
    engine = engine_of(framework, provider, server, tmp_path, tries=1)
    with pytest.raises(RATE_LIMIT_ERRORS[provider]) as caught:
        engine.finetune()
    assert caught.value.__notes__[0].startswith("0 of 79 query texts are kept")
    server.faults.clear()
    engine.finetune()
    assert set(server.paid.values()) == {1}


@each_provider
def test_a_key_that_is_refused_is_named_after_one_request_and_never_printed(
    framework: Framework, provider: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve(key="another")
    engine = engine_of(framework, provider, server, tmp_path)
    told = r"refused the key \(HTTP 401\).*check the key"
    with pytest.raises(ProviderRefusedError, match=told) as refused:
        engine.finetune()
    assert isinstance(refused.value.__cause__, WRONG_KEY_ERRORS[provider])
    assert [r.status for r in server.requests] == [401]
    assert KEY not in "".join(traceback.format_exception(refused.value))
