"""Test that no secret leaves, whoever says it."""

import base64
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from query_adapters import (
    AdapterRecord,
    EmbeddingCache,
    LinearAdapter,
    SavedAdapter,
    read_adapter,
    resolve_embedder,
    save_adapter,
)
from query_adapters.deployment import AdapterRegistry
from query_adapters.embedders.identity import check_name
from query_adapters.errors import QueryAdaptersError, UnknownModelError
from query_adapters.generation import CallOptions, QuestionGenerator, resolve_generator
from query_adapters.providers.redaction import (
    RedactedError,
    redact_error,
    redacted,
    redacting_errors,
)
from query_adapters.providers.secrets import HIDDEN, remember_secret, without_known_secrets
from tests.misbehaving.answers import KEY
from tests.misbehaving.test_chat import MODELS, PATHS
from tests.misbehaving.test_embedders import WRAPPERS
from tests.providers.expected import ignore_own_warnings
from tests.query_adapters.cli.command_line import CommandLine
from tests.servers.embeddings import KEY as FRAMEWORK_KEY
from tests.servers.misbehaving import Answer, MisbehavingServer

pytestmark = ignore_own_warnings
PASSWORD = "hunter2-correct-horse"  # noqa: S105
each_provider = pytest.mark.parametrize("provider", ["openai", "cohere"])
ECHOES: Mapping[str, Callable[[str], Any]] = {
    "message": lambda key: {"message": f"Incorrect API key provided: {key}."},
    "error": lambda key: {"error": {"message": f"bad key {key}", "code": key}},
    "detail": lambda key: {"detail": [{"loc": ["header"], "input": f"Bearer {key}"}]},
    "field name": lambda key: {"error": {key: "is not a key"}},
    "list": lambda key: [key, {"key": key}],
    "text": lambda key: f"<p>no key {key}</p>",
    "URL": lambda key: {"message": f"see https://me:{key}@localhost/v1?api_key={quote(key)}"},
    "long": lambda key: {"message": "x" * 190 + key},
}


def said(error: BaseException) -> str:
    """Return all that people and programs see of an error."""
    chain, parts = [error], ["".join(traceback.format_exception(error))]
    while chain:
        one = chain.pop()
        parts += [str(one), repr(one), repr(one.args), *getattr(one, "__notes__", [])]
        parts += [repr(vars(one).get(name)) for name in ("body", "message", "headers")]
        chain += [linked for linked in (one.__cause__, one.__context__) if linked]
    return "\n".join(parts)


@each_provider
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 200])
def test_no_error_tells_what_a_provider_echoes(
    provider: str, status: int, embedder: Any, server: MisbehavingServer, tmp_path: Path
) -> None:
    ours = embedder(max_retries=0, concurrency=1)
    wrapped = [make(provider, server) for make in WRAPPERS.values()]
    for key, model in [(KEY, ours), *((FRAMEWORK_KEY, model) for model in wrapped)]:
        for echo in ECHOES.values():
            body = json.dumps(echo(key)).encode()
            server.always(Answer(body, status, {"X-Request": key, "WWW-Authenticate": key}))
            with pytest.raises(Exception) as caught:  # noqa: PT011
                EmbeddingCache(tmp_path / "c").embed_documents(model, ["a"])
            assert key not in said(caught.value)
            assert key[:12] not in said(caught.value)


@each_provider
@pytest.mark.parametrize("path", PATHS)
def test_no_failure_of_generation_tells_a_key(
    provider: str, path: str, server: MisbehavingServer
) -> None:
    llm = PATHS[path](provider, server)
    options = CallOptions(retry_limit=1, on_failure="fail")
    for status in (400, 401, 404, 422, 200):
        body = json.dumps({"message": f"no {KEY}", "error": {"message": KEY}}).encode()
        server.always(Answer(body, status))
        with pytest.raises(QueryAdaptersError) as caught:
            QuestionGenerator(llm=llm, options=options).run({"one": "About a chunk."})
        assert KEY not in said(caught.value)


