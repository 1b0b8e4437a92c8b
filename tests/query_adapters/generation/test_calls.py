"""Tests of retries, waiting times, and errors that end a run immediately."""

import asyncio
import contextvars
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from query_adapters.errors import GenerationError
from query_adapters.generation import CallOptions, QuestionGenerator
from query_adapters.generation.background import run_in_background
from query_adapters.providers.http_status import status_of
from query_adapters.providers.retries import (
    described,
    is_worth_another_try,
    retrying,
)
from query_adapters.providers.retry_after import retry_after

QUICK = CallOptions(backoff=0.0, retry_limit=3, concurrency=2)


class RefusedError(Exception):
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__("no")
        self.response = SimpleNamespace(status_code=status, headers=headers)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_a_provider_that_may_recover_is_asked_again(
    status: int, make_writer: Callable[..., Any], http_error: Callable[..., Any], chunks: Any
) -> None:
    writer = make_writer({"marker-1": [http_error(status), http_error(status)]})
    generated = QuestionGenerator(llm=writer, options=QUICK).run(chunks)
    assert not generated.failures
    assert writer.asked["marker-1"] == 3
    assert generated.summary.n_answers == 6


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ValueError("no JSON")])
def test_a_connection_that_breaks_is_tried_again(
    error: Exception, make_writer: Callable[..., Any], chunks: Any
) -> None:
    writer = make_writer({"marker-1": [error]})
    assert not QuestionGenerator(llm=writer, options=QUICK).run(chunks).failures


def test_a_chunk_whose_tries_are_used_up_is_reported(
    make_writer: Callable[..., Any], http_error: Callable[..., Any], chunks: Any
) -> None:
    writer = make_writer({"marker-1": [http_error(503)] * 9})
    generated = QuestionGenerator(llm=writer, options=QUICK).run(chunks)
    assert generated.failures == {"c1": "HttpError 503: status 503"}
    assert writer.asked["marker-1"] == 3


def test_a_request_that_is_refused_is_not_repeated(
    make_writer: Callable[..., Any], http_error: Callable[..., Any], chunks: Any
) -> None:
    writer = make_writer({"marker-1": [http_error(400)] * 9})
    generated = QuestionGenerator(llm=writer, options=QUICK).run(chunks)
    assert generated.failures == {"c1": "HttpError 400: status 400"}
    assert writer.asked["marker-1"] == 1


@pytest.mark.parametrize(("status", "most"), [(401, 2), (403, 2), (404, 2), (400, 4), (422, 4)])
def test_a_run_that_cannot_go_well_ends_at_once(
    status: int,
    most: int,
    make_writer: Callable[..., Any],
    http_error: Callable[..., Any],
) -> None:
    chunks = {f"c{i}": f"marker-{i}" for i in range(100)}
    writer = make_writer({f"marker-{i}": [http_error(status)] * 9 for i in range(100)})
    with pytest.raises(GenerationError, match=f"scripted .* {status}: .* check"):
        QuestionGenerator(llm=writer, options=QUICK).run(chunks)
    assert len(writer.prompts) <= most


def test_a_bug_comes_through_as_it_is(make_writer: Callable[..., Any], chunks: Any) -> None:
    writer = make_writer({"marker-1": [TypeError("complete() takes 1 argument")]})
    with pytest.raises(TypeError, match="takes 1 argument"):
        QuestionGenerator(llm=writer, options=QUICK).run(chunks)


def test_on_failure_fail_stops_at_the_first_and_keeps_what_was_paid_for(
    make_writer: Callable[..., Any], chunks: Any, tmp_path: Any
) -> None:
    writer = make_writer({"marker-3": ["I'm sorry."] * 3})
    options = CallOptions(backoff=0.0, concurrency=1, on_failure="fail")
    path = tmp_path / "journal.jsonl"
    with pytest.raises(GenerationError, match="'c3': expected 2 questions, got 0"):
        QuestionGenerator(llm=writer, options=options, journal=path).run(chunks)
    assert len(writer.prompts) == 6
    again = make_writer()
    generator = QuestionGenerator(llm=again, options=CallOptions(backoff=0.0), journal=path)
    assert list(generator.run(chunks).failures) == ["c3"]
    assert set(again.asked) == {"marker-4", "marker-5"}


def test_on_failure_fail_lets_no_other_worker_go_on(make_writer: Callable[..., Any]) -> None:
    chunks = {f"c{i}": f"marker-{i}" for i in range(100)}
    writer = make_writer({"marker-0": ["I'm sorry."] * 3})
    options = CallOptions(backoff=0.0, concurrency=4, on_failure="fail")
    with pytest.raises(GenerationError, match="'c0': expected 2 questions, got 0"):
        QuestionGenerator(llm=writer, options=options).run(chunks)
    assert len(writer.prompts) <= 20


def test_an_answer_that_never_comes_is_given_up(chunks: Any) -> None:
    class Silent:
        model_name = "silent"

        async def complete(self, prompt: str) -> str:
            await asyncio.Event().wait()
            raise AssertionError("nothing set it")

    options = CallOptions(backoff=0.0, retry_limit=2, timeout=0.01)
    with pytest.raises(GenerationError, match=r"none of 6 chunks .* TimeoutError"):
        QuestionGenerator(llm=Silent(), options=options).run(chunks)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"retry_limit": 0}, {"on_failure": "skip"}]
)
def test_settings_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
        CallOptions(**options)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_that_a_provider_asks_for_is_found(
    headers: dict[str, str], seconds: float | None, http_error: Callable[..., Any]
) -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = RefusedError(429, headers)
    assert retry_after(RefusedError(429, headers)) == seconds
    assert retry_after(wrapped) == seconds
    assert status_of(wrapped) == 429
    assert described(wrapped) == "RuntimeError 429: wrapped"


def test_a_date_to_wait_for_is_understood() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert 90 < (retry_after(RefusedError(429, {"retry-after": then})) or 0) <= 100


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [({"retry-after": "7"}, 7, 7.7), ({}, 0, 4), ({"retry-after": "99"}, 99, 109)],
)
def test_the_next_try_waits_as_told_else_longer_each_time(
    headers: dict[str, str], low: float, high: float
) -> None:
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def fail() -> None:
        raise RefusedError(429, headers)

    policy = retrying(attempts=3, backoff=2.0).copy(sleep=sleep)
    with pytest.raises(RefusedError):
        asyncio.run(policy(fail))
    assert len(waits) == 2
    assert low <= waits[0] <= high


def test_what_is_no_error_of_a_provider_is_not_tried_again() -> None:
    assert not is_worth_another_try(KeyboardInterrupt())
    assert not is_worth_another_try(AttributeError())
    assert is_worth_another_try(OSError())


async def test_a_run_inside_a_running_loop_works(
    make_writer: Callable[..., Any], chunks: Any
) -> None:
    generator = QuestionGenerator(llm=make_writer(), options=QUICK)
    inside = generator.run(chunks)
    assert inside.dataset == (await generator.arun(chunks)).dataset


def test_work_in_the_background_sees_the_callers_context_and_one_loop() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("seen")

    async def work() -> tuple[str, asyncio.AbstractEventLoop]:
        return variable.get(), asyncio.get_running_loop()

    assert run_in_background(work())[0] == "seen"
    assert run_in_background(work()) == run_in_background(work())
