"""Real SDKs against a provider on loopback: roles, retries, refusals, and nothing paid twice."""

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cohere
import numpy as np
import openai
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding

from llama_index_finetune_plugin import (
    AdapterEmbedding,
    EmbeddingAdapterFinetuneEngine,
    EmbeddingQAFinetuneDataset,
)
from query_adapters.adapters import LinearAdapter
from query_adapters.errors import ProviderRefusedError
from query_adapters.typing import Vectors
from tests.servers.chat import RATE_LIMITED, Fault
from tests.servers.embeddings import DIM, KEY, EmbeddingServer, vector_of

Serve = Callable[..., EmbeddingServer]
DOCUMENTS = {f"d{i}": f"document {i}" for i in range(70)}
QUESTIONS = {f"question {i}": [f"d{i % 70}"] for i in range(80)}
DATASET = EmbeddingQAFinetuneDataset(
    queries={text: text for text in QUESTIONS}, corpus=DOCUMENTS, relevant_docs=QUESTIONS
)
OPTIONS: dict[str, Any] = {"guard": "off", "n_folds": 2, "strengths": [0.1]}


def of_openai(
    server: EmbeddingServer, *, tries: int = 3, key: str = KEY, **options: Any
) -> BaseEmbedding:
    return OpenAIEmbedding(
        model="text-embedding-3-small", api_base=f"{server.url}/v1", api_key=key,
        embed_batch_size=16, dimensions=DIM, max_retries=tries - 1, **options,
    )  # fmt: skip


def of_cohere(
    server: EmbeddingServer, *, tries: int = 3, key: str = KEY, **options: Any
) -> BaseEmbedding:
    """Cohere's client tries three times by itself; LlamaIndex's further tries wait for seconds."""
    return CohereEmbedding(
        model_name="embed-english-v3.0", base_url=server.url, api_key=key, embed_batch_size=64,
        max_retries=1, **options,
    )  # fmt: skip


MODELS = {"openai": of_openai, "cohere": of_cohere}
ROLES = {"openai": (None, None), "cohere": ("search_query", "search_document")}
BATCHES = {"openai": [16, 16, 16, 16, 6], "cohere": [64, 6]}
SERVER_ERRORS = {"openai": openai.InternalServerError, "cohere": cohere.InternalServerError}
RATE_LIMIT_ERRORS = {"openai": openai.RateLimitError, "cohere": cohere.TooManyRequestsError}
WRONG_KEY_ERRORS = {"openai": openai.AuthenticationError, "cohere": cohere.UnauthorizedError}