def test_an_answer_that_holds_the_key_is_kept_without_it(
    server: MisbehavingServer, tmp_path: Path
) -> None:
    content = f"What is {KEY} good for?\nWho has another key?"
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    server.always(Answer(json.dumps({"choices": [choice]}).encode()))
    llm = resolve_generator(MODELS["openai"])
    made = QuestionGenerator(llm=llm, journal=tmp_path / "j").run({"one": "About a chunk."})
    assert KEY not in (tmp_path / "j").read_text(encoding="utf-8")
    assert f"What is {HIDDEN} good for?" in made.dataset.queries.values()


@pytest.mark.parametrize("flags", [[], ["--traceback"]], ids=["line", "traceback"])
def test_the_command_line_tells_no_key(
    flags: list[str], server: MisbehavingServer, tmp_path: Path
) -> None:
    (tmp_path / "d.jsonl").write_text('{"id": "d", "text": "a"}', encoding="utf-8")
    for status in (400, 401, 422):
        server.always(Answer(json.dumps({"message": f"bad {KEY}"}).encode(), status))
        arguments = ["generate", tmp_path / "d.jsonl", "--llm", "openai:m", "-o", tmp_path / "q"]
        ran = CommandLine().run(*flags, *arguments, "--json")
        assert ran.exit_code == 1
        assert KEY not in ran.output + "".join(traceback.format_exception(*ran.exc_info or ()))


def test_a_model_that_is_named_by_a_url_is_recorded_without_its_password(tmp_path: Path) -> None:
    name = f"https://me:{PASSWORD}@models.localhost/e5?token={KEY}"
    verdict = f"Use the adapter. Trained on {name}"
    record = AdapterRecord(base_model=name, probe_text="q", training={"verdict": verdict})
    adapter = LinearAdapter([[0.0, 1.0], [1.0, 0.0]])
    folder = save_adapter(SavedAdapter(adapter=adapter, record=record), tmp_path / "a")
    for file in folder.iterdir():
        content = file.read_bytes()
        assert PASSWORD.encode() not in content
        assert KEY.encode() not in content
    told = f"https://{HIDDEN}@models.localhost/e5?token={HIDDEN}"
    assert told in (folder / "adapter.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("provider", ["openai"])
def test_a_password_of_the_address_is_hidden_also_where_it_stands_alone(
    server: MisbehavingServer, embedder: Any, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("://", f"://me:{PASSWORD}@"))
    server.always(Answer(json.dumps({"message": f"I know {PASSWORD}"}).encode(), 400))
    with pytest.raises(QueryAdaptersError) as caught:
        embedder().embed_queries(["q"])
    assert PASSWORD not in said(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "openai/m?base_url=https://me:{}@h/v1&bogus=1",
        "openai/m?dimensions=https://me:{}@h",
        "nobody/m?api_key={}",
        "cohere/m?base_url=https://me:{}@h",
        "nobody/m?base_url=https://me:{}@h",
        "https://me:{}@h/m",
    ],
)
def test_no_error_about_a_name_tells_a_password_in_it(
    name: str,
) -> None:
    with pytest.raises(UnknownModelError) as caught:
        resolve_embedder(name.format(PASSWORD))
    assert PASSWORD not in said(caught.value)


def test_a_registry_stores_no_password_of_who_acts_and_any_character(tmp_path: Path) -> None:
    folder = save_adapter(SavedAdapter(adapter=LinearAdapter(np.eye(2))), tmp_path / "a")
    registry, who = AdapterRegistry(tmp_path / "r"), f"https://me:{PASSWORD}@ci \ud800"
    version = registry.push(folder, "faq", by=who)
    registry.promote("faq", version, by=who, reason=who)
    assert registry.history("faq")[0].by == f"https://{HIDDEN}@ci \ud800"
    for path in (tmp_path / "r").rglob("*.json"):
        assert PASSWORD not in path.read_text(encoding="utf-8")


