"""Decide which errors of a provider to retry, and when."""

import contextlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from query_adapters.embedders.http_status import causes, status_of
from query_adapters.errors import GenerationError

LONGEST_WAIT = 60.0  # the most seconds between two attempts without `Retry-After`
LONGEST_RETRY_AFTER = 600.0  # the most seconds to wait for `Retry-After`
WORTH_ANOTHER_TRY = (408, 409, 425, 429)  # and everything but 4xx, such as a truncated 200
NOT_ALLOWED = (401, 403, 404)  # these fail for every chunk
BUGS = (
    TypeError, AttributeError, NameError, ImportError, NotImplementedError, AssertionError,
    GenerationError,
)  # fmt: skip


def retrying(*, attempts: int, backoff: float) -> AsyncRetrying:
    """Return a retry policy with exponential backoff from `backoff` seconds, with jitter."""
    spread = wait_random_exponential(multiplier=backoff, max=LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        seconds = retry_after(error)
        if seconds is None:
            return spread(state)
        return min(seconds, LONGEST_RETRY_AFTER) * random.uniform(1, 1.1)  # noqa: S311

    return AsyncRetrying(
        stop=stop_after_attempt(attempts),
        wait=wait,
        retry=retry_if_exception(is_worth_another_try),
        reraise=True,
    )


def is_worth_another_try(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if not isinstance(error, Exception) or isinstance(error, BUGS):
        return False
    status = status_of(error)
    return status is None or status in WORTH_ANOTHER_TRY or not 400 <= status < 500


def is_bug(error: BaseException) -> bool:
    """Return whether the error is a bug of the program instead of a provider's error."""
    return isinstance(error, BUGS) and status_of(error) is None


def retry_after(error: BaseException | None) -> float | None:
    """Return the seconds in the provider's `Retry-After`; None without it."""
    for cause in causes(error):
        for holder in (getattr(cause, "response", None), cause):
            headers = getattr(holder, "headers", None)
            if isinstance(headers, Mapping):
                known = {str(name).lower(): str(value) for name, value in headers.items()}
                if (seconds := _seconds(known)) is not None:
                    return seconds
    return None


def described(error: BaseException) -> str:
    """Return the error as one short line with its HTTP status."""
    status = status_of(error)
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}{f' {status}' if status else ''}: {text}"


def _seconds(headers: Mapping[str, Any]) -> float | None:
    with contextlib.suppress(KeyError, ValueError):
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    with contextlib.suppress(KeyError, ValueError):
        return max(0.0, float(headers["retry-after"]))
    with contextlib.suppress(KeyError, ValueError, TypeError):
        moment = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    return None
