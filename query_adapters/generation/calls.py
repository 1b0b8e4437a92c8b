"""Send many prompts concurrently, with retries and a journal of the answers."""

import asyncio
from collections.abc import Callable, Iterable, Sequence, Sized
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from tqdm.auto import tqdm

from query_adapters.embedders.tokens import tokens_in
from query_adapters.errors import GenerationError, ProviderError
from query_adapters.generation.costs import Usage
from query_adapters.generation.journal import Journal, Key
from query_adapters.generation.protocol import TextGenerator
from query_adapters.providers.http_status import status_of
from query_adapters.providers.redaction import redact_error
from query_adapters.providers.retries import (
    NOT_ALLOWED,
    described,
    is_bug,
    is_worth_another_try,
    retrying,
)
from query_adapters.providers.secrets import without_known_secrets

OnFailure = Literal["continue", "fail"]
Value = TypeVar("Value", bound=Sized)
REFUSALS = 3  # after so many refusals without an accepted request, the request itself is wrong


@dataclass(frozen=True, kw_only=True)
class Request(Generic[Value]):
    """A prompt, and the function that reads its answer.

    Attributes:
        key: Key of its answers in the journal.
        prompt: The prompt's text.
        read: Returns the value of an answer, and its problem; "" if it has none.
    """

    key: Key
    prompt: str
    read: Callable[[str], tuple[Value, str]]

    @property
    def prompt_tokens(self) -> int:
        """Estimated tokens of the prompt."""
        return tokens_in(len(self.prompt))

    def is_settled(self, journal: Journal, *, retry_limit: int) -> bool:
        """Return whether the journal holds a usable answer, or as many as `retry_limit` allows."""
        answers = journal.answers(self.key)
        return len(answers) >= retry_limit or any(not self.read(answer)[1] for answer in answers)


@dataclass(frozen=True, kw_only=True)
class Outcome(Generic[Value]):
    """The outcome of a request.

    Attributes:
        value: The first answer without a problem, else the most complete one, else None.
        problem: Why there is no better answer; empty if there is no problem.
    """

    value: Value | None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class CallOptions:
    """Options of the calls to a model.

    Args:
        concurrency: Concurrent requests, at least 1.
        retry_limit: Answers per prompt until one can be used, and attempts per answer if the
            provider fails, at least 1.
        timeout: Seconds that one attempt may take; None for the client's limit.
        backoff: Seconds before the second attempt; doubled each time, with jitter.
        on_failure: "continue" to report failures at the end, "fail" to stop at the first.

    Raises:
        ValueError: If a setting is out of range.
    """

    concurrency: int = 16
    retry_limit: int = 3
    timeout: float | None = 120.0
    backoff: float = 1.0
    on_failure: OnFailure = "continue"

    def __post_init__(self) -> None:
        for name in ("concurrency", "retry_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.on_failure not in ("continue", "fail"):
            raise ValueError(f"on_failure: expected 'continue' or 'fail', got {self.on_failure!r}")


@dataclass(kw_only=True)
class Asker:
    """Sends the requests of one run to one model.

    Args:
        llm: The model.
        journal: The open journal; answers are written to it before they are parsed.
        options: Options of the calls.
        usage: Counts the paid answers.
    """

    llm: TextGenerator
    journal: Journal
    options: CallOptions
    usage: Usage
    _stopped: bool = field(default=False, init=False)
    _refused: int = field(default=0, init=False)
    _accepted: int = field(default=0, init=False)

    async def ask_all(
        self, requests: Sequence[Request[Value]], *, description: str, show_progress: bool
    ) -> list[Outcome[Value]]:
        """Return the outcome of each request, in their order.

        Raises:
            GenerationError: If the provider rejects the key, the model or the request, or, with
                `on_failure="fail"`, if a request has no usable answer. Calls in flight are
                completed and journaled first.
        """
        outcomes: dict[int, Outcome[Value]] = {}
        left = iter(enumerate(requests))
        with tqdm(total=len(requests), desc=description, disable=not show_progress) as bar:

            async def work() -> None:
                for row, request in left:
                    if self._stopped:
                        return
                    outcomes[row] = await self._guarded(request)
                    bar.set_postfix_str(str(self.usage), refresh=False)
                    bar.update()

            n_workers = min(self.options.concurrency, len(requests))
            ended = await asyncio.gather(
                *(work() for _ in range(n_workers)), return_exceptions=True
            )
        _raise_first(ended)
        return [outcomes[row] for row in range(len(requests))]

    async def _guarded(self, request: Request[Value]) -> Outcome[Value]:
        try:
            return await self._ask(request)
        except BaseException:
            self._stopped = True
            raise

    async def _ask(self, request: Request[Value]) -> Outcome[Value]:
        """Send the prompt until an answer can be used; answers in the journal count."""
        values: list[Value] = []
        problem = ""
        for attempt in range(self.options.retry_limit):
            known = self.journal.answers(request.key)
            if attempt < len(known):
                answer = known[attempt]
            else:
                try:
                    answer = await self._paid_answer(_prompt(request, problem))
                except Exception as exc:
                    return self._failed(exc, request, values)
                self.journal.append(request.key, answer)
            value, problem = request.read(answer)
            if not problem:
                return Outcome(value=value)
            values.append(value)
        return self._unusable(request, values, problem)

    async def _paid_answer(self, prompt: str) -> str:
        policy = retrying(attempts=self.options.retry_limit, backoff=self.options.backoff)
        answer = without_known_secrets(await policy(self._try, prompt))
        self._accepted += 1
        self.usage.add(prompt, answer)
        return answer

    async def _try(self, prompt: str) -> str:
        async with asyncio.timeout(self.options.timeout):
            return await self.llm.complete(prompt)

    def _failed(
        self, exc: Exception, request: Request[Value], values: Sequence[Value]
    ) -> Outcome[Value]:
        status = status_of(exc)
        if is_bug(exc):
            raise redact_error(exc)
        if status in NOT_ALLOWED:
            raise GenerationError(
                f"{self.llm.model_name} may not be asked: {described(exc)}; expected a valid key "
                "with access to this model: check both, then run again"
            ) from redact_error(exc)
        unreadable = isinstance(exc, ProviderError) and status is None
        self._refused += unreadable or (status is not None and not is_worth_another_try(exc))
        if self._refused >= REFUSALS and not self._accepted:
            raise GenerationError(
                f"{self.llm.model_name} refused the first {self._refused} requests: "
                f"{described(exc)}; expected one to be accepted: check the model's name and its "
                "settings, then run again"
            ) from redact_error(exc)
        return self._unusable(request, values, described(exc), cause=redact_error(exc))

    def _unusable(
        self,
        request: Request[Value],
        values: Sequence[Value],
        problem: str,
        *,
        cause: BaseException | None = None,
    ) -> Outcome[Value]:
        if self.options.on_failure == "fail":
            raise GenerationError(
                f"chunk {request.key.chunk!r}: {problem}; on_failure='continue' would go on and "
                "report it at the end"
            ) from cause
        return Outcome(value=max(values, key=len, default=None), problem=problem)


def _prompt(request: Request[Value], problem: str) -> str:
    note = f"\nAn earlier answer was of no use: {problem}.\n"
    return request.prompt + (note if problem else "")


def _raise_first(ended: Iterable[BaseException | None]) -> None:
    errors = [error for error in ended if error is not None]
    for error in sorted(errors, key=lambda error: not isinstance(error, GenerationError)):
        raise error
