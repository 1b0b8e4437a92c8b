"""Readers of what others say: providers' answers and headers, models' replies, names and URIs."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import numpy as np

from query_adapters import resolve_embedder
from query_adapters.embedders.identity import own_name
from query_adapters.embedders.model_names import split_options
from query_adapters.embedders.openai_servers import SERVERS
from query_adapters.embedders.prefixes import preset_of
from query_adapters.errors import QueryAdaptersError
from query_adapters.generation.judge import read_grades
from query_adapters.generation.providers import resolve_generator
from query_adapters.providers.answers import rows_in_order, vectors_of
from query_adapters.providers.naming import split_name
from query_adapters.providers.redaction import redacted, without_credentials
from query_adapters.providers.retries import described, is_worth_another_try
from query_adapters.providers.retry_after import retry_after
from query_adapters.remote.locations import is_uri, parsed
from query_adapters.text.shown import message, one_line, quoted
from tests.fuzz.target import FUZZED, Target, as_json

SECRET = "b7Tq-91Xw_Kd02"  # noqa: S105, no real key
TEXTS = ["a", "b"]
Answer = Callable[[], httpx.Response]
OPENAI = {"object": "list", "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1},
    "data": [{"object": "embedding", "index": 1, "embedding": [0.5, 1.0]},
             {"object": "embedding", "index": 0, "embedding": "AACAPwAAAEA="}]}  # fmt: skip
COHERE = {"id": "1", "texts": TEXTS, "embeddings": {"float": [[0.5, 1.0], [1.0, 0.25]]},
    "meta": {"api_version": {"version": "2"}}}  # fmt: skip
OPENAI_CHAT = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop",
     "message": {"role": "assistant", "content": "a?"}}]}  # fmt: skip
COHERE_CHAT = {"id": "1", "finish_reason": "COMPLETE", "message": {"role": "assistant",
    "content": [{"type": "text", "text": "a?"}]}}  # fmt: skip
REFUSED = {"status": 429, "headers": {"retry-after": "3"}, "body": {"error": {"message": "wait"}}}


def _text(folder: Path) -> str:
    return (folder / FUZZED).read_bytes().decode(errors="replace")


@cache
def _answered(make: Callable[[str], Any], name: str) -> tuple[Any, dict[str, Answer]]:
    """Return a model whose every answer is the one in the mapping."""
    held: dict[str, Answer] = {}
    with mock.patch.dict(os.environ, {"OPENAI_API_KEY": SECRET, "CO_API_KEY": SECRET}):
        model = make(name)
    client = model._clients.get()
    wrapper = getattr(client, "_client_wrapper", None)
    http = client._client if wrapper is None else wrapper.httpx_client.httpx_client
    http._transport, http._mounts = httpx.MockTransport(lambda _: held["answer"]()), {}
    return model, held


def _embeddings(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        model, held = _answered(resolve_embedder, name)
        model.max_retries, model.concurrency = 0, 1
        held["answer"] = _said(200, (folder / FUZZED).read_bytes())
        vectors = model.embed_queries(TEXTS)
        assert vectors.shape[0] == len(TEXTS)
        assert np.isfinite(vectors).all()

    return read


def _rows(folder: Path) -> None:
    rows = rows_in_order((folder / FUZZED).read_bytes(), 2, model="m")
    assert np.isfinite(vectors_of(rows, 2, model="m", dimensions=None)).all()


def _chat(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> None:
        model, held = _answered(resolve_generator, name)
        held["answer"] = _said(200, (folder / FUZZED).read_bytes())
        asyncio.run(model.complete("prompt")).encode(errors="surrogatepass")

    return read


def _refusal(name: str) -> Callable[[Path], object]:
    """Return a reader of statuses and headers, of which nothing says the key."""

    def read(folder: Path) -> None:
        model, held = _answered(resolve_embedder, name)
        model.max_retries, model.concurrency = 0, 1
        answer = _answer_of((folder / FUZZED).read_bytes())
        if answer is None:
            return
        held["answer"] = answer
        with suppress(QueryAdaptersError), checked():
            model.embed_queries(TEXTS)

    return read


@contextmanager
def checked() -> Iterator[None]:
    """Check the errors of a block: none says the key, and how long to wait is a time."""
    try:
        yield
    except QueryAdaptersError as error:
        is_worth_another_try(error)
        if SECRET in f"{error} {described(error)}" or (retry_after(error) or 0) < 0:
            raise AssertionError(str(error)) from error
        raise


def _said(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
    return lambda: httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def _answer_of(content: bytes) -> Answer | None:
    """Return the answer that JSON describes; None if a server could not send it."""
    try:
        found = json.loads(content)
        headers = {str(k): str(v) for k, v in found["headers"].items()}
        clean = all(
            part.isascii() and part.isprintable() for pair in headers.items() for part in pair
        )
        status = found["status"]
        if not clean or type(status) is not int or not 200 <= status <= 599:
            return None
        said = f"{json.dumps(found['body'])} {SECRET}".encode()
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
    return _said(status, said, headers)


def _judged(folder: Path) -> None:
    grades, problem = read_grades(_text(folder), ["c1", "c2"])
    assert set(grades.values()) <= {1.0, 2.0}
    assert problem or grades.keys() <= {"c1", "c2"}


@contextmanager
def allowing(said: str) -> Iterator[None]:
    """Allow a ValueError about an argument, which says this."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError or said not in str(error):
            raise