def test_requests_are_logged_without_a_password(
    server: MisbehavingServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = server.url.replace("://", f"://me:{PASSWORD}@")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
    llm, options = resolve_generator(MODELS["openai"]), CallOptions(retry_limit=1)
    server.always(Answer(b"no", 307, {"Location": f"http://127.0.0.1:1/{KEY}", "X-Key": KEY}))
    with caplog.at_level(logging.DEBUG), pytest.raises(QueryAdaptersError) as caught:
        QuestionGenerator(llm=llm, options=options).run({"one": "About a chunk."})
    assert any(HIDDEN in message for message in caplog.messages)
    for secret in (PASSWORD, KEY):
        assert secret not in caplog.text + said(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:secret@host/v1", "https://***@host/v1"),
        ("https://me:p@ss:word@host/v1", "https://***@host/v1"),
        ("https://token@host", "https://***@host"),
        ("postgresql+psycopg://u:p%40@h:5432/db", "postgresql+psycopg://***@h:5432/db"),
        ("https://h/v1?api_key=abc&b=2", "https://h/v1?api_key=***&b=2"),
        ("https://h/v1?b=2&sig=abc%2B", "https://h/v1?b=2&sig=***"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ('{"api_key": "abc"}', '{"api_key": "***"}'),
        ("{'access_token': 'abc', 'b': 1}", "{'access_token': '***', 'b': 1}"),
        (r"{\"password\": \"abc\"}", r"{\"password\": \"***\"}"),
        ("sk-ant-api03-abcdefgh12345678", "***"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "***"),
        ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789", "***"),
        ("(b'x-api-key', b'plainkey')", "(b'x-api-key', b'***')"),
        ("api_key='hunter2'", "api_key='***'"),
        ("https%3A%2F%2Fme%3Apw%40host%2Fv1", "https%3A%2F%2F***@host%2Fv1"),
        (r"https:\/\/me:pw@host\/v1", r"https:\/\/***@host\/v1"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "***"),
        ("registry://me:secret@host/faq", "registry://***@host/faq"),
        ("docker-registry://token@host", "docker-registry://***@host"),
        ("registry+https://token@host/faq", "registry+https://***@host/faq"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, expected: str) -> None:
    assert redacted(f"at {text} now") == f"at {expected} now"
    assert redacted(redacted(text)) == redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "what is my api key: documentation; password: requirements and policies",
        "Basic principles of law; bearer instruments-of-debt; basic authentication",
        "sentence-transformers/sk-learn-estimator-2024-v1 and co-embed-english-v3-2024-model",
        "pk_fk_joins_table_2_explained; sha256:9f86d081884c7d659a2feaa0c55ad015",
        "see https://localhost/v1?page=2 or mail me@host.org",
        "token: expected at least 1, got 0; max_tokens=7",
        "the key 'd1' of the corpus; password reset, secret garden",
        "Authorization is needed",
        "no alias at registry://faq@production; see 'registry://faq@canary'",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "shown",
    [
        "abcd/efgh+ijkl=mnop",
        "ABCD/EFGH+IJKL=MNOP",
        quote("abcd/efgh+ijkl=mnop", safe=""),
        "YWJjZC9lZmdoK2lqa2w9bW5vcA==",
        "abcd/efgh+ijkl=m...",
        "...efgh+ijkl=mnop",
        "...d/efgh+ijk...",
        "abcd/efgh%2bijkl%3dmnop",
        "abcd%252Fefgh%252Bijkl%253Dmnop",
        "".join(f"%{ord(letter):02x}" for letter in "abcd/efgh+ijkl=mnop"),
        r"abcd\/efgh\u002bijkl\u003Dmnop",
        r"abcd\\/efgh\x2bijkl=mnop",
        "abcd&#47;efgh&#x2B;ijkl=mnop",
        "abcd\n/efg\r\n h+ij\x00kl=m\u200bnop",
        r"abcd/ef\ngh+ijkl=mnop",
        "abcd/\x1b[1;31mefgh+ijkl=mnop",
        b"abcd/efgh+ijkl=mnop".hex().upper(),
        base64.b64encode(b"me:abcd/efgh+ijkl=mnop").decode(),
        base64.urlsafe_b64encode(b"Bearer abcd/efgh+ijkl=mnop").decode(),
        "\u0130ABCD/EFGH+IJKL=MNOP",
    ],
)
def test_a_known_secret_is_hidden_in_every_form(shown: str) -> None:
    remember_secret("abcd/efgh+ijkl=mnop")
    assert "efgh" not in redacted(f"bad key {shown}").casefold()
    assert re.fullmatch(r"bad [^%&]*\*\*\*[A.=]* end", redacted(f"bad {shown} end"))


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://h/v1?a=1&subscription-key=query-0123", "query-0123"),
        ("https://me:pass%2Fword-1@h/v1", "pass/word-1"),
        ("https://me:pass/word-1@h/v1", "pass/word-1"),
        ("https://me:pass#word?1@h/v1", "pass#word?1"),
    ],
)
def test_every_credential_of_an_address_is_known(
    url: str, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert without_known_secrets(f"no {secret} at h") == f"no {HIDDEN} at h"


def test_a_path_in_the_environment_is_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    assert redacted(f"at {tmp_path}/data") == f"at {tmp_path}/data"


@pytest.mark.parametrize(
    "piece", ["sk-a-", "eyJ-aaaaaaaa.", "pwd:", "\\", "%25", "://a@", "?a-", " "]
)
def test_no_message_takes_long_to_read(piece: str) -> None:
    start = time.process_time()
    redacted(piece * 40_000)
    clean = redact_error(ValueError([piece] * 1_000_000))
    assert time.process_time() - start < 2
    assert len(str(clean)) < 100


@pytest.mark.parametrize(
    "text",
    ["what is my api key: documentation", "see https://me:pw1234@h/?token=abc", "sk-learn-2024-v1"],
)
def test_a_question_and_a_name_are_recorded_as_they_are(text: str, tmp_path: Path) -> None:
    name = "sentence-transformers/sk-learn-estimator-2024-v1"
    record = AdapterRecord(base_model=name, probe_text=text)
    adapter, probe = LinearAdapter([[0.0, 1.0], [1.0, 0.0]]), np.ones(2, dtype=np.float32)
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=probe)
    read = read_adapter(save_adapter(saved, tmp_path))
    assert (read.record.probe_text, read.record.base_model) == (text, name)
    check_name(name, read.record.base_model)


