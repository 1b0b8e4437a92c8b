"""Hide keys and passwords in everything that leaves: messages, records, logs and outputs.

Two things are hidden: the secrets in use (keys that a client was made with, values of environment
variables named as secrets, passwords of URLs in the environment), and what looks like one (the
credentials of a URL, a bearer token, the value of a parameter named as a secret).
"""

import base64
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "***"
MIN_LENGTH = 8  # a shorter secret is hidden only where it stands alone
SHORTEST = 4  # shorter ones are words of any text
NAMES = (
    r"(?:x-)?api[-_ ]?key|(?:access|auth|refresh|id|session|bearer)[-_]?token|client[-_]?secret|"
    r"secret(?:[-_]?(?:access[-_]?)?key)?|passw(?:or)?d|pwd|subscription-key"
)
SECRET_VARIABLE = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
SECRET_FIELD = re.compile(rf"({NAMES})$|^_?(token|secret|authorization)$", re.IGNORECASE)
SPACE = r"(?:\s|\\[nrt])*"
PATTERNS = (
    (re.compile(r"(?<=://)[^/\s\"'<>?#]*@"), f"{HIDDEN}@"),
    (
        re.compile(
            rf"([?&;](?:[\w.-]*(?:{NAMES})|key|token|sig|signature|auth|code)=)[^&#\s\"'<>;,)\]}}]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(
            rf"((?:{NAMES}|authorization|token)\\?[\"']{SPACE}[:=]{SPACE}\\?[\"'])[^\"'\\]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(rf"(\b(?:{NAMES})=)[^\s\"'&,;)]+", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(rf"(\b(?:{NAMES}):\s*)[^\s\"',;)]{{12,}}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\b(?:sk|pk|rk|co|hf|ghp|gsk|AIza)[-_](?=[\w-]*\d)[\w-]{16,}"), HIDDEN),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), HIDDEN),
)
_in_use: set[str] = set()


class RedactedError(Exception):
    """An error of another package whose text holds a secret that cannot be removed from it.

    Attributes:
        status_code: The HTTP status, if it had one.
    """

    status_code: int | None = None


def remember_secret(secret: str | None) -> None:
    """Hide this secret in every text from now on."""
    if secret and len(secret) >= SHORTEST:
        _in_use.add(secret)


def remember_secrets_of(model: Any) -> None:
    """Hide the keys that a framework's model holds in its fields."""
    for name, value in list(getattr(model, "__dict__", {}).items()):
        if SECRET_FIELD.search(name):
            revealed = getattr(value, "get_secret_value", lambda value=value: value)()
            remember_secret(revealed if isinstance(revealed, str) else None)
        elif isinstance(value, str) and "@" in value:
            remember_secret(_password_of(value))


def redacted(text: str) -> str:
    """Return the text with every secret replaced by `***`."""
    text = without_known_secrets(text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def without_known_secrets(text: str) -> str:
    """Return the text with the secrets in use replaced; what looks like one stays."""
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = _without(text, secret)
    return text


def redacted_value(value: Any) -> Any:
    """Return the value with redacted texts, at any depth of mappings and sequences."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, bytes):
        return redacted(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, Mapping):
        return {redacted_value(key): redacted_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [redacted_value(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def redact_error(error: BaseException) -> BaseException:
    """Return the error with redacted texts, also in its notes, causes and contexts.

    Errors are changed in place, so that their class stays. One whose text cannot be changed is
    replaced by a `RedactedError`.
    """
    for one in reversed(list(_chain(error))):
        for member in getattr(one, "exceptions", ()):
            _cleaned(member)
        for link in ("__cause__", "__context__"):
            linked = getattr(one, link)
            if linked is not None and (clean := _cleaned(linked)) is not linked:
                suppressed = one.__suppress_context__
                setattr(one, link, clean)
                one.__suppress_context__ = suppressed
    return _cleaned(error)


@contextmanager
def redacting_errors() -> Iterator[None]:
    """Return a context from which errors come without secrets."""
    try:
        yield
    except Exception as exc:
        clean = redact_error(exc)
        if clean is exc:
            raise
        raise clean from exc.__cause__


class RedactingFilter(logging.Filter):
    """Hides secrets in the records of a logger, such as a URL with a password."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message; every record passes."""
        record.msg, record.args = redacted(record.getMessage()), ()
        return True


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all that it is linked with, each once."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def _cleaned(error: BaseException) -> BaseException:
    texts = {"args": error.args, **vars(error)}
    for name, value in texts.items():
        if isinstance(value, str | bytes | Mapping | list | tuple):
            clean = redacted_value(value)
            if clean != value:
                setattr(error, name, clean)
    shown = f"{error!s} {error!r}"
    if redacted(shown) == shown:
        return error
    replacement = RedactedError(f"{type(error).__name__}: {redacted(str(error))}")
    status = getattr(error, "status_code", None)
    replacement.status_code = status if isinstance(status, int) else None
    return replacement.with_traceback(error.__traceback__)


def _secrets() -> set[str]:
    """Return the secrets in use, as they are and as they are encoded in URLs, JSON and headers."""
    found = set(_in_use)
    for name, value in os.environ.items():
        if SECRET_VARIABLE.search(name) and len(value.strip()) >= MIN_LENGTH:
            found.add(value.strip())
        elif "://" in value and "@" in value and (password := _password_of(value)):
            found.add(password)
    encoded = {base64.b64encode(one.encode(errors="replace")).decode() for one in found}
    return found | {quote(one, safe="") for one in found} | encoded


def _password_of(url: str) -> str | None:
    try:
        password = urlsplit(url).password
    except ValueError:
        return None
    return unquote(password) if password and len(password) >= SHORTEST else None


def _without(text: str, secret: str) -> str:
    """Return the text without the secret, and without a beginning of it that was cut off."""
    if len(secret) < MIN_LENGTH:
        return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text, flags=re.IGNORECASE)
    start, folded, wanted = 0, text.casefold(), secret.casefold()
    if len(folded) != len(text):  # a few letters have no lower case of the same length
        folded, wanted = text, secret
    head = wanted[: max(MIN_LENGTH, len(wanted) // 2)]
    while (at := folded.find(head, start)) >= 0:
        end = at + len(head)
        while end - at < len(wanted) and folded[end : end + 1] == wanted[end - at]:
            end += 1
        text, folded = text[:at] + HIDDEN + text[end:], folded[:at] + HIDDEN + folded[end:]
        start = at + len(HIDDEN)
    return text