def _name(folder: Path) -> None:
    name = _text(folder)
    model, _ = split_options(name)
    preset_of(model)
    own_name(model)
    if split_name(model)[0] in ("openai", "cohere", *SERVERS):
        keys = mock.patch.dict(os.environ, {"OPENAI_API_KEY": SECRET, "CO_API_KEY": SECRET})
        with keys, allowing("at least"):  # a setting that is out of range
            embedder = resolve_embedder(name)
            assert embedder.identity
            assert embedder.model_name


def _uri(folder: Path) -> None:
    text = _text(folder)
    if is_uri(text):
        with allowing("expected"):
            parsed(text)


def _shown(folder: Path) -> None:
    text = _text(folder)
    for hide in (redacted, without_credentials):
        assert SECRET not in hide(f"{text}{SECRET} {text}")
    for show in (message, one_line, quoted):
        shown = show(text)
        shown.encode()
        assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)


def answer_targets() -> dict[str, Target]:
    """Return the readers by name."""
    return {
        "openai embeddings": Target(_embeddings("openai/m"), FUZZED, as_json(OPENAI)),
        "embeddings answer": Target(_rows, FUZZED, as_json(OPENAI), is_file=False),
        "cohere embeddings": Target(_embeddings("cohere/m"), FUZZED, as_json(COHERE)),
        "openai chat": Target(_chat("openai/m"), FUZZED, as_json(OPENAI_CHAT)),
        "cohere chat": Target(_chat("cohere/m"), FUZZED, as_json(COHERE_CHAT)),
        "openai refusal": Target(_refusal("openai/m"), FUZZED, as_json(REFUSED)),
        "cohere refusal": Target(_refusal("cohere/m"), FUZZED, as_json(REFUSED)),
        "judge": Target(_judged, FUZZED, [b'<think>x</think> {"1": 2, "2": 1}', b"{}"]),
        "model name": Target(_name, FUZZED, [
            b"openai/m?dimensions=2&base_url=http://user:pw@localhost/v1", b"tei:e5-small",
            b"st/intfloat/e5-small?query_prefix=q%3A&document_prefix="]),
        "uri": Target(_uri, FUZZED, [b"registry+s3://bucket/r/faq@production",
            b"registry://faq@3f5a9c01", b"hf://user/repository@main"]),
        "shown text": Target(_shown, FUZZED, [
            b"https://user:password@host/?api_key=x Authorization: Bearer abcdefgh1", b"\x1b[31m"]),
    }  # fmt: skip
