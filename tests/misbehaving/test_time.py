"""Test that no provider holds a request longer than it may, or fills the memory."""

import asyncio
import gzip
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from query_adapters.errors import GenerationError, ProviderError
from query_adapters.generation import CallOptions, QuestionGenerator, resolve_generator
from query_adapters.providers.http_client import LimitedAsyncClient, LimitedClient
from query_adapters.providers.retry_after import retry_after
from tests.misbehaving.answers import encoded, vectors_answer
from tests.misbehaving.test_chat import MODELS
from tests.servers.embeddings import vector_of
from tests.servers.misbehaving import Answer, MisbehavingServer

SECONDS = 0.4
BODY = b'{"data": [' + b" " * 10_000 + b"]}"
each_provider = pytest.mark.parametrize("provider", ["openai", "cohere"])
SLOW = {
    "body": Answer(BODY, pause=0.05),
    "headers": Answer(BODY, pause=0.05, slow_headers=True),
    "chunks": Answer(
        b"1\r\n \r\n" * 2_000,
        headers={"Transfer-Encoding": "chunked", "Content-Length": ""},
        pause=0.05,
    ),
    "redirect": Answer(BODY, status=307, headers={"Location": "/"}, pause=0.05),
    "error": Answer(BODY, status=500, pause=0.05),
}


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


@each_provider
@pytest.mark.parametrize("slow", SLOW)
def test_a_byte_now_and_then_does_not_keep_an_attempt_alive(
    provider: str, slow: str, embedder: Any, server: MisbehavingServer
) -> None:
    server.always(SLOW[slow])
    model = embedder(timeout=SECONDS, max_retries=0)
    with at_most(10 * SECONDS), pytest.raises(ProviderError, match="not complete in time"):
        model.embed_queries(["q"])


@pytest.mark.parametrize("slow", SLOW)
async def test_the_asynchronous_client_ends_in_time_too(
    slow: str, server: MisbehavingServer
) -> None:
    server.always(SLOW[slow])
    async with LimitedAsyncClient(seconds=SECONDS) as client:
        with at_most(10 * SECONDS), pytest.raises(httpx.ReadTimeout, match="not complete in time"):
            await client.post(server.url, json={})


@each_provider
def test_a_wait_that_is_too_long_is_said_and_not_waited_for(
    provider: str, embedder: Any, server: MisbehavingServer
) -> None:
    server.always(Answer(b'{"message": "slow down"}', 429, {"Retry-After": "3600"}))
    with at_most(5), pytest.raises(ProviderError, match="asks to wait 3600 s: run again after"):
        embedder().embed_queries(["q"])
    generator = QuestionGenerator(llm=resolve_generator(MODELS[provider]))
    with at_most(5), pytest.raises(GenerationError, match="asks to wait 3600 s"):
        generator.run({"one": "About a chunk."})
    assert len(server.requests) == 2


def test_a_wait_that_users_notice_is_logged(
    server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("query_adapters.providers.retries.NOTABLE_WAIT", 0.05)
    server.always(Answer(b'{"message": "slow down"}', 503, {"Retry-After": "0.1"}))
    llm, options = resolve_generator(MODELS["openai"]), CallOptions(retry_limit=2)
    with caplog.at_level(logging.WARNING), pytest.raises(GenerationError):
        QuestionGenerator(llm=llm, options=options).run({"one": "About a chunk."})
    assert re.fullmatch(r"waiting 0 s before the next attempt: .*slow down.*", caplog.messages[0])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("0", 0),
        ("-5", 0),
        ("7.5", 7.5),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("9" * 400, None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 0),
        ("Fri, 99 Foo 99999 23:59:59 GMT", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_wait_is_read_if_it_is_one(header: str, expected: float | None) -> None:
    request = httpx.Request("POST", "http://localhost")
    response = httpx.Response(429, headers={"Retry-After": header}, request=request)
    seconds = retry_after(httpx.HTTPStatusError("slow down", request=request, response=response))
    assert seconds == expected


def test_a_date_is_read_as_the_wait_until_then() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    request = httpx.Request("POST", "http://localhost")
    response = httpx.Response(429, headers={"Retry-After": then}, request=request)
    seconds = retry_after(httpx.HTTPStatusError("slow down", request=request, response=response))
    assert seconds == pytest.approx(7200, abs=600)


def test_an_answer_that_is_too_large_is_refused_before_it_is_held(
    server: MisbehavingServer,
) -> None:
    packed = gzip.compress(b" " * 50_000_000)
    server.always(encoded(packed, "gzip"))
    with LimitedClient(most_bytes=10_000) as client:
        with pytest.raises(httpx.DecodingError, match="more than 10,000 bytes"):
            client.post(server.url, json={})
        server.always(encoded(gzip.compress(packed), "gzip, gzip"))
        with pytest.raises(httpx.DecodingError, match="expected gzip or no compression"):
            client.post(server.url, json={})
        server.always(Answer(BODY))
        with pytest.raises(httpx.DecodingError, match="more than 10,000 bytes"):
            client.post(server.url, json={})


@each_provider
def test_a_bomb_ends_as_an_error_of_the_provider(
    provider: str, embedder: Any, server: MisbehavingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults: Any = LimitedClient.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "most_bytes", 1_000_000)
    server.always(encoded(gzip.compress(b"{" + b" " * 3_000_000 + b"}"), "gzip"))
    with pytest.raises(ProviderError, match=f"{provider}:m: the answer has more than 1,000,000"):
        embedder().embed_queries(["q"])
    assert len(server.requests) == 1


@each_provider
def test_a_compressed_answer_is_read(
    provider: str, embedder: Any, server: MisbehavingServer
) -> None:
    plain = vectors_answer(provider, [vector_of("q")]).body
    assert isinstance(plain, bytes)
    half = len(plain) // 2
    server.always(encoded(gzip.compress(plain[:half]) + gzip.compress(plain[half:]), "gzip"))
    assert embedder().embed_queries(["q"]).tolist() == [vector_of("q")]
    assert asyncio.run(posted(server)) == plain


async def posted(server: MisbehavingServer) -> bytes:
    async with LimitedAsyncClient() as client:
        return (await client.post(server.url, json={})).content
