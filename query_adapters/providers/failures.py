"""Translate what goes wrong in a provider's call into this package's errors, without secrets."""

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from query_adapters.errors import ProviderError, ProviderRefusedError, QueryAdaptersError
from query_adapters.providers.http_status import causes, status_of
from query_adapters.providers.logs import redacting_logs
from query_adapters.providers.redaction import redact_error, redacted
from query_adapters.providers.retry_after import asks_too_long, retry_after
from query_adapters.text.shown import shortened

UNUSABLE = ("UnusableAnswerError", "DecodingError", "TooManyRedirects")  # an answer came
LONGEST_TOLD = 200  # characters of a provider's message
MOST_READ = 10_000  # characters from which the message is taken
KEY_REFUSED = (401, 403)
UNREADABLE = (
    AttributeError, TypeError, LookupError, ValueError, ArithmeticError, RecursionError,
    AssertionError,
)  # fmt: skip
"""What SDKs raise for an answer of another shape than they expect."""
REMEDIES = {
    404: "check the model's name",
    413: "send fewer or shorter texts at once",
    429: "wait, or ask for fewer at once",
}


class _Brief(reprlib.Repr):
    """Shows a value in short, and its texts without secrets before they are cut."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxstring, self.maxother = 4, 3, 160, 160

    def repr_str(self, x: str, level: int) -> str:
        return super().repr_str(redacted(x[:MOST_READ]), level)


@contextmanager
def failures_of(model: str) -> Iterator[None]:
    """Return a context that turns every error of an SDK into this package's errors.

    Args:
        model: The model's name, for the message.

    Raises:
        ProviderRefusedError: If the provider rejects the key.
        ProviderError: For any other error.
    """
    try:
        with redacting_logs():
            yield
    except QueryAdaptersError:
        raise
    except Exception as exc:
        cause = redact_error(exc)
        status = status_of(exc)
        if status in KEY_REFUSED:
            raise ProviderRefusedError(model, status) from cause
        raise ProviderError(_told(exc, status, model)) from cause


@contextmanager
def unreadable_answers_of(model: str) -> Iterator[None]:
    """Return a context for calls through a framework's class, whose own errors stay.

    Errors that the class raises because it cannot read an answer become `ProviderError`. All other
    errors keep their class. Secrets are hidden in both.

    Args:
        model: The model's name, for the message.

    Raises:
        ProviderRefusedError: If the provider rejects the key.
        ProviderError: If the class cannot read the answer.
    """
    try:
        with redacting_logs():
            yield
    except Exception as exc:
        status = status_of(exc)
        known = isinstance(exc, QueryAdaptersError | OSError | NotImplementedError)
        unreadable = isinstance(exc, UNREADABLE) or (status is not None and status < 300)
        clean = redact_error(exc)
        if status in KEY_REFUSED and not known:
            raise ProviderRefusedError(redacted(model), status) from clean
        if unreadable and not known:
            raise ProviderError(_told(exc, status, model)) from clean
        if clean is exc:
            raise
        raise clean from exc.__cause__


def redacted_line(value: Any, length: int = LONGEST_TOLD) -> str:
    """Return a message or an answer's content as one short line without secrets."""
    told = isinstance(value, str | Exception)
    text = str(value)[:MOST_READ] if told else _Brief().repr(value)
    return shortened(" ".join(redacted(text).split()), length)


def _told(exc: Exception, status: int | None, model: str) -> str:
    name = redacted(model)
    if (status is None and isinstance(exc, UNREADABLE)) or (status is not None and status < 300):
        return _unusable(exc, name)
    if status is None:
        root = _of_transport(exc)
        if type(root).__name__ in UNUSABLE:
            return f"{name}: {redacted_line(root)}; check the address, or try again later"
        said = f"{type(root).__name__}: {redacted_line(root)}"
        return f"{name}: no answer ({said}); check network and address"
    body = getattr(exc, "body", None)
    text = body.get("message", body) if isinstance(body, Mapping) else body or exc
    said = redacted_line(text)
    if asks_too_long(exc):
        remedy = f"it asks to wait {retry_after(exc):.0f} s: run again after that"
    elif 300 <= status < 400:
        remedy = "expected no redirect: check the address"
    else:
        remedy = REMEDIES.get(
            status,
            "try again later" if status >= 500 else "check the model's settings and the texts",
        )
    return f"{name}: the provider answered with status {status}: {said}; {remedy}"


def _of_transport(error: Exception) -> BaseException:
    """Return the HTTP client's error; an SDK's own may say no more than "Connection error."."""
    for one in causes(error):
        if any(base.__module__.startswith("httpx") for base in type(one).__mro__):
            return one
    return error


def _unusable(exc: Exception, model: str) -> str:
    body = getattr(exc, "body", None)
    came = redacted_line(body) if body else f"{type(exc).__name__}: {redacted_line(exc)}"
    return (
        f"{redacted(model)}: expected an answer of the provider's API, got one that cannot be read "
        f"({came}); check the address and the model's name, or try again later"
    )
