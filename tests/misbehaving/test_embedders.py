"""Test that no wrong vector is accepted or cached, and that no answer raises a raw error."""

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langchain_adapter import LangChainEmbedder
from llama_index_finetune_plugin import LlamaIndexEmbedder
from query_adapters import EmbeddingCache
from query_adapters.embedders import TextEmbedder
from query_adapters.errors import InvalidVectorsError, ProviderError
from query_adapters.providers.http_status import status_of
from tests.misbehaving.answers import (
    NO_ANSWERS,
    ONLY_OUR_EMBEDDERS,
    WRONG_BASE64,
    WRONG_INDICES,
    WRONG_VECTORS,
    openai_answer,
    vectors_answer,
)
from tests.providers import langchain, llama_index
from tests.providers.expected import ignore_own_warnings
from tests.servers.embeddings import vector_of
from tests.servers.misbehaving import Answer, MisbehavingServer

TEXTS = ["a", "b", "c", "d"]
ROWS = [vector_of(text) for text in TEXTS]
WRAPPERS: Mapping[str, Callable[[str, Any], TextEmbedder]] = {
    "LlamaIndex": lambda provider, server: LlamaIndexEmbedder(
        llama_index.MODELS[provider](server, tries=1)
    ),
    "LangChain": lambda provider, server: LangChainEmbedder(
        langchain.MODELS[provider](server, tries=1)
    ),
}
BOOLEANS = {"booleans", "one boolean"}
CONVERTED = {
    ("openai", "LlamaIndex"): BOOLEANS,
    ("openai", "LangChain"): BOOLEANS,
    ("cohere", "LlamaIndex"): set[str](),
    ("cohere", "LangChain"): BOOLEANS | {"strings", "one string"},
}
"""What a framework's class or its SDK turns into numbers, so that nobody behind it can tell."""
pytestmark = ignore_own_warnings
each_provider = pytest.mark.parametrize("provider", ["openai", "cohere"])
Outcomes = dict[str, str]


def outcome(model: TextEmbedder, file: Path, *, told: str) -> str:
    """Return what is wrong with how the model takes the answer; empty if nothing."""
    try:
        vectors = EmbeddingCache(file).embed_documents(model, TEXTS)
    except (ProviderError, InvalidVectorsError) as error:
        return "" if told in str(error) and n_cached(file) == 0 else f"{error!r}, {n_cached(file)}"
    except Exception as error:  # the SDK's own error for a status or a lost connection
        return "" if is_sdk_error(error) and n_cached(file) == 0 else repr(error)
    return f"accepted {vectors.shape}"


def is_sdk_error(error: Exception) -> bool:
    """Return whether it is an SDK's documented error, and not one of a parser."""
    named = type(error).__module__.split(".")[0] in ("openai", "cohere", "httpx")
    return named and (status_of(error) or 500) >= 300


