"""Decide which errors of a provider to retry, and when."""

import logging
import random
from typing import Any

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
)
from tenacity.wait import wait_random_exponential

from query_adapters.errors import GenerationError
from query_adapters.providers.failures import redacted_line
from query_adapters.providers.http_status import causes, status_of
from query_adapters.providers.retry_after import asks_too_long, retry_after

LONGEST_WAIT = 60.0  # the most seconds between two attempts without `Retry-After`
NOTABLE_WAIT = 5.0  # a longer wait is logged
WORTH_ANOTHER_TRY = (408, 409, 425, 429)  # and everything but 4xx, such as a truncated 200
NOT_ALLOWED = (401, 403, 404)  # these fail for every chunk
BUGS = (
    TypeError, AttributeError, NameError, ImportError, NotImplementedError, AssertionError,
    GenerationError,
)  # fmt: skip
FINAL = ("DecodingError", "TooManyRedirects", "UnsupportedProtocol", "InvalidURL")  # of httpx
logger = logging.getLogger(__name__)


def retrying(*, attempts: int, backoff: float) -> AsyncRetrying:
    """Return a retry policy with exponential backoff from `backoff` seconds, with jitter."""
    return AsyncRetrying(**_policy(attempts, backoff))


def retrying_in_thread(*, attempts: int, backoff: float) -> Retrying:
    """Return the same policy for a synchronous function."""
    return Retrying(**_policy(attempts, backoff))


def is_worth_another_try(error: BaseException) -> bool:
    """Return whether the same request may succeed soon."""
    if not isinstance(error, Exception) or isinstance(error, BUGS) or asks_too_long(error):
        return False
    if any(type(cause).__name__ in FINAL for cause in causes(error)):
        return False
    status = status_of(error)
    return status is None or status in WORTH_ANOTHER_TRY or not 300 <= status < 500


def is_bug(error: BaseException) -> bool:
    """Return whether the error is a bug of the program instead of a provider's error."""
    return isinstance(error, BUGS) and status_of(error) is None


def described(error: BaseException) -> str:
    """Return the error as one short line with its HTTP status, without secrets."""
    status = status_of(error)
    said = redacted_line(error, 300)
    wait = f"; the provider asks to wait {retry_after(error):.0f} s" if asks_too_long(error) else ""
    return f"{type(error).__name__}{f' {status}' if status else ''}: {said}{wait}"


def _policy(attempts: int, backoff: float) -> dict[str, Any]:
    spread = wait_random_exponential(multiplier=backoff, max=LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        seconds = retry_after(state.outcome.exception() if state.outcome else None)
        if seconds is None:
            return spread(state)
        return seconds * random.uniform(1, 1.1)  # noqa: S311

    return {
        "stop": stop_after_attempt(attempts),
        "wait": wait,
        "retry": retry_if_exception(is_worth_another_try),
        "before_sleep": _say,
        "reraise": True,
    }


def _say(state: RetryCallState) -> None:
    """Log a wait that a user would notice."""
    seconds = state.upcoming_sleep
    if seconds >= NOTABLE_WAIT and state.outcome is not None:
        error = state.outcome.exception()
        why = "" if error is None else described(error)
        logger.warning("waiting %.0f s before the next attempt: %s", seconds, why)