pytestmark = pytest.mark.filterwarnings(  # of what Cohere's client does to its own answers
    "ignore::pydantic.warnings.PydanticDeprecationWarning"
)
each_provider = pytest.mark.parametrize("provider", MODELS)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    monkeypatch.setattr("cohere.core.http_client.INITIAL_RETRY_DELAY_SECONDS", 0.01)
    servers: list[EmbeddingServer] = []

    def start(*arguments: Any, **options: Any) -> EmbeddingServer:
        servers.append(EmbeddingServer(*arguments, **options).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def adapter() -> LinearAdapter:
    return LinearAdapter(np.random.default_rng(0).normal(size=(DIM, DIM)))


def as_vector(numbers: list[float]) -> Vectors:
    return np.array(numbers, dtype=np.float32)


def check_vectors(
    adapter: LinearAdapter, provider: str, query: list[float], documents: list[list[float]]
) -> None:
    asked_as, kept_as = ROLES[provider]
    assert query == adapter(as_vector(vector_of("q", asked_as))).tolist()
    np.testing.assert_array_equal(documents, [vector_of(text, kept_as) for text in "ab"])


@each_provider
@pytest.mark.parametrize("faults", [[], [RATE_LIMITED, RATE_LIMITED]], ids=["well", "rate limit"])
def test_roles_reach_the_wire_and_a_rate_limit_is_waited_for(
    provider: str, faults: list[Fault], serve: Serve, adapter: LinearAdapter
) -> None:
    server = serve(faults)
    model = AdapterEmbedding(MODELS[provider](server), adapter)
    query, documents = (
        model.get_query_embedding("q"),
        model.get_text_embedding_batch(["a", "b"]),
    )
    check_vectors(adapter, provider, query, documents)
    assert model.get_text_embedding("a") == documents[0]
    assert [r.status for r in server.requests] == [429 for _ in faults] + [200, 200, 200]
    asked_as, kept_as = ROLES[provider]
    well = [(r.texts, r.input_type) for r in server.requests if r.status == 200]
    assert well == [(("q",), asked_as), (("a", "b"), kept_as), (("a",), kept_as)]
    told = {(r.dimensions, r.encoding, r.authorization) for r in server.requests}
    expected = (DIM, "base64") if provider == "openai" else (None, None)
    assert told == {(*expected, f"Bearer {KEY}")}


@each_provider
@pytest.mark.parametrize("faults", [[], [RATE_LIMITED, RATE_LIMITED]], ids=["well", "rate limit"])
async def test_the_same_asynchronously(
    provider: str, faults: list[Fault], serve: Serve, adapter: LinearAdapter
) -> None:
    server = serve(faults)
    model = AdapterEmbedding(MODELS[provider](server), adapter)
    query = await model.aget_query_embedding("q")
    documents = await model.aget_text_embedding_batch(["a", "b"])
    check_vectors(adapter, provider, query, documents)
    assert await model.aget_text_embedding("a") == documents[0]
    asked_as, kept_as = ROLES[provider]
    assert [r.status for r in server.requests] == [429 for _ in faults] + [200, 200, 200]
    assert [r.input_type for r in server.requests if r.status == 200] == [
        asked_as,
        kept_as,
        kept_as,
    ]


@each_provider
@pytest.mark.parametrize("num_workers", [None, 4])
def test_the_engine_asks_for_each_text_once_documents_in_batches(
    provider: str, num_workers: int | None, serve: Serve, tmp_path: Path
) -> None:
    server = serve([RATE_LIMITED])
    model = MODELS[provider](server, num_workers=num_workers)
    engine = EmbeddingAdapterFinetuneEngine(DATASET, model, model_output_path=tmp_path, **OPTIONS)
    engine.finetune()
    asked_as, kept_as = ROLES[provider]
    assert set(server.paid.values()) == {1}
    assert {text for role, text in server.paid if role == asked_as} >= set(QUESTIONS)
    sizes = [len(texts) for texts in server.asked(kept_as) if texts[0].startswith("document")]
    assert sizes == BATCHES[provider]
    assert sum(sizes) + len(QUESTIONS) == server.paid.total()
    assert not any(KEY.encode() in file.read_bytes() for file in tmp_path.iterdir())
    engine.get_finetuned_model().verify()


@each_provider
@pytest.mark.parametrize("n_well", [1 + 64 + 5, 80 + 1], ids=["questions", "documents"])
def test_a_run_that_breaks_down_goes_on_without_paying_for_finished_batches_again(
    provider: str, n_well: int, serve: Serve, tmp_path: Path
) -> None:
    server = serve(breaks_after=n_well)
    model = MODELS[provider](server, tries=1)
    engine = EmbeddingAdapterFinetuneEngine(DATASET, model, model_output_path=tmp_path, **OPTIONS)
    with pytest.raises(SERVER_ERRORS[provider]) as caught:
        engine.finetune()
    (note,) = caught.value.__notes__
    assert note.endswith(f"texts are kept in {tmp_path / 'embeddings.sqlite'}: run again to go on")
    server.breaks_after = None
    engine.finetune()
    twice = {text for (_, text), n in server.paid.items() if n > 1}
    assert twice <= (set(list(QUESTIONS)[1 + 64 :]) if n_well < len(QUESTIONS) else set())
    assert len(twice) <= 5
    assert len(server.paid) == len(QUESTIONS) + len(DOCUMENTS)


@each_provider
def test_a_rate_limit_that_outlasts_the_client_ends_a_run_and_not_what_it_paid_for(
    provider: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve([Fault(), RATE_LIMITED])
    model = MODELS[provider](server, tries=1)
    server.faults += [RATE_LIMITED] * 100  # whatever is under way at once
    engine = EmbeddingAdapterFinetuneEngine(DATASET, model, model_output_path=tmp_path, **OPTIONS)
    with pytest.raises(RATE_LIMIT_ERRORS[provider]) as caught:
        engine.finetune()
    assert caught.value.__notes__[0].startswith("0 of 79 query texts are kept")
    server.faults.clear()
    engine.finetune()
    assert set(server.paid.values()) == {1}


@each_provider
def test_a_key_that_is_refused_is_named_after_one_request_and_never_told(
    provider: str, serve: Serve, tmp_path: Path
) -> None:
    server = serve(key="another")
    engine = EmbeddingAdapterFinetuneEngine(
        DATASET, MODELS[provider](server), model_output_path=tmp_path, **OPTIONS
    )
    told = r"refused the key \(HTTP 401\).*check the key"
    with pytest.raises(ProviderRefusedError, match=told) as refused:
        engine.finetune()
    assert isinstance(refused.value.__cause__, WRONG_KEY_ERRORS[provider])
    assert [r.status for r in server.requests] == [401]
    assert KEY not in "".join(traceback.format_exception(refused.value))