def n_cached(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        (n,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    connection.close()
    return int(n)


def fallen(
    model: TextEmbedder,
    server: MisbehavingServer,
    answers: Mapping[str, Answer],
    file: Path,
    *,
    told: str = "",
) -> Outcomes:
    """Return the answers that were not refused as they should be."""
    found = {}
    for name, answer in answers.items():
        server.always(answer)
        found[name] = outcome(model, file, told=told)
    return {name: wrong for name, wrong in found.items() if wrong}


@each_provider
def test_our_embedders_refuse_wrong_vectors_and_keep_none(
    provider: str, embedder: Any, server: MisbehavingServer, tmp_path: Path
) -> None:
    twists = {**WRONG_VECTORS, **ONLY_OUR_EMBEDDERS}
    answers = {name: vectors_answer(provider, twist(ROWS)) for name, twist in twists.items()}
    model = embedder(max_retries=2, concurrency=1)
    assert fallen(model, server, answers, tmp_path / "c", told=f"{provider}:m: ") == {}
    assert len(server.requests) == 1  # the same answer would come again


@pytest.mark.parametrize("provider", ["openai"])
def test_indices_must_be_those_of_the_texts_and_set_the_order(
    provider: str, embedder: Any, server: MisbehavingServer, tmp_path: Path
) -> None:
    model = embedder(concurrency=1)
    answers = {name: openai_answer(ROWS, indices) for name, indices in WRONG_INDICES.items()}
    assert fallen(model, server, answers, tmp_path / "c", told="the indices 0 to 3") == {}
    server.always(openai_answer([ROWS[row] for row in (2, 0, 3, 1)], [2, 0, 3, 1]))
    np.testing.assert_array_equal(model.embed_documents(TEXTS), ROWS)


@pytest.mark.parametrize("provider", ["openai"])
def test_numbers_in_base64_must_be_whole(
    provider: str, embedder: Any, server: MisbehavingServer, tmp_path: Path
) -> None:
    answers = {name: openai_answer([one] * 4, [0, 1, 2, 3]) for name, one in WRONG_BASE64.items()}
    model = embedder(concurrency=1)
    assert fallen(model, server, answers, tmp_path / "c", told="openai:m: ") == {}


@each_provider
def test_another_length_than_asked_for_is_refused(
    provider: str, embedder: Any, server: MisbehavingServer
) -> None:
    server.always(vectors_answer(provider, ROWS))
    with pytest.raises(ProviderError, match="expected 5 dimensions, got 8"):
        embedder(dimensions=5, concurrency=1).embed_queries(TEXTS)


@each_provider
def test_counts_are_checked_for_each_request_and_not_their_sum(
    provider: str, embedder: Any, server: MisbehavingServer, tmp_path: Path
) -> None:
    wrong = iter([1, 3])  # two texts a request, four in all

    def reply(body: dict[str, Any], headers: Mapping[str, str]) -> Answer:
        return vectors_answer(provider, ROWS[: next(wrong, 2)])

    server.reply = reply
    with pytest.raises(
        ProviderError, match=r"expected 2 (vectors of one length|embeddings), got [13]"
    ):
        EmbeddingCache(tmp_path / "c").embed_documents(embedder(concurrency=2), TEXTS)
    assert n_cached(tmp_path / "c") == 0


@each_provider
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_counts_are_checked_for_each_request_of_a_framework(
    provider: str, wrapper: str, server: MisbehavingServer
) -> None:
    model = WRAPPERS[wrapper](provider, server)
    n = model.batch_size
    sizes = iter([n - 1, n + 1])
    server.reply = lambda _body, _headers: vectors_answer(provider, [ROWS[0]] * next(sizes, n))
    with pytest.raises(
        InvalidVectorsError, match=f"expected {n} vectors of one length, got {n - 1}"
    ):
        model.embed_documents([str(row) for row in range(2 * n)])


@each_provider
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # raised inside LangChain
def test_wrappers_refuse_wrong_vectors_and_keep_none(
    provider: str, wrapper: str, server: MisbehavingServer, tmp_path: Path
) -> None:
    hidden = CONVERTED[provider, wrapper]
    twists = {name: twist for name, twist in WRONG_VECTORS.items() if name not in hidden}
    answers = {name: vectors_answer(provider, twist(ROWS)) for name, twist in twists.items()}
    assert fallen(WRAPPERS[wrapper](provider, server), server, answers, tmp_path / "c") == {}


@each_provider
def test_our_embedders_name_what_came_instead_of_an_answer(
    provider: str, embedder: Any, server: MisbehavingServer, tmp_path: Path
) -> None:
    model = embedder(max_retries=0, concurrency=1)
    found = fallen(model, server, NO_ANSWERS, tmp_path / "c", told=f"{provider}:m: ")
    assert found == {}
    server.always(NO_ANSWERS["HTML"])
    with pytest.raises(ProviderError, match=r"expected a JSON object, got '<html>.*check the addr"):
        model.embed_queries(TEXTS)


@each_provider
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrappers_raise_no_error_of_a_parser(
    provider: str, wrapper: str, server: MisbehavingServer, tmp_path: Path
) -> None:
    model = WRAPPERS[wrapper](provider, server)
    assert fallen(model, server, NO_ANSWERS, tmp_path / "c") == {}


@each_provider
@pytest.mark.parametrize(
    ("answer", "tries"),
    [
        (Answer(b"<html>", status=502), 3),
        (Answer(b"", status=503), 3),
        (Answer(b"{}", status=504), 3),
        (NO_ANSWERS["a body that ends early"], 3),
        (NO_ANSWERS["truncated JSON"], 3),
        (NO_ANSWERS["HTML"], 3),
        (Answer(b"{}", status=400), 1),
        (Answer(b"no", status=422), 1),
        (Answer(b"null", status=404), 1),
        (NO_ANSWERS["an error object"], 1),
        (NO_ANSWERS["a redirect in a circle"], 6),  # redirects of one attempt
    ],
    ids=[
        "502",
        "503",
        "504",
        "early end",
        "truncated",
        "HTML",
        "400",
        "422",
        "404",
        "error",
        "30x",
    ],
)
def test_what_may_go_better_is_tried_again_and_nothing_else(
    provider: str, answer: Answer, tries: int, embedder: Any, server: MisbehavingServer
) -> None:
    server.always(answer)
    with pytest.raises(ProviderError, match=f"{provider}:m: "):
        embedder(max_retries=2, concurrency=1).embed_queries(["q"])
    assert len(server.requests) == tries
