"""Read how long a provider asks to wait."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from query_adapters.providers.http_status import causes

LONGEST_RETRY_AFTER = 120.0  # the most seconds that a request waits because a provider asks it to


def retry_after(error: BaseException | None) -> float | None:
    """Return the seconds in the provider's `Retry-After`, at least 0; None without a valid one."""
    for cause in causes(error):
        for holder in (getattr(cause, "response", None), cause):
            headers = getattr(holder, "headers", None)
            if isinstance(headers, Mapping):
                known = {str(name).lower(): str(value) for name, value in headers.items()}
                for seconds in _readings(known):
                    return max(0.0, seconds)
    return None


def asks_too_long(error: BaseException | None) -> bool:
    """Return whether the provider asks for a longer wait than a request waits."""
    return (retry_after(error) or 0.0) > LONGEST_RETRY_AFTER


def _readings(headers: Mapping[str, str]) -> Iterator[float]:
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        with contextlib.suppress(KeyError, ValueError):
            if isfinite(seconds := float(headers[name]) / unit):
                yield seconds
    with contextlib.suppress(KeyError, ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(headers["retry-after"])
        yield (moment - datetime.now(UTC)).total_seconds()