def test_a_question_that_holds_a_key_in_use_is_no_probe(tmp_path: Path) -> None:
    remember_secret(KEY)
    record = AdapterRecord(probe_text=f"what is {KEY}?")
    adapter, probe = LinearAdapter([[0.0, 1.0], [1.0, 0.0]]), np.ones(2, dtype=np.float32)
    saved = SavedAdapter(adapter=adapter, record=record, probe_vector=probe)
    read = read_adapter(save_adapter(saved, tmp_path))
    assert (read.record.probe_text, read.probe_vector) == (None, None)


def test_an_error_that_cannot_be_changed_is_replaced() -> None:
    class StubbornError(Exception):
        status_code = 400

        def __str__(self) -> str:
            return f"no {KEY}"

    def fail() -> None:
        try:
            raise StubbornError
        except StubbornError as inner:
            inner.add_note(f"note {KEY}")
            raise ExceptionGroup("several", [ValueError(KEY), KeyError("b")]) from inner

    with pytest.raises(ExceptionGroup) as caught, redacting_errors():
        fail()
    assert isinstance(caught.value.__cause__, RedactedError)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    replaced = redact_error(StubbornError())
    assert isinstance(replaced, RedactedError)
    assert (str(replaced), replaced.status_code) == (f"StubbornError: no {HIDDEN}", 400)
