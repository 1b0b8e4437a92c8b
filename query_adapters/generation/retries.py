"""Which errors of a provider are worth another try, and when."""

import contextlib
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from query_adapters.embedders.http_status import causes, status_of

LONGEST_WAIT = 60.0  # seconds between two tries, where the provider does not say
LONGEST_RETRY_AFTER = 600.0  # seconds; a provider that says more is asked again then
WORTH_ANOTHER_TRY = (408, 409, 425, 429)  # and all that is not 4xx, as a 200 cut short
NOT_ALLOWED = (401, 403, 404)  # the same for every chunk
BUGS = (TypeError, AttributeError, NameError, ImportError, NotImplementedError, AssertionError)


def retrying(*, attempts: int, backoff: float) -> AsyncRetrying:
    """Return a policy: so many tries, waits that double from `backoff` seconds, with jitter."""
    spread = wait_random_exponential(multiplier=backoff, max=LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        told = retry_after(error)
        if told is None:
            return spread(state)
        return min(told, LONGEST_RETRY_AFTER) * random.uniform(1, 1.1)  # noqa: S311

    return AsyncRetrying(
        stop=stop_after_attempt(attempts),
        wait=wait,
        retry=retry_if_exception(is_worth_another_try),
        reraise=True,
    )


def is_worth_another_try(error: BaseException) -> bool:
    """Return whether the same request may go well later."""
    if not isinstance(error, Exception) or isinstance(error, BUGS):
        return False
    status = status_of(error)
    return status is None or status in WORTH_ANOTHER_TRY or not 400 <= status < 500


def is_bug(error: BaseException) -> bool:
    """Return whether the error is one of the program, not of a provider."""
    return isinstance(error, BUGS) and status_of(error) is None


def retry_after(error: BaseException | None) -> float | None:
    """Return the seconds that the provider asks to wait (`Retry-After`), if it does."""
    for cause in causes(error):
        for holder in (getattr(cause, "response", None), cause):
            headers = getattr(holder, "headers", None)
            if isinstance(headers, Mapping):
                told = {str(name).lower(): str(value) for name, value in headers.items()}
                if (seconds := _seconds(told)) is not None:
                    return seconds
    return None


def described(error: BaseException) -> str:
    """Return the error in one short line, with its status."""
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
